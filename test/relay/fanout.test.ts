// When passes happen, on a clock that stands still.

import { describe, expect, test } from "bun:test";
import { FanOut, type Receivers } from "../../src/relay/fanout.ts";
import { FakeClock } from "./clock.ts";

/** A fan-out whose passes take `costMs`, and the times at which they began. */
function fanOutOf(costMs: number, maxDelayMs = 20, minDelayMs = 0) {
  const clock = new FakeClock();
  const passes: number[] = [];
  const sizes: number[] = [];
  const startMs = clock.nowMs();
  const fanOut = new FanOut(clock, { maxDelayMs, minDelayMs });
  const receivers = (size: number): Receivers => ({
    size,
    pass() {
      passes.push(clock.nowMs() - startMs);
      sizes.push(size);
      clock.spend(costMs);
    },
  });
  const only = receivers(1);
  return {
    clock,
    passes,
    sizes,
    fanOut,
    receivers,
    wake: () => fanOut.wake(only),
    stop: () => fanOut.drop(only),
  };
}

describe("a fan-out", () => {
  test("to a few sends every byte at once", () => {
    const { wake, passes, clock } = fanOutOf(0.01);
    for (let i = 0; i < 10; i++) wake();
    expect(passes.length).toBe(10);
    expect(clock.pending).toBe(0);
  });

  test("after a pass that took long puts the next one off for three times as long", () => {
    const { wake, passes, clock } = fanOutOf(2);
    wake();
    wake();
    wake();
    expect(passes).toEqual([0]);
    expect(clock.pending).toBe(1);
    clock.advance(5.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 8]);
    expect(clock.pending).toBe(0);
  });

  test("never waits longer than it may", () => {
    const { wake, passes, clock } = fanOutOf(100, 20);
    wake();
    wake();
    clock.advance(19.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 120]);
  });

  test("that may not wait at all sends at once, however long that takes", () => {
    const { wake, passes } = fanOutOf(100, 0);
    wake();
    wake();
    expect(passes).toEqual([0, 100]);
  });

  test("never leaves bytes behind when no more follow", () => {
    const { wake, passes, clock } = fanOutOf(3);
    wake();
    wake();
    clock.advance(1000);
    expect(passes.length).toBe(2);
    wake();
    expect(passes.length).toBe(3);
  });

  test("that is late sends at once, and not once more when its timer is due", () => {
    const { wake, passes, clock } = fanOutOf(3);
    wake();
    wake();
    clock.spend(50);
    wake();
    expect(passes).toEqual([0, 53]);
    expect(clock.pending).toBe(0);
  });

  test("that is stopped leaves no timer", () => {
    const { wake, stop, passes, clock } = fanOutOf(3);
    wake();
    wake();
    stop();
    expect(clock.pending).toBe(0);
    clock.advance(1000);
    expect(passes.length).toBe(1);
  });

  test("sends to many channels in one pass where many short ones have made the process busy, the few first", () => {
    const { fanOut, receivers, passes, sizes, clock } = fanOutOf(0.1);
    const channels = [5, 3, 4, 1, 2].map(receivers);
    // Each puts the next one off by 0.3 ms beyond its end.
    for (const each of channels) fanOut.wake(each);
    expect(sizes).toEqual([5, 3]);
    for (const each of channels) fanOut.wake(each);
    expect(clock.pending).toBe(1);
    clock.advance(1);
    expect(sizes).toEqual([5, 3, 1, 2, 3, 4, 5]);
    expect(passes.length).toBe(7);
  });

  test("is at rest again soon after it was busy", () => {
    const { fanOut, receivers, sizes, clock } = fanOutOf(0.1);
    const channels = [1, 2, 3, 4, 5].map(receivers);
    for (const each of channels) fanOut.wake(each);
    clock.advance(10);
    sizes.length = 0;
    fanOut.wake(channels[0]);
    expect(sizes).toEqual([1]);
  });

  test("gathers bytes for the least delay, beyond the most, from the first of them on", () => {
    const { wake, passes, clock } = fanOutOf(0.1, 20, 350);
    wake();
    clock.advance(200);
    wake();
    expect(passes).toEqual([]);
    clock.advance(149);
    expect(passes).toEqual([]);
    clock.advance(2);
    expect(passes).toEqual([350]);
    clock.advance(1000);
    expect(passes.length).toBe(1);
  });

  test("sends to the other channels where a pass throws", () => {
    const { fanOut, receivers, sizes, clock } = fanOutOf(0.1, 20, 10);
    fanOut.wake(receivers(2));
    fanOut.wake({
      size: 1,
      pass() {
        throw new Error("a bug");
      },
    });
    fanOut.wake(receivers(3));
    expect(() => clock.advance(10)).toThrow("a bug");
    clock.advance(20);
    expect(sizes).toEqual([2, 3]);
  });
});
