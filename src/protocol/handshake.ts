// The server's side of a handshake: preamble, length, null byte, text (README.md, "Handshake"), taken in
// pieces of any size. All state is in fields, so the result does not depend on where the pieces end, and
// at most `maxRequestBytes` bytes are kept. What follows the text belongs to the stream and is returned. A preamble that
// starts like a request for `/watch/` is an HTTP request (README.md, "Watching over HTTP").

import { FstreamError } from "../errors.ts";
import { HeadReader, type HttpHead, type Unreadable } from "./httphead.ts";
import { type PresentedToken, parseRequest, presentedToken, type Request, wantsReply } from "./request.ts";

export interface HandshakeLimits {
  /** Of the preamble, including the empty line that ends it. Bytes. */
  readonly maxPreambleBytes: number;
  /** Of the text. Bytes. */
  readonly maxRequestBytes: number;
}

export type HandshakeResult =
  /** More bytes are needed. */
  | { readonly type: "more" }
  /** The handshake is complete; `rest` are the bytes of the stream that came with it. */
  | { readonly type: "request"; readonly request: Request; readonly rest: Uint8Array }
  /** It is an HTTP request for `/watch/...`, or a malformed one. */
  | { readonly type: "http"; readonly request: HttpHead | Unreadable }
  /** It broke the rules. `reply`: whether the client asked for replies, as far as is known. */
  | {
      readonly type: "refused";
      readonly error: FstreamError;
      readonly reply: boolean;
      /** Whether that was before any text arrived. */
      readonly beforeText?: true;
      /** The token that it presented anyway: it counts as used. */
      readonly token?: PresentedToken;
    };

const LF = 0x0a;
const CR = 0x0d;
const more = { type: "more" } as const;
/** The first line of a preamble that is an HTTP request. */
const requestLine = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|SOURCE) \S+ HTTP\/1\.[01]\r?$/;
const maxRequestLineBytes = 4096;

/** How a preamble starts that is an HTTP request. */
const httpStarts = ["GET /watch/", "HEAD /watch/"].map((text) => new TextEncoder().encode(text));

export class HandshakeDecoder {
  readonly #limits: HandshakeLimits;
  #phase: "start" | "preamble" | "http" | "length" | "null" | "text" | "done" = "start";
  /** The start of a possible HTTP request, and the reader of the rest. */
  #httpStart: Uint8Array | undefined;
  #http: HeadReader | undefined;
  /** How much of the preamble's end was seen: nothing, an LF, or an LF and a CR. */
  #ending: "" | "LF" | "LF CR" = "";
  #preambleBytes = 0;
  /** The preamble's first line, or its start. */
  #line = "";
  #isLineWhole = false;
  #lengthBytes = 0;
  #length = 0;
  #text = new Uint8Array(0);
  #filled = 0;

  constructor(limits: HandshakeLimits) {
    this.#limits = limits;
  }

  /** Whether the preamble has ended, and nothing of the request has arrived. */
  get isBetween(): boolean {
    return this.#phase === "length" && this.#lengthBytes === 0;
  }

  /** Whether the preamble is, by its first line, an HTTP request for anything but `/watch/`. */
  get isOtherHttp(): boolean {
    return this.#isLineWhole && requestLine.test(this.#line);
  }

  /** Takes the next bytes. After a result other than "more" the decoder must not be fed again. */
  feed(bytes: Uint8Array): HandshakeResult {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#phase) {
        case "start":
          if (this.#isHttpStart(bytes[at])) at++;
          else {
            this.#line = new TextDecoder("latin1").decode(this.#httpStart?.subarray(0, this.#preambleBytes));
            this.#phase = "preamble";
          }
          break;
        case "http": {
          const reading = this.#http?.feed(bytes.subarray(at)) ?? more;
          if (reading.type === "more") return more;
          this.#phase = "done";
          return { type: "http", request: reading.type === "head" ? reading.head : reading };
        }
        case "preamble":
          this.#preamble(bytes[at++]);
          this.#preambleBytes++;
          if (this.#phase === "preamble" && this.#preambleBytes >= this.#limits.maxPreambleBytes) {
            return this.#refuse(`no empty line within the first ${this.#limits.maxPreambleBytes} bytes`);
          }
          break;
        case "length":
          this.#length = this.#length * 256 + bytes[at++];
          if (++this.#lengthBytes < 4) break;
          if (this.#length > this.#limits.maxRequestBytes) {
            return this.#refuse(
              `the request is too long: ${this.#length} bytes, at most ${this.#limits.maxRequestBytes} are allowed`,
            );
          }
          this.#phase = "null";
          break;
        case "null":
          if (bytes[at++] !== 0) return this.#refuse("no null byte after the length");
          if (this.#length === 0) return this.#refuse("empty request");
          this.#text = new Uint8Array(this.#length);
          this.#phase = "text";
          break;
        case "text": {
          const piece = bytes.subarray(at, at + this.#length - this.#filled);
          this.#text.set(piece, this.#filled);
          this.#filled += piece.length;
          at += piece.length;
          if (this.#filled < this.#length) break;
          return this.#finish(bytes.subarray(at));
        }
        case "done":
          throw new FstreamError("internal", "a handshake was fed after its end");
        default:
          this.#phase satisfies never;
      }
    }
    return more;
  }

  /** Whether with `byte` the preamble can still be an HTTP request. */
  #isHttpStart(byte: number): boolean {
    const start = this.#httpStart ?? httpStarts.find(([first]) => first === byte);
    if (start === undefined || start[this.#preambleBytes] !== byte) return false;
    this.#httpStart = start;
    if (++this.#preambleBytes < start.length) return true;
    this.#phase = "http";
    this.#http = new HeadReader(this.#limits.maxPreambleBytes);
    this.#http.feed(start);
    return true;
  }

  #preamble(byte: number): void {
    if (!this.#isLineWhole) this.#readLine(byte);
    if (byte === LF && this.#ending !== "") this.#phase = "length";
    else if (byte === LF) this.#ending = "LF";
    else if (byte === CR && this.#ending === "LF") this.#ending = "LF CR";
    else this.#ending = "";
  }

  #readLine(byte: number): void {
    this.#isLineWhole = byte === LF || this.#line.length >= maxRequestLineBytes;
    if (!this.#isLineWhole) this.#line += String.fromCharCode(byte);
  }

  #finish(rest: Uint8Array): HandshakeResult {
    this.#phase = "done";
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#text);
    } catch (cause) {
      const readable = new TextDecoder("utf-8").decode(this.#text);
      const token = presentedToken(readable);
      const reply = wantsReply(readable);
      return {
        type: "refused",
        error: new FstreamError("bad_request", "the request is not UTF-8", { cause }),
        reply,
        ...(token === undefined ? {} : { token }),
      };
    }
    try {
      return { type: "request", request: parseRequest(text), rest };
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      const token = presentedToken(text);
      return { type: "refused", error, reply: wantsReply(text), ...(token === undefined ? {} : { token }) };
    }
  }

  #refuse(message: string): HandshakeResult {
    this.#phase = "done";
    return {
      type: "refused",
      error: new FstreamError("bad_request", message),
      reply: false,
      beforeText: true,
    };
  }
}
