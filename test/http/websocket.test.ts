// The opening handshake of WebSockets: RFC 6455, section 4.2.

import { describe, expect, test } from "bun:test";
import { upgradeHead, upgradeProblem, wantsWebSocket } from "../../src/http/websocket.ts";

const good = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const headers = (changed: Record<string, string> = {}) => new Headers({ ...good, ...changed });

const problem = (changed: Record<string, string>, method = "GET") => upgradeProblem(method, headers(changed));

describe("a request for a WebSocket", () => {
  test("is answered as the example of the standard is", () => {
    expect(upgradeProblem("GET", headers())).toBeUndefined();
    const head = Buffer.from(upgradeHead(headers())).toString();
    expect(head.split("\r\n")).toEqual([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "",
      "",
    ]);
  });

  test("may have its tokens in any case, and among others", () => {
    const browser = headers({ Upgrade: "WebSocket", Connection: "keep-alive, Upgrade" });
    expect([wantsWebSocket(browser), upgradeProblem("GET", browser)]).toEqual([true, undefined]);
    expect(wantsWebSocket(new Headers({ Upgrade: "h2c, websocket" }))).toBe(true);
    expect(wantsWebSocket(new Headers({ Upgrade: "h2c" }))).toBe(false);
    expect(wantsWebSocket(new Headers())).toBe(false);
  });

  test("that is not whole is refused in words", () => {
    expect(problem({}, "POST")).toMatchObject({ status: 400, message: "a WebSocket request must use GET" });
    expect(problem({ Connection: "close" })).toMatchObject({ status: 400 });
    for (const key of [
      "",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZTEy",
      "dGhlIHNhbXBsZSBub25jZQ==, x",
    ])
      expect(problem({ "Sec-WebSocket-Key": key })).toMatchObject({ status: 400 });
  });

  test("of another version is told which there is", () => {
    for (const version of ["8", "14", "", "13, 13"]) {
      const problem = upgradeProblem("GET", headers({ "Sec-WebSocket-Version": version }));
      expect(problem).toMatchObject({ status: 426, headers: { "Sec-WebSocket-Version": "13" } });
    }
  });
});
