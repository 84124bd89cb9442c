// `scripts/vectors` makes what is in the vectors: all of them are of one form, and name no field that has its default.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeVector } from "./makevector.ts";
import { type Vector, vectors } from "./vectors.ts";

const folder = join(import.meta.dir, "../fixtures/protocol");

/** The text in a vector that has nothing around it but what `makeVector` puts there; undefined for another. */
function textOf({ file, bytes, rest }: Vector): string | undefined {
  const from = file.startsWith("reply-") ? 5 : 7;
  const text = Buffer.from(bytes.subarray(from)).toString();
  if (rest > 0 || bytes.length <= from || !Buffer.from(text).equals(Buffer.from(bytes.subarray(from))))
    return undefined;
  const made = Buffer.alloc(from);
  if (from === 7) made.fill(10, 0, 2);
  made.writeUInt32BE(bytes.length - from, from - 5);
  return made.equals(Buffer.from(bytes.subarray(0, from))) ? text : undefined;
}

const made = vectors("request-", "refused-", "reply-").flatMap((vector) => {
  const text = textOf(vector);
  return text === undefined ? [] : [{ ...vector, text }];
});

test("most vectors are of a text alone", () => {
  expect(made.length).toBeGreaterThan(100);
});

test.each(made)("$file is made from its text", ({ file, name, text }) => {
  const there = readFileSync(join(folder, `${file}.vector`), "utf8").replace(/^note: .*\n/m, "");
  expect(makeVector(name, text, file.startsWith("reply-"))).toBe(there);
});
