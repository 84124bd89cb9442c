// The specification is true: what it quotes is what the code does, and what the code cites is there.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isWireCode, meaning } from "../../src/errors.ts";
import { requestKeys } from "../../src/protocol/keys.ts";
import { encodeOk } from "../../src/protocol/reply.ts";
import { encodeRequest, type Intent } from "../../src/protocol/request.ts";
import { vectors } from "./vectors.ts";

const source = join(import.meta.dir, "../../src");
const specification = readFileSync(join(source, "protocol/README.md"), "utf8");

test("the hex dump is the request that it is said to be", () => {
  const lines = specification.match(/^ {4}[\da-f]{4} {2}(?:[\da-f]{2} ){1,16}/gm) ?? [];
  const dump = lines.map((line) => line.trim().slice(4).replaceAll(" ", "")).join("");
  const bytes = encodeRequest("watch", [
    ["user", "fier"],
    ["channel", "default"],
    ["channel_password", "456"],
  ]);
  expect(dump).toBe(Buffer.from(bytes).toString("hex"));
});

test("the ok frame is the one that it is said to be", () => {
  const quoted = /A bare `ok` is `([\da-f ]+)`/.exec(specification)?.[1].replaceAll(" ", "");
  expect(quoted).toBe(Buffer.from(encodeOk()).toString("hex"));
});

test("the codes are those of the one table, with their exit statuses", () => {
  const table = section("Codes").matchAll(/^\| `(\w+)`.*\| (\d) +\|$/gm);
  const told = Object.fromEntries(Array.from(table, ([, code, exit]) => [code, Number(exit)]));
  const text = readFileSync(join(source, "errors.ts"), "utf8");
  const wire = Array.from(text.matchAll(/^ {2}(\w+): \{ wire/gm), ([, code]) => code).filter(isWireCode);
  expect(told).toEqual(Object.fromEntries(wire.map((code) => [code, meaning(code).exit])));
  expect(wire.length).toBeGreaterThan(5);
});

test("every section that the code cites is there", () => {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const cited = files.flatMap((name) => {
    const text = readFileSync(join(source, name), "utf8").replaceAll(/\n\s*(?:\/\/|\*) ?/g, " ");
    const path = name.startsWith("protocol") ? /README\.md, "([^"]+)"/g : /protocol\/README\.md, "([^"]+)"/g;
    return Array.from(text.matchAll(path), ([, title]) => title);
  });
  expect(cited.length).toBeGreaterThan(4);
  for (const title of cited) expect(specification).toMatch(new RegExp(`^#+ ${title}$`, "m"));
});

test("every link within it leads to a section", () => {
  const titles = Array.from(specification.matchAll(/^#+ (.+)$/gm), ([, title]) => title);
  const anchors = titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
  for (const [, anchor] of specification.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
});

test("the keys are those of the one table, each of the intents that have it", () => {
  const table = /^\| key [^]*?\n\n/m.exec(section("Requests"))?.[0] ?? "";
  const rows = table.matchAll(/^\| `(\w+)` +\| ([^|]+?) +\|/gm);
  const intents = Object.keys(requestKeys) as Intent[];
  const told = Array.from(rows, ([, key, of]) => {
    if (of === "all") return [key, intents] as const;
    if (of === "all but end") return [key, intents.filter((intent) => intent !== "end")] as const;
    return [key, of.split(", ")] as const;
  });
  const having = new Map<string, string[]>();
  for (const intent of intents) {
    for (const { key } of Object.values(requestKeys[intent]))
      having.set(key, [...(having.get(key) ?? []), intent]);
  }
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(having));
  expect(told.length).toBe(having.size);
});

test("every kind of vector is described", () => {
  const kinds = new Set(vectors("").map(({ expect }) => expect));
  for (const kind of kinds) expect(section("Test vectors")).toContain(`| \`${kind}\``);
});

/** A section with its subsections, from its heading to the next of its kind. */
function section(title: string): string {
  const from = specification.indexOf(`\n## ${title}\n`);
  const to = specification.indexOf("\n## ", from + 1);
  return specification.slice(from, to < 0 ? undefined : to);
}
