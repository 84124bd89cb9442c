// Whose page makes a request.

import { describe, expect, test } from "bun:test";
import { isFromPageOf } from "../../src/http/origin.ts";

const isOwn = (origin: string | undefined, ...hosts: string[]) =>
  isFromPageOf(hosts, new Headers(origin === undefined ? {} : { Origin: origin }));

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
