// Plain HTTP where TLS is expected, as from `http://` typed in place of `https://`: TLS can only fail, and the client would see a
// closed connection. It is answered in its own words before, with the right address where it is a page that is asked for.

/** A request line and a Host header are in the first bytes, in one piece. */
const maxHeadBytes = 4096;
/** How a request line begins; in TLS the first byte of a record is at most 24 (RFC 8446, section 5.1). */
const requestLine = /^([A-Z]{3,8}) (\/[\x21-\x7e]*) HTTP\/1\.[01]\r?\n/;
const hostField = /^host:[ \t]*([\w.[\]:-]{1,255})[ \t]*\r?$/im;
const words = "this port needs TLS: use https://, or fstreams:// with the client\n";

/** The answer to the first bytes of a connection, if they are plain HTTP. */
export function plainHttpAnswer(bytes: Uint8Array): string | undefined {
  if (bytes[0] < 0x41 || bytes[0] > 0x5a) return undefined;
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, maxHeadBytes));
  const [, method, target] = requestLine.exec(text) ?? [];
  if (method === undefined) return undefined;
  const host = hostField.exec(text)?.[1];
  const isRead = method === "GET" || method === "HEAD";
  const [status, location] =
    isRead && host !== undefined
      ? ["307 Temporary Redirect", `Location: https://${host}${target}\r\n`]
      : ["400 Bad Request", ""];
  const head =
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${location}Cache-Control: no-store\r\n` +
    `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${words.length}\r\n\r\n`;
  return method === "HEAD" ? head : head + words;
}
