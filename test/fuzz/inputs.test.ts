// Some seconds of scripts/fuzz --only inputs, the same inputs each time, and all that were once read wrongly.

import { expect, setDefaultTimeout, test } from "bun:test";
import { dice } from "../protocol/dice.ts";
import { type InputFinding, keptInputs, replay, searchInputs, targets } from "./inputs.ts";
import type { Target } from "./target.ts";

setDefaultTimeout(120_000);

/** Hours are for scripts/fuzz. */
const seconds = 8;

test("requests over HTTP, users' and settings files, tokens and decisions are read as they should, damaged as they may be", async () => {
  const lines: string[] = [];
  const found = await searchInputs({
    seed: 1,
    seconds,
    shrinkSeconds: 0,
    report: (line) => lines.push(line),
  });
  expect(found).toEqual([]);
  // It got to each of them, and far.
  expect(Number(/^\d+/.exec(lines.at(-1) ?? "")?.[0])).toBeGreaterThan(50 * targets.length);
});

test.each(targets.map((target) => [target.name, target] as const))(
  "what %s once read wrongly it does not any more",
  async (_, target) => {
    for (const [name, bytes] of keptInputs(target))
      expect([name, await replay(target, bytes)]).toEqual([name, undefined]);
  },
);

test("the same seed makes the same inputs, most of which differ", () => {
  for (const target of targets) {
    const of = (seed: number) => Buffer.from(target.draw(dice(seed))).toString("latin1");
    expect(of(7)).toBe(of(7));
    expect(new Set(Array.from({ length: 100 }, (_, seed) => of(seed))).size).toBeGreaterThan(40);
  }
});

/** Something that reads bytes, with that fault in some of them. */
function faulty(fault: Target["fault"]): Target {
  return { name: "faulty", ending: "txt", draw: (roll) => Buffer.alloc(1 + roll(20), roll(3)), fault };
}

test.each<[string, (found: readonly InputFinding[]) => boolean, Target["fault"]]>([
  [
    "some inputs",
    (found) => found.length === 1,
    (bytes) => (bytes.length > 15 ? `fails at ${bytes.length}` : undefined),
  ],
  [
    "how they are cut",
    (found) => found.length === 1,
    (_, roll) => (roll(50) === 0 ? "fails in pieces" : undefined),
  ],
  ["nothing", (found) => found.length === 0, () => undefined],
])("what is wrong with %s is found once", async (_, isFound, fault) => {
  const found = await searchInputs({ seed: 3, seconds: 0.3, shrinkSeconds: 0, report: () => {} }, [
    faulty(fault),
  ]);
  expect(isFound(found)).toBe(true);
});
