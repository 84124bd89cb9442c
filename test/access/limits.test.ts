// Room for connections: places for broadcasters and tokens are kept, an address has its share, and few more are let in to be refused.

import { describe, expect, test } from "bun:test";
import { ConnectionLimits, refusalPlaces } from "../../src/access/limits.ts";
import { FstreamError } from "../../src/errors.ts";

/** Lets `count` connections in from an address, and says whether all of them got in. */
function enter(limits: ConnectionLimits, address: string, count: number): boolean {
  return Array.from({ length: count }, () => limits.enter(address)).every(Boolean);
}

/** Why a connection is refused, or "": it is not. */
function refusal(limits: ConnectionLimits, intent: "watch" | "broadcast" | "token", address: string): string {
  try {
    limits.admit(intent, address);
    return "";
  } catch (error) {
    if (error instanceof FstreamError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** A hundred connections at most, and no limit for each address. */
function forAll(): ConnectionLimits {
  return new ConnectionLimits({ maxConnections: 100, maxConnectionsPerIp: 1000, exempt: () => false });
}

/** Two connections at most from each address. */
function forEach(exempt: (address: string) => boolean = () => false): ConnectionLimits {
  return new ConnectionLimits({ maxConnections: 1000, maxConnectionsPerIp: 2, exempt });
}

const full = "limit: the server is full";
const tooMany = "limit: too many connections from this address";

describe("the limit on all connections", () => {
  test("keeps its last twentieth for broadcasters and tokens", () => {
    const limits = forAll();
    enter(limits, "192.0.2.1", 95);
    expect(refusal(limits, "watch", "192.0.2.1")).toBe("");
    enter(limits, "192.0.2.1", 1);
    expect(refusal(limits, "watch", "192.0.2.1")).toBe(full);
    enter(limits, "192.0.2.1", 4);
    expect(refusal(limits, "broadcast", "192.0.2.1")).toBe("");
    expect(refusal(limits, "token", "192.0.2.1")).toBe("");
    enter(limits, "192.0.2.1", 1);
    expect(refusal(limits, "broadcast", "192.0.2.1")).toBe(full);
    expect(refusal(limits, "token", "192.0.2.1")).toBe(full);
  });

  test("lets a few more in to be refused, and no others", () => {
    const limits = forAll();
    expect(enter(limits, "192.0.2.1", 164)).toBe(true);
    expect(limits.enter("192.0.2.2")).toBe(false);
    expect(limits.connections).toBe(164);
    limits.leave("192.0.2.1");
    expect(limits.enter("192.0.2.2")).toBe(true);
  });

  test("has room again for each that goes", () => {
    const limits = forAll();
    enter(limits, "192.0.2.1", 101);
    limits.leave("192.0.2.1");
    expect(refusal(limits, "broadcast", "192.0.2.1")).toBe("");
    expect(limits.connections).toBe(100);
  });

  test("of a few keeps no place for anybody", () => {
    const limits = new ConnectionLimits({ maxConnections: 1, maxConnectionsPerIp: 1, exempt: () => false });
    enter(limits, "192.0.2.1", 1);
    expect(refusal(limits, "watch", "192.0.2.1")).toBe("");
  });
});

describe("the limit for each address", () => {
  test("refuses one too many from there, whatever it wants, and no other", () => {
    const limits = forEach();
    enter(limits, "192.0.2.1", 3);
    enter(limits, "192.0.2.2", 2);
    for (const intent of ["watch", "broadcast", "token"] as const) {
      expect(refusal(limits, intent, "192.0.2.1")).toBe(tooMany);
      expect(refusal(limits, intent, "192.0.2.2")).toBe("");
    }
    limits.leave("192.0.2.1");
    expect(refusal(limits, "watch", "192.0.2.1")).toBe("");
  });

  test("lets a few more in from there to be refused, and no others", () => {
    const limits = forEach();
    expect(enter(limits, "192.0.2.1", 66)).toBe(true);
    expect(limits.enter("192.0.2.1")).toBe(false);
    expect(limits.enter("192.0.2.2")).toBe(true);
    limits.leave("192.0.2.1");
    expect(limits.enter("192.0.2.1")).toBe(true);
  });

  test("holds for the client of a proxy that has no limit itself, and counts its other connections", () => {
    const limits = forEach((address) => address === "198.51.100.1");
    enter(limits, "198.51.100.1", 10);
    enter(limits, "192.0.2.1", 1);
    limits.enterClient("192.0.2.1");
    expect(() => limits.enterClient("192.0.2.1")).toThrow("too many connections from this address");
    expect(refusal(limits, "watch", "192.0.2.1")).toBe("");
    expect(refusal(limits, "watch", "198.51.100.1")).toBe("");
    limits.enterClient("192.0.2.2");
    limits.leaveClient("192.0.2.1");
    limits.enterClient("192.0.2.1");
    expect(limits.connections).toBe(11);
  });

  test("counts an IPv6 network of 64 bits as one", () => {
    const limits = forEach();
    enter(limits, "2001:db8::1", 1);
    enter(limits, "2001:db8::ffff", 1);
    enter(limits, "2001:db8:0:0:1::", 1);
    enter(limits, "2001:db8:0:1::1", 1);
    expect(refusal(limits, "watch", "2001:db8::2")).toBe(tooMany);
    expect(refusal(limits, "watch", "2001:db8:0:1::1")).toBe("");
  });

  test("has a sum for the /56 and the /48 of an IPv6 network", () => {
    for (const [width, most] of [
      ["56", 8],
      ["48", 32],
    ] as const) {
      const limits = forEach();
      for (let i = 0; i < most; i++) {
        const hop = width === "56" ? i : i * 256;
        expect(limits.enter(`2001:db8:0:${hop.toString(16)}::1`)).toBe(true);
      }
      expect(refusal(limits, "watch", "2001:db8::1")).toBe("");
      expect(limits.enter("2001:db8:0:ff::1")).toBe(true);
      expect(refusal(limits, "watch", "2001:db8:0:ff::1")).toBe(tooMany);
      expect(refusal(limits, "watch", "2001:db8:1::1")).toBe("");
      limits.leave("2001:db8:0:ff::1");
      expect(refusal(limits, "watch", "2001:db8::1")).toBe("");
      for (let i = 0; i < 64; i++) expect(limits.enter("2001:db8:0:ff::1")).toBe(true);
      expect(limits.enter("2001:db8:0:ff::1")).toBe(false);
    }
  });

  test("does not hold for an exempt address, the limit on all does", () => {
    const limits = forEach((address) => address === "127.0.0.1");
    expect(enter(limits, "127.0.0.1", 900)).toBe(true);
    expect(refusal(limits, "watch", "127.0.0.1")).toBe("");
    enter(limits, "127.0.0.1", 101);
    expect(refusal(limits, "broadcast", "127.0.0.1")).toBe(full);
  });
});

test("connections are counted, those that there is no room for too", () => {
  const limits = new ConnectionLimits({ maxConnections: 1, maxConnectionsPerIp: 1, exempt: () => true });
  expect(enter(limits, "192.0.2.1", 1 + refusalPlaces)).toBe(true);
  expect(enter(limits, "192.0.2.1", 2)).toBe(false);
  limits.leave("192.0.2.1");
  expect([limits.most, limits.connections, limits.entered, limits.dropped]).toEqual([
    1,
    refusalPlaces,
    1 + refusalPlaces,
    2,
  ]);
});
