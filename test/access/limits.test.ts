// Room for connections: places for broadcasters and tokens are kept, an address has its share, and few more are let in to be refused.

import { describe, expect, test } from "bun:test";
import { ConnectionLimits, refusalPlaces } from "../../src/access/limits.ts";
import { FstreamError } from "../../src/errors.ts";

/** Lets `count` connections in from an address that make their requests, and says whether all of them got in. */
function enter(limits: ConnectionLimits, address: string, count: number): boolean {
  return Array.from({ length: count }, () => asking(limits, address)).every(({ entered }) => entered);
}

/** A connection that makes its request. */
function asking(limits: ConnectionLimits, address: string): { entered: boolean; leave: () => void } {
  const place = limits.enter(address, () => {
    throw new Error("it has asked");
  });
  place?.keep();
  return { entered: place !== undefined, leave: () => place?.leave() };
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
    expect(enter(limits, "192.0.2.1", 163)).toBe(true);
    const last = asking(limits, "192.0.2.1");
    expect(enter(limits, "192.0.2.2", 1)).toBe(false);
    expect(limits.connections).toBe(164);
    last.leave();
    expect(enter(limits, "192.0.2.2", 1)).toBe(true);
  });

  test("has room again for each that goes", () => {
    const limits = forAll();
    enter(limits, "192.0.2.1", 100);
    const { leave } = asking(limits, "192.0.2.1");
    leave();
    leave();
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
    enter(limits, "192.0.2.1", 2);
    const third = asking(limits, "192.0.2.1");
    enter(limits, "192.0.2.2", 2);
    for (const intent of ["watch", "broadcast", "token"] as const) {
      expect(refusal(limits, intent, "192.0.2.1")).toBe(tooMany);
      expect(refusal(limits, intent, "192.0.2.2")).toBe("");
    }
    third.leave();
    expect(refusal(limits, "watch", "192.0.2.1")).toBe("");
  });

  test("lets a few more in from there to be refused, and no others", () => {
    const limits = forEach();
    expect(enter(limits, "192.0.2.1", 65)).toBe(true);
    const last = asking(limits, "192.0.2.1");
    expect(enter(limits, "192.0.2.1", 1)).toBe(false);
    expect(enter(limits, "192.0.2.2", 1)).toBe(true);
    last.leave();
    expect(enter(limits, "192.0.2.1", 1)).toBe(true);
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
        expect(enter(limits, `2001:db8:0:${hop.toString(16)}::1`, 1)).toBe(true);
      }
      expect(refusal(limits, "watch", "2001:db8::1")).toBe("");
      const last = asking(limits, "2001:db8:0:ff::1");
      expect(last.entered).toBe(true);
      expect(refusal(limits, "watch", "2001:db8:0:ff::1")).toBe(tooMany);
      expect(refusal(limits, "watch", "2001:db8:1::1")).toBe("");
      last.leave();
      expect(refusal(limits, "watch", "2001:db8::1")).toBe("");
      expect(enter(limits, "2001:db8:0:ff::1", 64)).toBe(true);
      expect(enter(limits, "2001:db8:0:ff::1", 1)).toBe(false);
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
  expect(enter(limits, "192.0.2.1", refusalPlaces)).toBe(true);
  const last = asking(limits, "192.0.2.1");
  expect(enter(limits, "192.0.2.1", 2)).toBe(false);
  last.leave();
  expect([limits.most, limits.connections, limits.entered, limits.dropped]).toEqual([
    1,
    refusalPlaces,
    1 + refusalPlaces,
    2,
  ]);
});

describe("a connection that has not made its request", () => {
  test("counts for no limit but that of its address", () => {
    const limits = forAll();
    for (let i = 0; i < 150; i++) limits.enter("192.0.2.1", () => {});
    expect(limits.connections).toBe(150);
    for (const intent of ["watch", "broadcast", "token"] as const)
      expect(refusal(limits, intent, "192.0.2.1")).toBe("");
    const each = forEach();
    for (let i = 0; i < 3; i++) each.enter("192.0.2.1", () => {});
    expect(refusal(each, "watch", "192.0.2.1")).toBe(tooMany);
  });

  test("gives its place to a newcomer where all are taken, the one that has been silent for longest first", () => {
    const limits = forAll();
    enter(limits, "192.0.2.1", 90);
    const dropped: number[] = [];
    const silent = Array.from({ length: 74 }, (_, i) => limits.enter("198.51.100.1", () => dropped.push(i)));
    expect(dropped).toEqual([]);
    silent[1]?.keep();
    silent[2]?.leave();
    enter(limits, "192.0.2.2", 3);
    expect(dropped).toEqual([0, 3]);
    expect(limits.connections).toBe(100 + refusalPlaces);
    expect(limits.dropped).toBe(2);
    // Those that were dropped are gone already.
    silent[0]?.leave();
    expect(limits.connections).toBe(100 + refusalPlaces);
  });

  test("takes no place of one that has", () => {
    const limits = forAll();
    enter(limits, "192.0.2.1", 100 + refusalPlaces);
    expect(limits.enter("192.0.2.2", () => {})).toBeUndefined();
    expect(limits.dropped).toBe(1);
  });

  test("does not take another's place for one more than its own address may have", () => {
    const limits = new ConnectionLimits({ maxConnections: 1, maxConnectionsPerIp: 1, exempt: () => false });
    const dropped: string[] = [];
    for (let i = 0; i < refusalPlaces + 1; i++) limits.enter("192.0.2.1", () => dropped.push("first"));
    expect(limits.enter("192.0.2.1", () => {})).toBeUndefined();
    expect(dropped).toEqual([]);
    expect(limits.enter("192.0.2.2", () => {})).toBeDefined();
    expect(dropped).toEqual(["first"]);
  });
});
