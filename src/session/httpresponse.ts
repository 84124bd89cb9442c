// HTTP/1.1 responses as bytes (RFC 9112, section 4; RFC 9110, section 15). Each ends with its connection.

/** The reason phrases of the statuses that are answered here. */
const reasons: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  204: "No Content",
  206: "Partial Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  411: "Length Required",
  413: "Content Too Large",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** Asks for the body that a client holds back (RFC 9110, section 15.2.1). */
export const encodeContinue = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** A response's head. The values of `fields` are ours, or have no control characters in them. */
export function encodeHead(status: number, fields: Readonly<Record<string, string>>): Uint8Array {
  const all: Record<string, string> = { Connection: "close", Date: new Date().toUTCString(), ...fields };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return new TextEncoder().encode(`HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n${lines.join("")}\r\n`);
}

/** A response whose body is a line of text; `headOnly`: without it, as for HEAD. */
export function encodeText(
  status: number,
  text: string,
  fields: Readonly<Record<string, string>>,
  headOnly: boolean,
): Uint8Array {
  const body = new TextEncoder().encode(`${text}\n`);
  return encodeResponse(status, { "Content-Type": "text/plain; charset=utf-8", ...fields }, body, headOnly);
}

/** A response with a body; `headOnly`: without it. */
function encodeResponse(
  status: number,
  fields: Readonly<Record<string, string>>,
  body: Uint8Array,
  headOnly: boolean,
): Uint8Array {
  const head = encodeBodyHead(status, fields, body.length);
  return headOnly ? head : Buffer.concat([head, body]);
}

/** The head of a response whose body has so many bytes. */
export function encodeBodyHead(
  status: number,
  fields: Readonly<Record<string, string>>,
  length: number,
): Uint8Array {
  // These have no body, and are not told by a length of 0 (RFC 9110, section 8.6).
  const hasBody = status !== 204 && status !== 304;
  return encodeHead(status, hasBody ? { ...fields, "Content-Length": String(length) } : fields);
}
