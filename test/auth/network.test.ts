// Which addresses count as one peer.

import { expect, test } from "bun:test";
import { networkOf, networksOf, plainAddress } from "../../src/auth/network.ts";

test("an address is IPv4 where it is mapped, and has no zone", () => {
  expect(plainAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(plainAddress("::FFFF:192.0.2.1")).toBe("192.0.2.1");
  expect(plainAddress("fe80::1%eth0")).toBe("fe80::1");
  expect(plainAddress("2001:db8::1")).toBe("2001:db8::1");
  expect(plainAddress("192.0.2.1")).toBe("192.0.2.1");
});

test("an IPv4 address is a peer of its own, mapped into IPv6 or not", () => {
  expect(networkOf("192.0.2.1")).toBe("192.0.2.1");
  expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(networkOf("192.0.2.2")).not.toBe(networkOf("192.0.2.1"));
});

test("IPv6 addresses of one /64 are one peer, however they are written", () => {
  for (const address of [
    "2001:db8:0:1::1",
    "2001:0DB8:0000:0001:ffff:ffff:ffff:ffff",
    "2001:db8:0:1:0:0:192.0.2.1",
    "2001:db8:0:1::9%eth0",
  ])
    expect(networkOf(address)).toBe("2001:db8:0:1::/64");
  expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(networkOf("2001:db8::1:0:0:0:1")).toBe("2001:db8:0:1::/64");
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
  expect(networkOf("fe80::")).toBe("fe80:0:0:0::/64");
});

test("what is no address is a peer by its name", () => {
  expect(networkOf("unix")).toBe("unix");
});

test("an IPv6 address is in a /56 and a /48 besides, and so is its /64", () => {
  const all = ["2001:db8:5:ab12::/64", "2001:db8:5:ab00::/56", "2001:db8:5::/48"] as const;
  expect(networksOf("2001:db8:5:ab12::1")).toEqual([...all]);
  expect(networksOf(all[0])).toEqual([...all]);
  expect(networksOf("2001:db8:5:12::1")[1]).toBe("2001:db8:5:0::/56");
  expect(networksOf("192.0.2.1")).toEqual(["192.0.2.1"]);
});
