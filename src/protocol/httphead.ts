// The head of an HTTP/1 request (RFC 9112, sections 2 to 5): the request line and the header fields, from bytes in pieces of any
// size. Bounded: each byte is read once, and what follows the head is returned. Stricter than
// required: lines end with CR LF, and line folding is refused. Pure.

/** Browsers send about twenty. */
export const maxHeaderFields = 100;
/** Items of a header field that is a list: no browser sends ten. */
const maxElements = 50;

/** A request without its body. */
export interface HttpHead {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  /** The minor version of HTTP/1: 0 or 1, or a later one. */
  readonly minorVersion: number;
  readonly headers: Headers;
}

export interface Unreadable {
  readonly type: "refused";
  /** HTTP status (RFC 9110, section 15). */
  readonly status: number;
  readonly message: string;
}

export type HeadReading =
  | { readonly type: "more" }
  /** `rest`: what followed it, a view of the bytes that were fed. */
  | { readonly type: "head"; readonly head: HttpHead; readonly rest: Uint8Array }
  | Unreadable;

const tab = 9;
const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const deletion = 127;

/** RFC 9110, section 5.6.2: a token. */
const requestLine = /^([!#$%&'*+.^_`|~\w-]+) ([!-~\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
/** `Headers` trims values. */
const headerField = /^([!#$%&'*+.^_`|~\w-]+):(.*)$/;

/** Reads one head; feed it until it returns something other than "more". */
export class HeadReader {
  readonly #maxBytes: number;
  #kept = new Uint8Array(0);
  #size = 0;
  /** Bytes of the current line, without its end. */
  #lineBytes = 0;

  /** A head has at most `maxBytes` bytes, including the empty line after it. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  feed(bytes: Uint8Array): HeadReading {
    const end = this.#end(bytes);
    if (typeof end === "object") return end;
    if (this.#size + (end ?? bytes.length) > this.#maxBytes)
      return refused(431, `the request's head is larger than ${this.#maxBytes} bytes`);
    this.#keep(bytes.subarray(0, end));
    if (end === undefined) return { type: "more" };
    const head = parseHead(latin1(this.#kept.subarray(0, this.#size)));
    return "type" in head ? head : { type: "head", head, rest: bytes.subarray(end) };
  }

  /** Where the head ends in `bytes`, which follow the kept ones; undefined if it does not end there. */
  #end(bytes: Uint8Array): number | undefined | Unreadable {
    const end = Math.min(bytes.length, this.#maxBytes - this.#size);
    for (let i = 0; i < end; i++) {
      const byte = bytes[i];
      if (byte === lineFeed) {
        if (this.#lineBytes === 0) return i + 1;
        this.#lineBytes = 0;
      } else if (byte !== carriageReturn) {
        // At the first byte of what is another protocol's, not when the time is over.
        if ((byte < space && byte !== tab) || byte === deletion) return refused(400, "not HTTP");
        this.#lineBytes++;
      }
    }
    return undefined;
  }

  #keep(bytes: Uint8Array): void {
    const size = this.#size + bytes.length;
    if (size > this.#kept.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(size, 2 * this.#kept.length)));
      larger.set(this.#kept.subarray(0, this.#size));
      this.#kept = larger;
    }
    this.#kept.set(bytes, this.#size);
    this.#size = size;
  }
}

/**
 * Each byte as the character with that number, through UTF-16: TextDecoder treats "latin1" as windows-1252, some of whose characters
 * `Headers` rejects, and String.fromCharCode takes a millisecond for 8 KiB.
 */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("utf-16le").decode(new Uint16Array(bytes));
}

function parseHead(text: string): HttpHead | Unreadable {
  const [first, ...fields] = text.split("\r\n").slice(0, -2);
  // The last two are empty, as the head ends with an empty line; any other line end is no end.
  if (!text.endsWith("\r\n\r\n") || /[\r\n]/.test(first + fields.join("")))
    return refused(400, "request lines must end with CR LF");
  const [line, method, target, major, minor] = requestLine.exec(first) ?? [];
  if (line === undefined) return refused(400, "malformed request line");
  if (major !== "1") return refused(505, "only HTTP/1.0 and HTTP/1.1 are supported");
  if (fields.length > maxHeaderFields)
    return refused(431, `the request has more than ${maxHeaderFields} header fields`);
  const headers = new Headers();
  for (const field of fields) {
    const [whole, name, value] = headerField.exec(field) ?? [];
    if (whole === undefined) return refused(400, "malformed header field");
    try {
      headers.append(name, value);
    } catch {
      return refused(400, "malformed header field value");
    }
  }
  // Several of a name are joined by commas, which no host has in it (RFC 9112, section 3.2).
  if (minor !== "0" && /^$|,/.test(headers.get("host") ?? ""))
    return refused(400, "the request needs exactly one Host header field");
  return { method, target, minorVersion: Number(minor), headers };
}

/** A header field's value as a list (RFC 9110, section 5.6.1), untrimmed; only its start, if it is unreasonably long. */
export function elementsOf(value: string): readonly string[] {
  return value.split(",", maxElements);
}

export function refused(status: number, message: string): Unreadable {
  return { type: "refused", status, message };
}
