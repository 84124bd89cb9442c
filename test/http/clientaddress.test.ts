// A client's address, behind a proxy too: it decides about tokens without TLS and about limits.

import { describe, expect, test } from "bun:test";
import { addressMatcher, clientAddress, isLocalRequest, isLoopback } from "../../src/http/clientaddress.ts";

describe("an address", () => {
  test("is loopback in all of 127.0.0.0/8, as ::1, and mapped", () => {
    for (const address of ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"]) {
      expect([address, isLoopback(address)]).toEqual([address, true]);
    }
    for (const address of [
      "128.0.0.1",
      "10.0.0.1",
      "::2",
      "::",
      "::ffff:10.0.0.1",
      "localhost",
      "",
      "127.1",
    ]) {
      expect([address, isLoopback(address)]).toEqual([address, false]);
    }
  });

  test("is matched by addresses and blocks of both families", () => {
    const trusted = addressMatcher(["192.0.2.1", "10.0.0.0/8", "fd00::/8", "2001:db8::1"]);
    for (const address of ["192.0.2.1", "::ffff:192.0.2.1", "10.200.0.1", "fd12::1", "2001:db8:0::1"]) {
      expect([address, trusted(address)]).toEqual([address, true]);
    }
    for (const address of ["192.0.2.2", "11.0.0.1", "fe00::1", "2001:db8::2", "", "proxy"]) {
      expect([address, trusted(address)]).toEqual([address, false]);
    }
    expect(addressMatcher([])("127.0.0.1")).toBe(false);
  });
});

describe("the client of a request", () => {
  const trusted = addressMatcher(["10.0.0.0/8"]);
  const from = (peer: string, forwarded?: string) =>
    clientAddress(
      peer,
      new Headers(forwarded === undefined ? {} : { "X-Forwarded-For": forwarded }),
      trusted,
    );

  test("is distinguished from the port that a trusted proxy may write behind it", () => {
    expect(from("10.0.0.1", "192.0.2.1:5000")).toBe("192.0.2.1");
    expect(from("10.0.0.1", "[2001:db8::1]:5000")).toBe("2001:db8::1");
    expect(from("10.0.0.1", "[2001:db8::1], 10.0.0.2:80")).toBe("2001:db8::1");
    expect(from("10.0.0.1", "2001:db8::1:5000")).toBe("2001:db8::1:5000");
    for (const none of ["192.0.2.1:", "192.0.2.1:a", "[192.0.2.1", "[]:1", "proxy:80"])
      expect(from("10.0.0.1", none)).toBe("10.0.0.1");
  });

  test("is the peer, unless it is a trusted proxy", () => {
    expect(from("192.0.2.1")).toBe("192.0.2.1");
    expect(from("192.0.2.1", "198.51.100.7")).toBe("192.0.2.1");
    expect(from("::ffff:192.0.2.1", "198.51.100.7")).toBe("192.0.2.1");
  });

  test("is the last hop that is no trusted proxy, whatever stands before it", () => {
    expect(from("10.0.0.1", "198.51.100.7")).toBe("198.51.100.7");
    expect(from("10.0.0.1", "203.0.113.9, 198.51.100.7")).toBe("198.51.100.7");
    expect(from("10.0.0.1", "203.0.113.9,198.51.100.7 , 10.0.0.2")).toBe("198.51.100.7");
    expect(from("10.0.0.1", "2001:db8::5")).toBe("2001:db8::5");
    expect(from("10.0.0.1", "::ffff:198.51.100.7")).toBe("198.51.100.7");
  });

  test("is looked for behind so many trusted proxies, and no further", () => {
    const forwarded = `198.51.100.7${", 10.0.0.2".repeat(60)}`;
    expect(from("10.0.0.1", forwarded)).toBe("10.0.0.2");
  });

  test("is the proxy itself where it says nothing, or nothing that is an address", () => {
    expect(from("10.0.0.1")).toBe("10.0.0.1");
    expect(from("10.0.0.1", "")).toBe("10.0.0.1");
    expect(from("10.0.0.1", "unknown")).toBe("10.0.0.1");
    expect(from("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2")).toBe("10.0.0.2");
    expect(from("10.0.0.1", "10.0.0.3, 10.0.0.2")).toBe("10.0.0.3");
  });
});

function local(peer: string, headers: Record<string, string>): boolean {
  return isLocalRequest(peer, { headers: new Headers(headers), minorVersion: 1 });
}

describe("a request of this machine", () => {
  test("comes from loopback to a loopback name", () => {
    for (const host of [
      "localhost",
      "LOCALHOST:61921",
      "127.0.0.1",
      "127.0.0.1:80",
      "[::1]",
      "[::1]:61921",
    ]) {
      expect([host, local("127.0.0.1", { Host: host })]).toEqual([host, true]);
    }
    expect(local("::1", { Host: "localhost" })).toBe(true);
    expect(local("::ffff:127.0.0.1", { Host: "localhost" })).toBe(true);
  });

  test("comes from nowhere else, and not to another name", () => {
    expect(local("192.0.2.1", { Host: "localhost" })).toBe(false);
    expect(local("", { Host: "localhost" })).toBe(false);
    const hosts = ["relay.example", "localhost.example", "127.0.0.1.example", "localhost:", "[::2]", ""];
    for (const host of hosts) expect([host, local("127.0.0.1", { Host: host })]).toEqual([host, false]);
    expect(local("127.0.0.1", {})).toBe(false);
  });

  test("is no HTTP/1.0, which nginx speaks by default", () => {
    const headers = new Headers({ Host: "localhost" });
    expect(isLocalRequest("127.0.0.1", { headers, minorVersion: 0 })).toBe(false);
  });

  test("has come through no proxy", () => {
    const names = [
      "Forwarded",
      "Via",
      "X-Forwarded-For",
      "X-Forwarded-Proto",
      "X-Forwarded-Host",
      "x-forwarded-anything",
      "X-Real-IP",
      "CF-Connecting-IP",
      "True-Client-IP",
      "X-Client-IP",
      "Fly-Client-IP",
    ];
    for (const name of names) {
      expect([name, local("127.0.0.1", { Host: "localhost", [name]: "x" })]).toEqual([name, false]);
    }
  });
});
