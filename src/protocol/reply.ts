// Reply frames: a server's answers to a client that sent `reply=1` (README.md, "Replies"). A frame has the
// shape of a request without its preamble: length, null byte, text. `ok[,KEY=VALUE]...` or
// `error,code=CODE,message*=TEXT`. A server of the original protocol sends none, so a client must tell a
// frame from a stream by its first bytes.

import { type Code, FstreamError, isWireCode } from "../errors.ts";
import { formatText, parseText, percentEncode } from "./text.ts";

export type Reply =
  | { readonly type: "ok"; readonly fields: ReadonlyMap<string, string> }
  | { readonly type: "error"; readonly error: FstreamError };

/** Maximum length of a frame's text, bytes. */
export const maxReplyBytes = 4096;
/** Length and null byte. */
const prefixBytes = 5;
/** What a frame's text is or starts with. */
const ok = "ok";
const okFields = "ok,";
const errorCode = "error,code=";
/** Maximum length of a message in code points: at four bytes each it fits. */
const maxMessagePoints = 500;

/** An `ok` frame. */
export function encodeOk(fields: Iterable<readonly [string, string]> = []): Uint8Array {
  return encodeFrame(formatText(ok, fields));
}

/** An `error` frame; codes that are not for the wire are sent as `internal`. */
export function encodeError(error: FstreamError): Uint8Array {
  const code: Code = isWireCode(error.code) ? error.code : "internal";
  const message = code === "internal" ? "internal server error" : error.message;
  const short = Array.from(message).slice(0, maxMessagePoints).join("");
  return encodeFrame(`${errorCode}${code},message*=${percentEncode(short)}`);
}

function encodeFrame(content: string): Uint8Array {
  const text = new TextEncoder().encode(content);
  const bytes = new Uint8Array(prefixBytes + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length);
  bytes.set(text, prefixBytes);
  return bytes;
}

export type ReplyResult =
  | { readonly type: "more" }
  | { readonly type: "reply"; readonly reply: Reply; readonly rest: Uint8Array }
  /** Not a frame: `bytes` is everything fed since the last frame, the start of a stream. */
  | { readonly type: "stream"; readonly bytes: Uint8Array };

/**
 * Takes pieces of any size, and finds one frame after the other, or that there is none. Work is linear in the bytes: only
 * those of an incomplete frame are copied, once, to a buffer that holds the longest.
 */
export class ReplyDecoder {
  readonly #kept = new Uint8Array(prefixBytes + maxReplyBytes);
  #keptBytes = 0;

  /** Takes the next bytes. After "reply", feed `rest` again (it may hold another frame, or the stream). */
  feed(bytes: Uint8Array): ReplyResult {
    const before = this.#keptBytes;
    if (before === 0) return this.#decide(bytes, bytes, 0);
    const room = bytes.subarray(0, this.#kept.length - before);
    this.#kept.set(room, before);
    return this.#decide(this.#kept.subarray(0, before + room.length), bytes, before);
  }

  /** Bytes fed that are not part of a complete frame: at the connection's end, they are the stream's. */
  get kept(): Uint8Array {
    return this.#kept.slice(0, this.#keptBytes);
  }

  /** `have` starts with the `before` kept bytes, followed by as many of `bytes` as a frame could need. */
  #decide(have: Uint8Array, bytes: Uint8Array, before: number): ReplyResult {
    const shape = frameShape(have);
    if (shape === "more") {
      if (before === 0) this.#kept.set(bytes);
      this.#keptBytes = before + bytes.length;
      return { type: "more" };
    }
    this.#keptBytes = 0;
    const reply = shape === "stream" ? undefined : parseReply(have.subarray(prefixBytes, shape));
    if (shape === "stream" || reply === undefined) {
      return { type: "stream", bytes: before === 0 ? bytes : concatenated(have.subarray(0, before), bytes) };
    }
    return { type: "reply", reply, rest: bytes.subarray(shape - before) };
  }
}

/** The total size of the frame at the start of `bytes`; or that there is none; or that more bytes are needed. */
function frameShape(bytes: Uint8Array): number | "stream" | "more" {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    if (i >= bytes.length) return "more";
    length = length * 256 + bytes[i];
    if (i < 2 && length > 0) return "stream";
  }
  if (length > maxReplyBytes) return "stream";
  if (bytes.length > 4 && bytes[4] !== 0) return "stream";
  const have = String.fromCharCode(
    ...bytes.subarray(prefixBytes, prefixBytes + Math.min(length, errorCode.length)),
  );
  const starts = length === ok.length ? [ok] : [okFields, errorCode];
  const begins = (start: string) => start.length <= length && have.startsWith(start.slice(0, have.length));
  if (!starts.some(begins)) return "stream";
  return bytes.length < prefixBytes + length ? "more" : prefixBytes + length;
}

function parseReply(bytes: Uint8Array): Reply | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Every frame is UTF-8: it was a stream that began like one.
    return undefined;
  }
  const { word, fields } = parseText(text);
  if (word === ok) return { type: "ok", fields };
  const code = fields.get("code") ?? "";
  const message = fields.get("message") ?? "the server gave no reason";
  // A code of a later version is still a refusal; what it means for a retry is not known.
  if (isWireCode(code)) return { type: "error", error: new FstreamError(code, message) };
  return { type: "error", error: new FstreamError("failed", code === "" ? message : `${code}: ${message}`) };
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
