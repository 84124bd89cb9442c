// Responses of handlers, and their bytes.

import type { Code, FstreamError } from "../errors.ts";
import { encodeResponse } from "../session/httpresponse.ts";
import { refusalOf } from "../session/httpwatch.ts";
import type { HttpRequest } from "./request.ts";

/** The refusal of a request, with the code in `X-Fstream-Code`. */
export function refusal(request: Pick<HttpRequest, "headers" | "path">, error: FstreamError): Response {
  const { status, message, fields } = refusalOf(error);
  const isForOperator = isApi(request) || request.path === "/metrics";
  const asksToken: Record<string, string> =
    status === 401 && isForOperator ? { "WWW-Authenticate": 'Bearer realm="fstream"' } : {};
  return problem(request, status, error.code, message, { ...fields, ...asksToken });
}

/** Why a request has no answer: in words, or as JSON where that is accepted, and in the API. */
export function problem(
  request: Pick<HttpRequest, "headers" | "path">,
  status: number,
  code: Code,
  message: string,
  fields: Readonly<Record<string, string>> = {},
): Response {
  if (!isApi(request) && !acceptsJson(request)) return text(`${message}\n`, status, fields);
  const headers = { "Cache-Control": "no-store", ...fields };
  return Response.json({ error: { code, message } }, { status, headers });
}

function isApi({ path }: Pick<HttpRequest, "path">): boolean {
  return path.startsWith("/api/");
}

export function acceptsJson({ headers }: Pick<HttpRequest, "headers">): boolean {
  return /\bapplication\/json\b/i.test(headers.get("accept") ?? "");
}

export function text(body: string, status = 200, fields: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", ...fields },
  });
}

/** A response as it is sent, body and all; `headOnly`: as for HEAD. */
export async function encode(response: Response, headOnly: boolean): Promise<Uint8Array> {
  const body = new Uint8Array(await response.arrayBuffer());
  return encodeResponse(response.status, Object.fromEntries(response.headers), body, headOnly);
}
