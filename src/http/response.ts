// Responses of handlers, and their bytes.

import { type FstreamError } from "../errors.ts";
import { encodeResponse } from "../session/httpresponse.ts";
import { refusalOf } from "../session/httpwatch.ts";
import type { HttpRequest } from "./request.ts";

/** The refusal of a request: why, in words or as JSON where that is accepted, and the code in `X-Fstream-Code`. */
export function refusal(request: Pick<HttpRequest, "headers">, error: FstreamError): Response {
  const { status, message, fields } = refusalOf(error);
  if (!acceptsJson(request)) return text(`${message}\n`, status, fields);
  return Response.json({ error: { code: error.code, message } }, { status, headers: fields });
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
