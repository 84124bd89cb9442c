// The opening handshake of WebSockets, the server's side (RFC 6455, section 4.2): whether a request asks for one, what is wrong
// with it if so, and the head that answers it. No extension and no subprotocol is agreed to. Pure.

import { createHash } from "node:crypto";
import { elementsOf } from "../protocol/httphead.ts";

/** RFC 6455, section 1.3. */
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64 (section 4.2.1). */
const keyShape = /^[A-Za-z\d+/]{22}==$/;
/** The only version there is (section 4.1). */
const version = "13";

/** The answer to a request that does not make sense (RFC 9110, section 15). */
export interface UpgradeProblem {
  readonly status: 400 | 426;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether a request asks for a WebSocket, rightly or not. */
export function wantsWebSocket(headers: Headers): boolean {
  return hasToken(headers, "upgrade", "websocket");
}

/** What is wrong with a request that asks for a WebSocket; undefined if nothing is. */
export function upgradeProblem(method: string, headers: Headers): UpgradeProblem | undefined {
  if (method !== "GET") return bad("a WebSocket request must use GET");
  if (!hasToken(headers, "connection", "upgrade"))
    return bad("the Connection header does not contain Upgrade");
  if (headers.get("sec-websocket-version") !== version) {
    const message = `only WebSocket version ${version} is supported`;
    return { status: 426, message, headers: { "Sec-WebSocket-Version": version, Upgrade: "websocket" } };
  }
  if (!keyShape.test(headers.get("sec-websocket-key") ?? ""))
    return bad("Sec-WebSocket-Key is not 16 bytes in base64");
  return undefined;
}

/** The head that answers a request without a problem: frames follow it. */
export function upgradeHead(headers: Headers): Uint8Array {
  const key = headers.get("sec-websocket-key") ?? "";
  const accept = createHash("sha1")
    .update(key + guid)
    .digest("base64");
  return new TextEncoder().encode(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

/** Whether a list of tokens, in whatever case, has this one (RFC 9110, section 5.6.1). */
function hasToken(headers: Headers, name: string, token: string): boolean {
  return elementsOf(headers.get(name) ?? "").some((each) => each.trim().toLowerCase() === token);
}

function bad(message: string): UpgradeProblem {
  return { status: 400, message, headers: {} };
}
