// An HTTP/1 request (RFC 9112) from the bytes of a connection: the head, and a body whose length it gives. Incremental and
// bounded: of one connection no more than `maxHeadBytes` and `maxBodyBytes` are kept, each byte is looked at once, and what
// comes behind the request is not looked at at all. Stricter than it would have to be: lines end with CRLF, no line is
// continued on the next, a transfer coding is refused (411) since whatever is sent here is short. Pure.

/** The request line and the header fields, with the empty line behind them, bytes. */
export const maxHeadBytes = 8 * 1024;
/** A form with a login, bytes. */
export const maxBodyBytes = 8 * 1024;
/** Browsers send about twenty. */
export const maxHeaderFields = 100;

export interface RawRequest {
  readonly type: "request";
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface Unreadable {
  readonly type: "refused";
  /** HTTP status (RFC 9110, section 15). */
  readonly status: number;
  readonly message: string;
}

export type Reading =
  | RawRequest
  | Unreadable
  /** `proceed`: the client waits for `100 Continue` before it sends the body (RFC 9110, section 10.1.1). Said once. */
  | { readonly type: "more"; readonly proceed: boolean };

interface Head {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly bodyBytes: number;
}

const tab = 9;
const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const deletion = 127;

/** RFC 9110, section 5.6.2: a token. */
const requestLine = /^([!#$%&'*+.^_`|~\w-]+) ([!-~\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
/** What is around a value is left out by `Headers`. */
const headerField = /^([!#$%&'*+.^_`|~\w-]+):(.*)$/;

/** Reads one request; to be fed until there is another answer than "more". */
export class RequestReader {
  #kept = new Uint8Array(0);
  #size = 0;
  /** Bytes of the head's line that is under way, without its end. */
  #lineBytes = 0;
  #head: Head | undefined;
  #proceed = false;

  feed(bytes: Uint8Array): Reading {
    let rest = bytes;
    if (this.#head === undefined) {
      const end = this.#endOfHead(bytes);
      if (typeof end === "object") return end;
      if (this.#size + (end ?? bytes.length) > maxHeadBytes)
        return refused(431, `the request's head is larger than ${maxHeadBytes} bytes`);
      this.#keep(bytes.subarray(0, end), maxHeadBytes);
      if (end === undefined) return { type: "more", proceed: false };
      const head = parseHead(Buffer.from(this.#kept.buffer, 0, this.#size).toString("latin1"));
      if ("type" in head) return head;
      this.#head = head;
      this.#proceed = head.headers.get("expect")?.toLowerCase() === "100-continue";
      this.#kept = new Uint8Array(0);
      this.#size = 0;
      rest = bytes.subarray(end);
    }
    const { bodyBytes, ...head } = this.#head;
    this.#keep(rest.subarray(0, bodyBytes - this.#size), bodyBytes);
    if (this.#size === bodyBytes)
      return { type: "request", ...head, body: this.#kept.subarray(0, this.#size) };
    const proceed = this.#proceed && this.#size === 0;
    this.#proceed = false;
    return { type: "more", proceed };
  }

  /** Where the head ends in `bytes`, which follow those that are kept; undefined if not in them. */
  #endOfHead(bytes: Uint8Array): number | undefined | Unreadable {
    const end = Math.min(bytes.length, maxHeadBytes);
    for (let i = 0; i < end; i++) {
      const byte = bytes[i];
      if (byte === lineFeed) {
        if (this.#lineBytes === 0) return i + 1;
        this.#lineBytes = 0;
      } else if (byte !== carriageReturn) {
        // At the first byte of what is another protocol's, not when the time is over.
        if ((byte < space && byte !== tab) || byte === deletion) return refused(400, "this is no HTTP");
        this.#lineBytes++;
      }
    }
    return undefined;
  }

  /** Appends to what is kept, of which there is at most `most` in the end. */
  #keep(bytes: Uint8Array, most: number): void {
    const size = this.#size + bytes.length;
    if (size > this.#kept.length) {
      const larger = new Uint8Array(Math.min(most, Math.max(size, 2 * this.#kept.length)));
      larger.set(this.#kept.subarray(0, this.#size));
      this.#kept = larger;
    }
    this.#kept.set(bytes, this.#size);
    this.#size = size;
  }
}

function parseHead(text: string): Head | Unreadable {
  const [first, ...fields] = text.split("\r\n").slice(0, -2);
  // The last two are empty, as the head ends with an empty line; any other line end is no end.
  if (!text.endsWith("\r\n\r\n") || /[\r\n]/.test(first + fields.join("")))
    return refused(400, "lines of a request end with CR LF");
  const [line, method, target, major, minor] = requestLine.exec(first) ?? [];
  if (line === undefined) return refused(400, "the request line makes no sense");
  if (major !== "1") return refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (fields.length > maxHeaderFields)
    return refused(431, `the request has more than ${maxHeaderFields} header fields`);
  const headers = new Headers();
  for (const field of fields) {
    const [whole, name, value] = headerField.exec(field) ?? [];
    if (whole === undefined) return refused(400, "a header field makes no sense");
    headers.append(name, value);
  }
  // Several of a name are joined by commas, which no host has in it (RFC 9112, section 3.2).
  if (minor !== "0" && /^$|,/.test(headers.get("host") ?? ""))
    return refused(400, "the request needs one Host header field");
  if (headers.has("transfer-encoding"))
    return refused(411, "a body is taken with a Content-Length only, without a Transfer-Encoding");
  const length = headers.get("content-length") ?? "0";
  if (!/^\d{1,15}$/.test(length)) return refused(400, "the Content-Length is no number");
  const bodyBytes = Number(length);
  if (bodyBytes > maxBodyBytes) return refused(413, "the body is larger than anything that is taken here");
  return { method, target, headers, bodyBytes };
}

function refused(status: number, message: string): Unreadable {
  return { type: "refused", status, message };
}
