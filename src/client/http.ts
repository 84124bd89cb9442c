// One HTTP request (RFC 9112) over a connection whose certificate was accepted by trust.ts, before a byte of the
// request was sent. `fetch` can't do that: it knows no fingerprint in place of chain and expiry. No redirect is
// followed: a password goes where it was sent to, and nowhere else.

import { FstreamError } from "../errors.ts";
import { type Address, formatPlace } from "./address.ts";
import { dial } from "./dial.ts";
import { httpsHint } from "./firstreply.ts";
import type { Trust } from "./trust.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A larger answer is refused; left out: `usualResponseBytes`. */
  readonly maxResponseBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Whether the body said itself where it ends; else the connection's end did, which anything on the path can forge. */
  readonly delimited: boolean;
}

/** Larger answers are not believed: a token and a reason are short, and so is a proxy's page about its trouble. Bytes. */
const usualResponseBytes = 64 * 1024;
/** Time for the whole exchange, milliseconds. */
const exchangeMs = 30_000;

/** The answer to one request; rejects with `disconnected`, or `failed` where what answers is no HTTP. */
export async function exchange(address: Address, trust: Trust, request: HttpRequest): Promise<HttpResponse> {
  const place = formatPlace(address);
  const { maxResponseBytes = usualResponseBytes } = request;
  const connection = await dial(address, trust);
  const timer = setTimeout(() => connection.close(`no answer within ${exchangeMs / 1000} s`), exchangeMs);
  try {
    const headers = {
      Host: place,
      "User-Agent": "fstream",
      Connection: "close",
      "Content-Length": "0",
      ...request.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `${request.method} ${request.path} HTTP/1.1\r\n${lines.join("")}\r\n`;
    await connection.write(new TextEncoder().encode(head));
    const answer = Buffer.alloc(maxResponseBytes);
    const end = new EndFinder();
    let size = 0;
    let response: HttpResponse | "no HTTP" | "cut short" = "cut short";
    // Where its length says that it is whole, the connection's end is not waited for: not every server closes when asked to.
    for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
      if (size + bytes.length > maxResponseBytes)
        throw new FstreamError("failed", `the answer from ${place} is too large`);
      answer.set(bytes, size);
      size += bytes.length;
      if (!end.isWhole(answer.subarray(0, size))) continue;
      response = parseResponse(answer.subarray(0, size), false);
      if (typeof response === "object") break;
    }
    if (typeof response !== "object")
      response = parseResponse(answer.subarray(0, size), connection.ending?.type === "fin");
    if (response === "no HTTP") throw new FstreamError("failed", `${place} does not speak HTTP`);
    if (response === "cut short" && connection.ending?.type === "error") throw connection.lost();
    if (response === "cut short") {
      // What speaks TLS closes on plain HTTP, usually without a word.
      const options = address.scheme === "http" && size === 0 ? { hint: httpsHint(place) } : {};
      throw new FstreamError(
        "disconnected",
        `${place} closed the connection ${size === 0 ? "without an answer" : "midway through its answer"}`,
        options,
      );
    }
    return response;
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

/** An interim response (RFC 9110, section 15.2), at the beginning of its head. */
const interim = /^HTTP\/1\.[01] 1\d\d[ \r]/;
/** The line before a chunk: its size. */
const chunkLine = /^([\da-f]{1,8})[ \t]*(?:;|$)/i;
/** A longer one is no such line. Bytes. */
const maxChunkLineBytes = 1024;
const never = { end: Number.POSITIVE_INFINITY };

/**
 * Finds when a response is whole, as more and more of it comes: each byte is looked at once, as what comes in small pieces would
 * cost the square of its length otherwise.
 */
export class EndFinder {
  /** Where the head begins, behind interim ones. */
  #start = 0;
  /** Up to where the head was searched; then where the next chunk begins. */
  #at = 0;
  #body: "head" | "chunks" | { readonly end: number } = "head";

  /** `bytes`: all that has come. True, once: it is whole, if it makes sense, which is for `parseResponse` to say. */
  isWhole(bytes: Buffer): boolean {
    while (this.#body === "head") if (!this.#readHead(bytes)) return false;
    const isWhole = this.#body === "chunks" ? this.#skipChunks(bytes) : bytes.length >= this.#body.end;
    if (isWhole) this.#body = never;
    return isWhole;
  }

  /** False: it has not come. */
  #readHead(bytes: Buffer): boolean {
    const end = bytes.indexOf("\r\n\r\n", Math.max(this.#start, this.#at - 3));
    this.#at = end < 0 ? bytes.length : end + 4;
    if (end < 0) return false;
    const head = bytes.toString("latin1", this.#start, end + 2);
    this.#start = this.#at;
    if (interim.test(head)) return true;
    const length = /^content-length:[ \t]*(\d+)/im.exec(head)?.[1];
    if (/^transfer-encoding:.*\bchunked\b/im.test(head)) this.#body = "chunks";
    else this.#body = length === undefined ? never : { end: this.#at + Number(length) };
    return true;
  }

  /** Whether the last chunk has come. */
  #skipChunks(bytes: Buffer): boolean {
    while (this.#at < bytes.length) {
      const line = bytes.subarray(this.#at, this.#at + maxChunkLineBytes);
      const end = line.indexOf("\r\n");
      if (end < 0 && line.length < maxChunkLineBytes) return false;
      const digits = chunkLine.exec(line.toString("latin1", 0, Math.max(0, end)))?.[1];
      if (digits === undefined) {
        this.#body = never;
        return false;
      }
      const size = Number.parseInt(digits, 16);
      if (size === 0) return true;
      this.#at += end + 2 + size + 2;
    }
    return false;
  }
}

/**
 * A whole response, after interim ones (RFC 9110, section 15.2); `complete` says that its sender closed in order after these
 * bytes. Pure.
 */
export function parseResponse(bytes: Uint8Array, complete: boolean): HttpResponse | "no HTTP" | "cut short" {
  let text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  let end = text.indexOf("\r\n\r\n");
  for (; end >= 0 && interim.test(text); end = text.indexOf("\r\n\r\n")) text = text.slice(end + 4);
  if (end < 0) return text === "" || "HTTP/1.".startsWith(text.slice(0, 7)) ? "cut short" : "no HTTP";
  const [first, ...lines] = text.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})( |$)/.exec(first);
  if (status === null) return "no HTTP";
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    // Several of a name are a list (RFC 9110, section 5.3); a list of lengths is no length.
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const rest = text.slice(end + 4);
  const length = headers.get("content-length");
  const coded = /\bchunked\b/i.test(headers.get("transfer-encoding") ?? "");
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return "no HTTP";
  let body: string | undefined;
  if (coded) body = unchunked(rest);
  else if (length !== undefined)
    body = rest.length >= Number(length) ? rest.slice(0, Number(length)) : undefined;
  else body = complete ? rest : undefined;
  if (body === undefined) return "cut short";
  const delimited = coded || length !== undefined;
  return {
    status: Number(status[1]),
    headers,
    body: Buffer.from(body, "latin1").toString("utf8"),
    delimited,
  };
}

/** The chunked coding (RFC 9112, section 7.1) taken off; undefined if its last chunk is missing. */
function unchunked(text: string): string | undefined {
  let body = "";
  let at = 0;
  for (;;) {
    const line = text.indexOf("\r\n", at);
    const digits = chunkLine.exec(line < 0 ? "" : text.slice(at, line))?.[1];
    if (digits === undefined) return undefined;
    const size = Number.parseInt(digits, 16);
    if (size === 0) return body;
    at = line + 2;
    if (text.slice(at + size, at + size + 2) !== "\r\n") return undefined;
    body += text.slice(at, at + size);
    at += size + 2;
  }
}
