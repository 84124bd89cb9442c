// Room for connections: places for broadcasters and tokens are kept, an address has its share, and few more are let in to be refused.

import { describe, expect, test } from "bun:test";
import { Admission } from "../../src/access/admission.ts";
import { FstreamError } from "../../src/errors.ts";

/** Lets `count` connections in from an address, and says whether all of them got in. */
function enter(admission: Admission, address: string, count: number): boolean {
  return Array.from({ length: count }, () => admission.enter(address)).every(Boolean);
}

/** Why a connection is refused, or "": it is not. */
function refusal(admission: Admission, intent: "watch" | "broadcast" | "token", address: string): string {
  try {
    admission.admit(intent, address);
    return "";
  } catch (error) {
    if (error instanceof FstreamError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** A hundred connections at most, and no limit for each address. */
function forAll(): Admission {
  return new Admission({ maxConnections: 100, maxConnectionsPerIp: 1000, exempt: () => false });
}

/** Two connections at most from each address. */
function forEach(exempt: (address: string) => boolean = () => false): Admission {
  return new Admission({ maxConnections: 1000, maxConnectionsPerIp: 2, exempt });
}

const full = "limit: the server is full";
const tooMany = "limit: too many connections from this address";

describe("the limit on all connections", () => {
  test("keeps its last twentieth for broadcasters and tokens", () => {
    const admission = forAll();
    enter(admission, "192.0.2.1", 95);
    expect(refusal(admission, "watch", "192.0.2.1")).toBe("");
    enter(admission, "192.0.2.1", 1);
    expect(refusal(admission, "watch", "192.0.2.1")).toBe(full);
    enter(admission, "192.0.2.1", 4);
    expect(refusal(admission, "broadcast", "192.0.2.1")).toBe("");
    expect(refusal(admission, "token", "192.0.2.1")).toBe("");
    enter(admission, "192.0.2.1", 1);
    expect(refusal(admission, "broadcast", "192.0.2.1")).toBe(full);
    expect(refusal(admission, "token", "192.0.2.1")).toBe(full);
  });

  test("lets a few more in to be refused, and no others", () => {
    const admission = forAll();
    expect(enter(admission, "192.0.2.1", 164)).toBe(true);
    expect(admission.enter("192.0.2.2")).toBe(false);
    expect(admission.connections).toBe(164);
    admission.leave("192.0.2.1");
    expect(admission.enter("192.0.2.2")).toBe(true);
  });

  test("has room again for each that goes", () => {
    const admission = forAll();
    enter(admission, "192.0.2.1", 101);
    admission.leave("192.0.2.1");
    expect(refusal(admission, "broadcast", "192.0.2.1")).toBe("");
    expect(admission.connections).toBe(100);
  });

  test("of a few keeps no place for anybody", () => {
    const admission = new Admission({ maxConnections: 1, maxConnectionsPerIp: 1, exempt: () => false });
    enter(admission, "192.0.2.1", 1);
    expect(refusal(admission, "watch", "192.0.2.1")).toBe("");
  });
});

describe("the limit for each address", () => {
  test("refuses one too many from there, whatever it wants, and no other", () => {
    const admission = forEach();
    enter(admission, "192.0.2.1", 3);
    enter(admission, "192.0.2.2", 2);
    for (const intent of ["watch", "broadcast", "token"] as const) {
      expect(refusal(admission, intent, "192.0.2.1")).toBe(tooMany);
      expect(refusal(admission, intent, "192.0.2.2")).toBe("");
    }
    admission.leave("192.0.2.1");
    expect(refusal(admission, "watch", "192.0.2.1")).toBe("");
  });

  test("lets a few more in from there to be refused, and no others", () => {
    const admission = forEach();
    expect(enter(admission, "192.0.2.1", 66)).toBe(true);
    expect(admission.enter("192.0.2.1")).toBe(false);
    expect(admission.enter("192.0.2.2")).toBe(true);
    admission.leave("192.0.2.1");
    expect(admission.enter("192.0.2.1")).toBe(true);
  });

  test("counts an IPv6 network of 64 bits as one", () => {
    const admission = forEach();
    enter(admission, "2001:db8::1", 1);
    enter(admission, "2001:db8::ffff", 1);
    enter(admission, "2001:db8:0:0:1::", 1);
    enter(admission, "2001:db8:0:1::1", 1);
    expect(refusal(admission, "watch", "2001:db8::2")).toBe(tooMany);
    expect(refusal(admission, "watch", "2001:db8:0:1::1")).toBe("");
  });

  test("has a sum for the /56 and the /48 of an IPv6 network", () => {
    for (const [width, most] of [
      ["56", 8],
      ["48", 32],
    ] as const) {
      const admission = forEach();
      for (let i = 0; i < most; i++) {
        const hop = width === "56" ? i : i * 256;
        expect(admission.enter(`2001:db8:0:${hop.toString(16)}::1`)).toBe(true);
      }
      expect(refusal(admission, "watch", "2001:db8::1")).toBe("");
      expect(admission.enter("2001:db8:0:ff::1")).toBe(true);
      expect(refusal(admission, "watch", "2001:db8:0:ff::1")).toBe(tooMany);
      expect(refusal(admission, "watch", "2001:db8:1::1")).toBe("");
      admission.leave("2001:db8:0:ff::1");
      expect(refusal(admission, "watch", "2001:db8::1")).toBe("");
      for (let i = 0; i < 64; i++) expect(admission.enter("2001:db8:0:ff::1")).toBe(true);
      expect(admission.enter("2001:db8:0:ff::1")).toBe(false);
    }
  });

  test("does not hold for an exempt address, the limit on all does", () => {
    const admission = forEach((address) => address === "127.0.0.1");
    expect(enter(admission, "127.0.0.1", 900)).toBe(true);
    expect(refusal(admission, "watch", "127.0.0.1")).toBe("");
    enter(admission, "127.0.0.1", 101);
    expect(refusal(admission, "broadcast", "127.0.0.1")).toBe(full);
  });
});
