// Where a channel's page is: as a server says it, and as a client may show it.

import { expect, test } from "bun:test";
import { maxUrlBytes, pageUrl, shownUrl } from "../../src/protocol/pageurl.ts";
import { encodeOk } from "../../src/protocol/reply.ts";

const site = "https://relay.example";

test("names are percent-encoded, so that a URL's parts are those that were meant", () => {
  expect(pageUrl(site, "fier", "default")).toBe(`${site}/play/fier/default`);
  for (const [user, channel] of [
    ["jörg müller", "a/b?c#d,e%2F"],
    ["日本", "\u202e😀 "],
    ["fier", ".hidden"],
  ]) {
    const path = new URL(pageUrl(site, user, channel)).pathname.split("/").slice(1).map(decodeURIComponent);
    expect(path).toEqual(["play", user, channel]);
  }
});

test("a channel whose name a path can't have is asked for as the page's other form has it", () => {
  for (const name of [".", ".."]) {
    const { pathname, searchParams } = new URL(pageUrl(site, "fier", name));
    expect([pathname, searchParams.get("ch")]).toEqual(["/play", `fier/${name}`]);
  }
});

test("the longest names have room in a reply, and are shown", () => {
  const url = pageUrl(`${site}/${"x".repeat(1000)}`, "ü".repeat(100), "ü".repeat(127));
  expect(shownUrl(url)).toBe(url);
  expect(encodeOk([["url", url]]).length).toBeLessThan(4096);
});

test("what a server says is shown if it is a web address, in ASCII", () => {
  for (const url of [`${site}/play/fier/default`, "http://[::1]:8080/a,b/play/fier/%F0%9F%98%80"])
    expect(shownUrl(url)).toBe(url);
  expect(shownUrl("https://jörg.example/ü\u202e")).toBe("https://xn--jrg-sna.example/%C3%BC%E2%80%AE");
  expect(shownUrl("https://relay.example/\u001b[2J\n")).toBe("https://relay.example/%1B[2J");
});

test("anything else is not shown", () => {
  for (const text of [
    "",
    "relay.example",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "fstream://relay.example",
    "https://bank.example@elsewhere.example/",
    "https://:secret@elsewhere.example/",
    "https://",
    `https://relay.example/${"x".repeat(maxUrlBytes)}`,
  ])
    expect({ text, shown: shownUrl(text) }).toEqual({ text, shown: undefined });
});
