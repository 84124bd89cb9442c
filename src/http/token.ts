// `POST /token`: a token, for a user with Basic authentication (RFC 7617) or form fields `user` and `user_password`, as text, or as
// JSON with its lifetime where JSON is accepted.

import { userNameProblem } from "../auth/name.ts";
import { FstreamError } from "../errors.ts";
import { basicOf } from "../protocol/httpwatch.ts";
import { refuseOtherPages } from "./origin.ts";
import type { HttpRequest } from "./request.ts";
import { type Answer, acceptsJson, json, text } from "./response.ts";
import type { HttpServices } from "./services.ts";

/** Of a form that has two. */
const maxFields = 100;
const ampersand = 38;

/** Throws FstreamError. */
export async function giveToken(
  request: HttpRequest,
  { access, options }: Pick<HttpServices, "access" | "options">,
): Promise<Answer> {
  refuseInTheClear(request);
  refuseOtherPages(request, options.publicUrl);
  const { user, password } = await credentialsOf(request);
  request.subject = { intent: "token", user };
  // In the words of a wrong login, which a browser asks for again. Before any work is done for it.
  if (userNameProblem(user) !== undefined) throw new FstreamError("unauthorized", "wrong user or password");
  // How it came is checked: no other rule on plain connections applies.
  const { token, expiresInSeconds } = await access.token({ ...request.client, secure: true }, user, password);
  if (!acceptsJson(request)) return text(`${token}\n`);
  const answer = { token, expires: expiresInSeconds };
  return json(JSON.stringify(answer), 200, { "Cache-Control": "no-store" });
}

/** A password that travels without TLS is given away: only this machine may send one, and a proxy that had it over TLS. */
function refuseInTheClear({ isLocal, client }: HttpRequest): void {
  if (!isLocal && !client.secure) throw new FstreamError("forbidden", "tokens are only issued over HTTPS");
}

async function credentialsOf(request: HttpRequest): Promise<{ user: string; password: string }> {
  const { headers } = request;
  const basic = basicOf(headers);
  if (basic !== undefined && basic.user !== "") return basic;
  if (headers.has("authorization"))
    throw new FstreamError("bad_request", "the Authorization header is not Basic user:password");
  const type = headers.get("content-type")?.split(";")[0].trim().toLowerCase() ?? "";
  // Each costs what a parameter of a query does.
  if (request.body.filter((byte) => byte === ampersand).length > maxFields)
    throw new FstreamError("bad_request", `the form has more than ${maxFields} fields`);
  if (type === "application/x-www-form-urlencoded" || type === "multipart/form-data") {
    const form = await formOf(request);
    const user = form.get("user");
    const password = form.get("user_password");
    if (typeof user === "string" && user !== "" && typeof password === "string") return { user, password };
  }
  throw new FstreamError(
    "unauthorized",
    "user and password are missing: use Basic authentication, or the form fields user and user_password",
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
