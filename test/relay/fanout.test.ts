// When passes happen, on a clock that stands still.

import { describe, expect, test } from "bun:test";
import { FanOut } from "../../src/relay/fanout.ts";
import { FakeClock } from "./clock.ts";

/** A fan-out whose passes take `costMs`, and the times at which they began. */
function fanOutOf(costMs: number, maxDelayMs = 20) {
  const clock = new FakeClock();
  const passes: number[] = [];
  const startMs = clock.nowMs();
  const fanOut = new FanOut(clock, { maxDelayMs }, () => {
    passes.push(clock.nowMs() - startMs);
    clock.spend(costMs);
  });
  return { clock, passes, fanOut };
}

describe("a fan-out", () => {
  test("to a few sends every byte at once", () => {
    const { fanOut, passes, clock } = fanOutOf(0.01);
    for (let i = 0; i < 10; i++) fanOut.wake();
    expect(passes.length).toBe(10);
    expect(clock.pending).toBe(0);
  });

  test("after a pass that took long puts the next one off for three times as long", () => {
    const { fanOut, passes, clock } = fanOutOf(2);
    fanOut.wake();
    fanOut.wake();
    fanOut.wake();
    expect(passes).toEqual([0]);
    expect(clock.pending).toBe(1);
    clock.advance(5.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 8]);
    expect(clock.pending).toBe(0);
  });

  test("never waits longer than it may", () => {
    const { fanOut, passes, clock } = fanOutOf(100, 20);
    fanOut.wake();
    fanOut.wake();
    clock.advance(19.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 120]);
  });

  test("that may not wait at all sends at once, however long that takes", () => {
    const { fanOut, passes } = fanOutOf(100, 0);
    fanOut.wake();
    fanOut.wake();
    expect(passes).toEqual([0, 100]);
  });

  test("never leaves bytes behind when no more follow", () => {
    const { fanOut, passes, clock } = fanOutOf(3);
    fanOut.wake();
    fanOut.wake();
    clock.advance(1000);
    expect(passes.length).toBe(2);
    fanOut.wake();
    expect(passes.length).toBe(3);
  });

  test("that is late sends at once, and not once more when its timer is due", () => {
    const { fanOut, passes, clock } = fanOutOf(3);
    fanOut.wake();
    fanOut.wake();
    clock.spend(50);
    fanOut.wake();
    expect(passes).toEqual([0, 53]);
    expect(clock.pending).toBe(0);
  });

  test("that is stopped leaves no timer", () => {
    const { fanOut, passes, clock } = fanOutOf(3);
    fanOut.wake();
    fanOut.wake();
    fanOut.stop();
    expect(clock.pending).toBe(0);
    clock.advance(1000);
    expect(passes.length).toBe(1);
  });
});
