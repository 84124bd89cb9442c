// Answers of handlers, and their bytes.

import type { Code, FstreamError } from "../errors.ts";
import { encodeBodyHead } from "../session/httpresponse.ts";
import { refusalOf } from "../session/httpwatch.ts";
import type { HttpRequest } from "./request.ts";

/** What a request is answered. */
export interface Answer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  /**
   * Not changed any more. What many get alike should be one buffer: it is sent from there, so that a peer that takes nothing
   * keeps no copy of its own.
   */
  readonly body: Uint8Array;
}

/** The refusal of a request, with the code in `X-Fstream-Code`. */
export function refusal(request: Pick<HttpRequest, "headers" | "path">, error: FstreamError): Answer {
  const { status, message, fields } = refusalOf(request.path, error);
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
): Answer {
  if (!isApi(request) && !acceptsJson(request)) return text(`${message}\n`, status, fields);
  const error = { code, message };
  return json(JSON.stringify({ error }), status, { "Cache-Control": "no-store", ...fields });
}

function isApi({ path }: Pick<HttpRequest, "path">): boolean {
  return path.startsWith("/api/");
}

export function acceptsJson({ headers }: Pick<HttpRequest, "headers">): boolean {
  return /\bapplication\/json\b/i.test(headers.get("accept") ?? "");
}

export function text(body: string, status = 200, fields: Readonly<Record<string, string>> = {}): Answer {
  const typed = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    ...plain,
    ...fields,
  };
  return { status, fields: typed, body: Buffer.from(body) };
}

/** It is what its Content-Type says (the Fetch standard, "X-Content-Type-Options"). */
const plain = { "X-Content-Type-Options": "nosniff" };

/** `body` is JSON. */
export function json(body: string, status: number, fields: Readonly<Record<string, string>>): Answer {
  return {
    status,
    fields: { "Content-Type": "application/json", ...plain, ...fields },
    body: Buffer.from(body),
  };
}

/** An answer as it is sent; `headOnly`: as for HEAD. */
export function encode({ status, fields, body }: Answer, headOnly: boolean): readonly Uint8Array[] {
  const head = encodeBodyHead(status, fields, body.length);
  return headOnly || body.length === 0 ? [head] : [head, body];
}
