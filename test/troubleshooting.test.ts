// What docs/troubleshooting.md quotes as messages of the program is what the program says: the words of each stand together in one of its files.
// Words in capitals stand for what differs.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const page = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");
const messages = Array.from(page.matchAll(/\*\*`([^`]+)`\*\*/g), ([, message]) => message);
const placeholders = /\b(?:ADDRESS|CHANNEL|FILE|FINGERPRINT|FOLDER|N|NAME|REASON|SECTION|SETTING)\b/;
const sources = Array.from(new Bun.Glob("src/**/*.ts").scanSync(root), (path) =>
  readFileSync(join(root, path), "utf8")
    .replaceAll(/["`] \+\s+["`]/g, "")
    .replaceAll(/\$\{\w+ === 1 \? "\w+" : "(\w+)"\}/g, "$1")
    .replaceAll(/\$\{counted\(\w+, "(\w+)"\)\}/g, "$1s"),
);
/** Reasons are words of their own. */
const reasons = ["the address is already in use", "permission denied"];

test("there are messages in it", () => {
  expect(messages.length).toBeGreaterThan(50);
});

test.each(messages)("the program says: %s", (message) => {
  const reason = reasons.find((words) => message.endsWith(`: ${words}`)) ?? "";
  const parts = message
    .slice(0, message.length - reason.length)
    .split(placeholders)
    .map((part) => part.replace(/:? ?$/, "").trim())
    .filter((part) => /\w/.test(part));
  expect(parts).not.toEqual([]);
  expect(sources.some((text) => parts.every((part) => text.includes(part)))).toBe(true);
  expect(sources.some((text) => text.includes(reason))).toBe(true);
});
