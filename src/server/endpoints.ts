// What there is over HTTP: tokens and health. `POST /token` takes Basic authentication (RFC 7617) or form fields `user` and
// `user_password`, and answers with the token as text, or as JSON with its lifetime where JSON is accepted. A refusal says
// why in its body, and its code stands in `X-Fstream-Code`.

import type { Access } from "../access/access.ts";
import { logRefusal } from "../access/refusal.ts";
import { userNameProblem } from "../auth/name.ts";
import { asFstreamError, FstreamError, meaning, named } from "../errors.ts";
import type { Log } from "../log.ts";
import { clientAddress, isLocalRequest } from "./clientaddress.ts";

export interface HttpServices {
  readonly access: Access;
  readonly log: Log;
  readonly trusted: (address: string) => boolean;
}

/** A request with all of its body, and where it came from. */
export interface HttpRequest {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The peer's address, as Connection has it. */
  readonly peer: string;
  readonly secure: boolean;
  /** Whose token it asks for, once that is known. */
  user?: string;
}

/** The answer to a request, whatever becomes of it. */
export async function answer(request: HttpRequest, services: HttpServices): Promise<Response> {
  try {
    return await respond(request, services);
  } catch (thrown) {
    const error = asFstreamError(thrown);
    const what = request.user === undefined ? "request" : `token of ${named(request.user)}`;
    logRefusal(services.log, what, clientAddress(request.peer, request.headers, services.trusted), error);
    return refusal(request, error);
  }
}

async function respond(request: HttpRequest, services: HttpServices): Promise<Response> {
  const url = URL.parse(request.target, "http://localhost");
  if (url === null) throw new FstreamError("bad_request", "the URL makes no sense");
  switch (url.pathname) {
    case "/healthz":
      return allowing(request, ["GET", "HEAD"], () => text("ok\n"));
    case "/token":
      return allowing(request, ["POST"], () => giveToken(request, services));
    default:
      return text("nothing here\n", 404);
  }
}

function allowing(
  request: HttpRequest,
  methods: readonly string[],
  answer: () => Response | Promise<Response>,
) {
  if (methods.includes(request.method)) return answer();
  return text(`${request.method} is not served here: use ${methods[0]}\n`, 405, {
    Allow: methods.join(", "),
  });
}

async function giveToken(request: HttpRequest, services: HttpServices): Promise<Response> {
  refuseInTheClear(request, services);
  const { user, password } = await credentialsOf(request);
  request.user = user;
  // In the words of a wrong login, which a browser asks for again. Before any work is done for it.
  if (userNameProblem(user) !== undefined) throw new FstreamError("unauthorized", "wrong user or password");
  const address = clientAddress(request.peer, request.headers, services.trusted);
  const peer = { address, proxy: request.peer, secure: true };
  const { token, expiresInSeconds } = await services.access.token(peer, user, password);
  if (!acceptsJson(request)) return text(`${token}\n`);
  return Response.json({ token, expires: expiresInSeconds }, { headers: { "Cache-Control": "no-store" } });
}

/** A password that travels without TLS is given away: only this machine may send one, and a proxy that had it over TLS. */
function refuseInTheClear(request: HttpRequest, services: HttpServices): void {
  if (isLocalRequest(request.peer, request.headers)) return;
  const isProxied = services.trusted(request.peer);
  if (isProxied ? request.headers.get("x-forwarded-proto") === "https" : request.secure) return;
  throw new FstreamError("forbidden", "tokens are given over HTTPS only");
}

async function credentialsOf(request: HttpRequest): Promise<{ user: string; password: string }> {
  const header = request.headers.get("authorization");
  const basic = /^basic +([a-z\d+/]+=*) *$/i.exec(header ?? "");
  if (basic !== null) {
    const decoded = Buffer.from(basic[1], "base64").toString("utf8");
    const colon = decoded.indexOf(":");
    if (colon > 0) return { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  }
  if (header !== null)
    throw new FstreamError("bad_request", "the Authorization header is not Basic user:password");
  const type = request.headers.get("content-type")?.split(";")[0].trim().toLowerCase() ?? "";
  if (type === "application/x-www-form-urlencoded" || type === "multipart/form-data") {
    const form = await formOf(request);
    const user = form.get("user");
    const password = form.get("user_password");
    if (typeof user === "string" && user !== "" && typeof password === "string") return { user, password };
  }
  throw new FstreamError(
    "unauthorized",
    "no user and password: give Basic authentication, or form fields user and user_password",
  );
}

async function formOf({ headers, body }: HttpRequest): Promise<FormData> {
  try {
    const type = headers.get("content-type") ?? "";
    return (await new Response(body, { headers: { "Content-Type": type } }).formData()) as FormData;
  } catch (cause) {
    throw new FstreamError("bad_request", "the form can't be read", { cause });
  }
}

function refusal(request: HttpRequest, error: FstreamError): Response {
  const message = error.code === "internal" ? "the server failed" : error.message;
  const { http: status } = meaning(error.code);
  const headers: Record<string, string> = { "X-Fstream-Code": error.code, "Cache-Control": "no-store" };
  if (status === 401) headers["WWW-Authenticate"] = 'Basic realm="fstream", charset="UTF-8"';
  if (!acceptsJson(request)) return text(`${message}\n`, status, headers);
  return Response.json({ error: { code: error.code, message } }, { status, headers });
}

function acceptsJson(request: HttpRequest): boolean {
  return /\bapplication\/json\b/i.test(request.headers.get("accept") ?? "");
}

export function text(body: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(body, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", ...headers },
  });
}
