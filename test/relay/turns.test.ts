// What is served when, on a clock that stands still.

import { describe, expect, test } from "bun:test";
import { Turns } from "../../src/relay/turns.ts";
import { FakeClock } from "./clock.ts";

/** Turns that cost `costMs` each; those in `greedy` ask for another until they have had that many. */
function turnsOf(costMs: number, greedy: Record<string, number> = {}) {
  const clock = new FakeClock();
  const served: string[] = [];
  const turns: Turns<string> = new Turns(clock, (one) => {
    served.push(one);
    clock.spend(costMs);
    if (served.filter((other) => other === one).length < (greedy[one] ?? 1)) turns.add(one);
  });
  return { clock, served, turns };
}

describe("turns", () => {
  test("come in the order in which they were asked for, and never at once", () => {
    const { turns, served, clock } = turnsOf(0);
    for (const one of ["a", "b", "c"]) turns.add(one);
    expect(served).toEqual([]);
    clock.advance(0);
    expect(served).toEqual(["a", "b", "c"]);
    expect(clock.pending).toBe(0);
  });

  test("are one for each, however often they are asked for", () => {
    const { turns, served, clock } = turnsOf(0);
    for (const one of ["a", "b", "a", "a"]) turns.add(one);
    expect([turns.has("a"), turns.has("c")]).toEqual([true, false]);
    clock.advance(0);
    expect(served).toEqual(["a", "b"]);
    expect(turns.has("a")).toBe(false);
  });

  test("go round: one that needs more waits until all others had theirs", () => {
    const { turns, served, clock } = turnsOf(0, { a: 3, b: 2 });
    for (const one of ["a", "b", "c"]) turns.add(one);
    clock.advance(1);
    expect(served.join("")).toBe("abcaba");
  });

  test("go on at one stretch while there is time", () => {
    const { turns, served, clock } = turnsOf(0.1, { a: 5 });
    turns.add("a");
    clock.fireNext();
    expect(served.length).toBe(5);
    expect(clock.pending).toBe(0);
  });

  test("leave others the time between stretches, and are all served in the end", () => {
    const { turns, served, clock } = turnsOf(1.5);
    for (const one of ["a", "b", "c", "d", "e"]) turns.add(one);
    const seen: number[] = [];
    while (clock.pending > 0 && seen.length < 10) {
      clock.advance(0);
      seen.push(served.length);
    }
    expect(seen.at(-1)).toBe(5);
    expect(served.join("")).toBe("abcde");
    expect(clock.pending).toBe(0);
  });

  test("that cost more than a stretch are served one at a time", () => {
    const { turns, served, clock } = turnsOf(50);
    for (const one of ["a", "b"]) turns.add(one);
    clock.advance(0);
    clock.advance(0);
    expect(served).toEqual(["a", "b"]);
    expect(clock.pending).toBe(0);
  });
});
