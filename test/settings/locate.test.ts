// On which line of a settings file a key stands.

import { expect, test } from "bun:test";
import { locate } from "../../src/settings/locate.ts";

test("a key is found in its own section, however it is quoted and indented", () => {
  const source = "[server]\nhold = 1\n# [fstream]\n#hold = 2\n[ 'fstream' ] # here\n\n  \"hold\"  = 3\n";
  expect(locate(source, "fstream", "hold")).toBe(7);
  expect(locate(source, "server", "hold")).toBe(2);
  expect(locate(source, "fstream")).toBe(5);
  expect(locate(source, "fstream", "takeover")).toBeUndefined();
});

test("a key that is dotted, or in an inline table, is found at the top", () => {
  expect(locate("a = 1\nfstream.hold = 2\n", "fstream", "hold")).toBe(2);
  expect(locate("a = 1\nfstream = { hold = 2 }\n", "fstream", "hold")).toBe(2);
  expect(locate("[fstream]\nhold.on = 2\n", "fstream", "hold")).toBe(2);
  expect(locate("a = 1\nb = 2\n", "", "b")).toBe(2);
});

test("what stands inside a text of several lines is not taken for a key", () => {
  const source = '[fstream]\nusers_dir = """\n[server]\nhold = 1\n"""\nhold = 2\n';
  expect(locate(source, "fstream", "hold")).toBe(6);
  expect(locate(source, "server", "hold")).toBeUndefined();
});
