// How often connections are looked at until their bytes have been acknowledged. Looks are counted; the clock stands still.

import { expect, test } from "bun:test";
import { Acknowledgements } from "../../src/session/acknowledgements.ts";
import { FakeClock } from "../relay/clock.ts";

/** Connections that are waited for, and all looks at them. */
class Bench {
  readonly clock = new FakeClock();
  readonly all = new Acknowledgements(this.clock);
  readonly ended: boolean[] = [];
  looks = 0;

  /** One that has acknowledged everything after so many looks. */
  wait(after: number, patienceMs = 30_000) {
    let left = after;
    const connection = {
      unacknowledged: () => {
        this.looks++;
        return left-- > 0 ? 100 : 0;
      },
    };
    return this.all.wait(connection, patienceMs, (acknowledged) => this.ended.push(acknowledged));
  }
}

const never = Number.POSITIVE_INFINITY;

test("what was acknowledged at once ends at once, and a moment later a moment later", () => {
  const bench = new Bench();
  // The look that asks whether the system tells at all counts.
  bench.wait(1);
  bench.wait(2);
  expect(bench.ended).toEqual([]);
  bench.clock.advance(0);
  expect(bench.ended).toEqual([true]);
  bench.clock.advance(5);
  expect(bench.ended).toEqual([true, true]);
  expect(bench.clock.pending).toBe(0);
});

test("what is never acknowledged is looked at less and less often, and ends when its time is up", () => {
  const bench = new Bench();
  bench.wait(never);
  bench.clock.advance(29_999);
  expect([bench.looks < 60, bench.ended.length]).toEqual([true, 0]);
  bench.clock.advance(641);
  expect(bench.ended).toEqual([false]);
  expect(bench.clock.pending).toBe(0);
});

test("thousands that acknowledge nothing cost a few looks a second each, and never many in one turn", () => {
  const bench = new Bench();
  for (let i = 0; i < 4000; i++) bench.wait(never);
  bench.clock.advance(0);
  let most = 0;
  while (bench.ended.length < 4000) {
    const before = bench.looks;
    bench.clock.fireNext();
    most = Math.max(most, bench.looks - before);
  }
  expect(bench.looks).toBeLessThan(4000 * 60);
  expect(most).toBeLessThanOrEqual(256);
  expect(new Set(bench.ended)).toEqual(new Set([false]));
  expect(bench.clock.pending).toBe(0);
});

test("one that acknowledges soon ends soon, however many others do not", () => {
  const bench = new Bench();
  for (let i = 0; i < 16_000; i++) bench.wait(never);
  bench.clock.advance(3000);
  for (let i = 0; i < 100; i++) {
    bench.wait(2);
    bench.clock.advance(50);
    expect(bench.ended.length).toBe(i + 1);
  }
});

test("a crowd that has acknowledged everything ends in a fraction of a second", () => {
  const bench = new Bench();
  for (let i = 0; i < 4000; i++) bench.wait(1);
  bench.clock.advance(100);
  expect(bench.ended).toHaveLength(4000);
});

test("one that is cancelled is looked at no more, and a throw ends no other's wait", () => {
  const bench = new Bench();
  const cancelled = bench.wait(never);
  cancelled.cancel();
  expect(bench.clock.pending).toBe(0);
  bench.all.wait({ unacknowledged: () => 0 }, 1000, () => {
    throw new Error("a bug");
  });
  bench.wait(1);
  expect(() => bench.clock.advance(0)).toThrow("a bug");
  bench.clock.advance(10);
  expect(bench.ended).toEqual([true]);
  expect(bench.looks).toBe(3);
});
