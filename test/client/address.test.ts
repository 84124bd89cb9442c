import { expect, test } from "bun:test";
import { formatPlace, isLoopback, parseAddress } from "../../src/client/address.ts";
import { FstreamError } from "../../src/errors.ts";

const right: [text: string, scheme: string, host: string, port: number][] = [
  ["relay.example", "fstream", "relay.example", 61920],
  ["relay.example:7", "fstream", "relay.example", 7],
  ["127.0.0.1:61920", "fstream", "127.0.0.1", 61920],
  ["[::1]", "fstream", "::1", 61920],
  ["[fe80::1%eth0]:80", "fstream", "fe80::1%eth0", 80],
  ["fstream://relay.example", "fstream", "relay.example", 61920],
  ["fstreams://relay.example", "fstreams", "relay.example", 61922],
  ["FSTREAMS://relay.example:1/", "fstreams", "relay.example", 1],
  ["https://relay.example", "https", "relay.example", 443],
  ["https://[::1]:61921/", "https", "::1", 61921],
  ["http://localhost:8080", "http", "localhost", 8080],
];

test.each(right)("%s is an address with its scheme, host and port", (text, scheme, host, port) => {
  expect(parseAddress(text)).toEqual({ scheme: scheme as "fstream", host, port });
});

const wrong: [text: string, why: string][] = [
  ["", "missing host"],
  [":61920", "missing host"],
  ["host:", "invalid port"],
  ["host:0", "1 to 65535"],
  ["host:65536", "1 to 65535"],
  ["host:port", "invalid port"],
  ["::1", "in brackets"],
  ["fe80::1:61920", "in brackets"],
  ["[::1", "in brackets"],
  ["ftp://host", "ftp://"],
  ["https://host/token", "path"],
  ["https://user:secret@host", "--user"],
  ["two words", "missing host"],
];

test.each(wrong)("%p is refused as a usage error that says why", (text, why) => {
  let error: unknown;
  try {
    parseAddress(text);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(FstreamError);
  expect((error as FstreamError).code).toBe("usage");
  expect((error as FstreamError).message).toContain(why);
});

const isLocal = (text: string) => isLoopback(parseAddress(text));

test("addresses of this machine are known by their text", () => {
  expect(["localhost", "127.0.0.1:1", "[::1]:1", "https://127.1.2.3"].map(isLocal)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(["relay.example", "127.example", "10.0.0.1", "[fd00::1]"].map(isLocal)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test("a place is written so that it can be read again", () => {
  for (const text of ["relay.example:7", "[::1]:61920"]) expect(formatPlace(parseAddress(text))).toBe(text);
});

test("what stands before an @ is not repeated, a password least of all", () => {
  for (const text of [
    "https://user:secret@host",
    "user:secret@host:61920",
    "ftp://user:secret@host",
    "user:secret@more@host/path",
    "USER:secret@host",
    "fstreams://user:se//cret@host",
  ]) {
    let message = "";
    try {
      parseAddress(text);
    } catch (thrown) {
      message = String(thrown);
    }
    expect(message).toContain("...@");
    expect(message).not.toContain("cret");
  }
});
