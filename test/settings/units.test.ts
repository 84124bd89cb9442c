// Sizes, durations and addresses: what is read, what is refused, and that what is shown reads back the same.

import { expect, test } from "bun:test";
import { isAddressBlock, parseListenAddress, parseSite } from "../../src/settings/address.ts";
import { formatBitrate, parseBitrate } from "../../src/settings/bitrate.ts";
import { formatDuration, parseDuration } from "../../src/settings/duration.ts";
import { formatSize, parseSize } from "../../src/settings/size.ts";

test("sizes are read in bytes, powers of 1024 and powers of 1000", () => {
  const sizes: Record<string, number> = {
    "0": 0,
    "4096": 4096,
    "12B": 12,
    "64KiB": 65_536,
    "16MiB": 16_777_216,
    "1GiB": 1_073_741_824,
    "2TiB": 2_199_023_255_552,
    "1kB": 1000,
    "1KB": 1000,
    "16MB": 16_000_000,
    "1GB": 1_000_000_000,
    "1.5MiB": 1_572_864,
    "16 MiB": 16_777_216,
    "16mib": 16_777_216,
  };
  for (const [text, bytes] of Object.entries(sizes))
    expect({ text, bytes: parseSize(text) }).toEqual({ text, bytes });
});

test("bit rates are read in bits a second and powers of 1000, and show as they are read", () => {
  const rates: Record<string, number> = {
    "0": 0,
    "8000": 8000,
    "5M": 5_000_000,
    "5m": 5_000_000,
    "2.5M": 2_500_000,
    "800k": 800_000,
    "1G": 1_000_000_000,
    "5Mbit/s": 5_000_000,
    "5 Mbit/s": 5_000_000,
    "300kbps": 300_000,
    "4.1Mb/s": 4_100_000,
  };
  for (const [text, bits] of Object.entries(rates)) {
    expect({ text, bits: parseBitrate(text) }).toEqual({ text, bits });
    expect(parseBitrate(formatBitrate(bits))).toBe(bits);
  }
  expect([5_000_000, 800_000, 1_234_567, 0].map(formatBitrate)).toEqual(["5M", "800k", "1234567", "0"]);
  for (const text of ["", "M", "5MB", "5MB/s", "5MiB", "-1", "1.0005k", "5 M M"])
    expect({ text, bits: parseBitrate(text) }).toEqual({ text, bits: undefined });
});

test("what is no whole number of bytes is no size", () => {
  for (const text of [
    "",
    "MiB",
    "-1",
    "16M",
    "16 Mi B",
    "1.3B",
    "0x10",
    "1e3",
    "16MiBs",
    "9007199254740993",
    "10s",
  ])
    expect({ text, bytes: parseSize(text) }).toEqual({ text, bytes: undefined });
});

test("durations are read in milliseconds, and plain numbers are seconds", () => {
  const durations: Record<string, number> = {
    "0": 0,
    "0s": 0,
    "10": 10_000,
    "20ms": 20,
    "10s": 10_000,
    "2m": 120_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
    "1h30m": 5_400_000,
    "1m500ms": 60_500,
    "1.5s": 1500,
    "0.0004s": 0,
  };
  for (const [text, ms] of Object.entries(durations))
    expect({ text, ms: parseDuration(text) }).toEqual({ text, ms });
});

test("what is out of order, repeated, signed or without a known unit is no duration", () => {
  for (const text of ["", "s", "-1s", "10 s", "30m1h", "1s1s", "10sec", "1w", "1e3", "10MiB", "1h30"])
    expect({ text, ms: parseDuration(text) }).toEqual({ text, ms: undefined });
});

test("a shown size or duration reads back as what it was", () => {
  for (const bytes of [0, 1, 1500, 1024, 65_536, 1_572_864, 2 ** 31, 3 * 2 ** 40])
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  for (const ms of [0, 1, 20, 1000, 1001, 90_000, 5_400_000, 86_400_000, 93_784_005])
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  expect(formatSize(16_777_216)).toBe("16MiB");
  expect(formatDuration(5_400_000)).toBe("1h30m");
});

test("addresses to listen on are a host, or none, and a port", () => {
  expect(parseListenAddress(":61920")).toEqual({ host: "", port: 61_920 });
  expect(parseListenAddress("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0 });
  expect(parseListenAddress("[::1]:61920")).toEqual({ host: "::1", port: 61_920 });
  expect(parseListenAddress("relay-1.example:65535")).toEqual({ host: "relay-1.example", port: 65_535 });
});

test("addresses without a port, with a bad one or a bad host are refused", () => {
  const bad = [
    "",
    "61920",
    "host",
    "host:",
    ":65536",
    ":-1",
    ":http",
    "::1:80",
    "[::1]",
    "[127.0.0.1]:80",
    "[]:80",
  ];
  for (const text of [
    ...bad,
    "256.0.0.1:80",
    "10.0.0:80",
    "a b:80",
    "http://host:80",
    "host:80/",
    "-a:80",
    ".a:80",
  ])
    expect({ text, address: parseListenAddress(text) }).toEqual({ text, address: undefined });
});

test("trusted addresses are IP addresses or blocks of them, and never names", () => {
  for (const text of ["127.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "2001:db8::1/128"])
    expect({ text, fits: isAddressBlock(text) }).toEqual({ text, fits: true });
  for (const text of [
    "",
    "localhost",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10/8",
    "fe80::1%eth0",
    "a/8",
  ])
    expect({ text, fits: isAddressBlock(text) }).toEqual({ text, fits: false });
});

test("a site is the address of its root, without a slash at the end", () => {
  const sites: Record<string, string> = {
    "https://relay.example": "https://relay.example",
    "HTTPS://Relay.Example:443/": "https://relay.example",
    "http://localhost:8080//": "http://localhost:8080",
    "https://relay.example/live/": "https://relay.example/live",
    "https://[2001:db8::1]:8443/a,b": "https://[2001:db8::1]:8443/a,b",
  };
  for (const [text, site] of Object.entries(sites))
    expect({ text, site: parseSite(text) }).toEqual({ text, site });
});

test("what has no http, or more than a path, is no site", () => {
  for (const text of [
    "",
    "relay.example",
    "//relay.example",
    "https:relay.example",
    "ftp://relay.example",
    "https://relay.example/?a=b",
    "https://relay.example/?",
    "https://relay.example/#top",
    "https://fier:123@relay.example",
    "https://",
    "https://relay.example:99999",
    "https://relay example",
    `https://relay.example/${"x".repeat(1024)}`,
  ])
    expect({ text, site: parseSite(text) }).toEqual({ text, site: undefined });
});
