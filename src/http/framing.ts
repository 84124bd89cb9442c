// Where the body of a request ends (RFC 9112, section 6). Held to the letter of the standard, since leniency is what lets two
// readers of one connection disagree on where a request ends: Content-Length and Transfer-Encoding together are refused, and
// so are codings other than chunked alone, or of HTTP/1.0.
//
// Without either the body goes on until the connection closes, for requests that are known to have one: the standard has that
// for responses alone, but Icecast's clients send it.

import { type HttpHead, refused, type Unreadable } from "../protocol/httphead.ts";

/** After so many bytes, by its chunks, or with its connection. */
export type Framing =
  | { readonly type: "length"; readonly bytes: number }
  | { readonly type: "chunked" }
  | { readonly type: "close" };

/** The framing that a request's header fields say. */
export function framingOf({
  headers,
  minorVersion,
}: Pick<HttpHead, "headers" | "minorVersion">): Framing | Unreadable {
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== null) {
    if (length !== null) return refused(400, "the request has both a Content-Length and a Transfer-Encoding");
    if (minorVersion === 0) return refused(400, "HTTP/1.0 does not support Transfer-Encoding");
    if (coding.toLowerCase() === "chunked") return { type: "chunked" };
    return refused(501, "the only supported Transfer-Encoding is chunked");
  }
  if (length === null) return { type: "close" };
  // Several of them are joined by commas, which a number has not.
  if (!/^\d{1,15}$/.test(length)) return refused(400, "the Content-Length is not a number");
  return { type: "length", bytes: Number(length) };
}
