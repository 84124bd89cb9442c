// The opening handshake of WebSockets: RFC 6455, section 4.2.

import { describe, expect, test } from "bun:test";
import { isFromPageOf, upgradeHead, upgradeProblem, wantsWebSocket } from "../../src/http/websocket.ts";

const good = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const headers = (changed: Record<string, string> = {}) => new Headers({ ...good, ...changed });

const problem = (changed: Record<string, string>, method = "GET") => upgradeProblem(method, headers(changed));
const isOwn = (origin: string | undefined, ...hosts: string[]) =>
  isFromPageOf(hosts, new Headers(origin === undefined ? {} : { Origin: origin }));

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
    expect(problem({}, "POST")).toMatchObject({ status: 400, message: "a WebSocket is asked for with GET" });
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

describe("the page that a request comes from", () => {
  test("is the server's own, with the default port of its scheme written or not", () => {
    expect(isOwn("https://relay.example:61921", "relay.example:61921")).toBe(true);
    expect(isOwn("https://relay.example", "Relay.Example:443")).toBe(true);
    expect(isOwn("http://relay.example", "relay.example:80")).toBe(true);
    expect(isOwn("http://[::1]:8080", "[::1]:8080")).toBe(true);
    expect(isOwn("https://relay.example", "127.0.0.1:8080", "relay.example")).toBe(true);
  });

  test("is another's, with another host or port, or a document that has none", () => {
    expect(isOwn("https://evil.example", "relay.example")).toBe(false);
    expect(isOwn("https://relay.example.evil.example", "relay.example")).toBe(false);
    expect(isOwn("https://relay.example:444", "relay.example")).toBe(false);
    expect(isOwn("http://relay.example", "relay.example:443")).toBe(false);
    for (const odd of ["null", "", "file:///x", "https://", "relay.example"])
      expect(isOwn(odd, "relay.example")).toBe(false);
    expect(isOwn("https://relay.example")).toBe(false);
    expect(isOwn("https://relay.example", "", "/", "x y")).toBe(false);
  });

  test("is none where there is no Origin, which a browser always sends", () => {
    expect(isOwn(undefined, "relay.example")).toBe(true);
  });
});
