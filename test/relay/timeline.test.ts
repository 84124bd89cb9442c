// Times and offsets of a stream, there and back.

import { describe, expect, test } from "bun:test";
import { Timeline } from "../../src/relay/timeline.ts";

/** A hundred bytes each 100 ms from 1000 ms on: the head is at 100 then, at 200 at 1100 ms. */
function steady(): Timeline {
  const timeline = new Timeline();
  timeline.note(0, 1000);
  for (let i = 1; i <= 50; i++) timeline.note(i * 100, 1000 + i * 100);
  return timeline;
}

describe("a timeline", () => {
  test("knows where the head was at a time", () => {
    const timeline = steady();
    expect(timeline.offsetAt(2000)).toBe(1000);
    expect(timeline.offsetAt(2099)).toBe(1000);
    expect(timeline.offsetAt(2100)).toBe(1100);
    expect(timeline.offsetAt(99_999)).toBe(5000);
  });

  test("gives the beginning for a time before everything it remembers", () => {
    const timeline = steady();
    timeline.forget(2500);
    expect(timeline.offsetAt(900)).toBe(0);
    expect(timeline.offsetAt(3400)).toBe(0);
    expect(timeline.offsetAt(3500)).toBe(2500);
  });

  test("knows how long before the newest byte another one came", () => {
    const timeline = steady();
    expect(timeline.newestMs).toBe(6000);
    expect(timeline.ageOf(5000)).toBe(0);
    expect(timeline.ageOf(4950)).toBe(100);
    expect(timeline.ageOf(1000)).toBe(4000);
  });

  test("knows how far behind one is that has got so many bytes, also where bytes come rarely", () => {
    const timeline = steady();
    expect(timeline.lagAt(5000)).toBe(0);
    expect(timeline.lagAt(4999)).toBe(0);
    expect(timeline.lagAt(4900)).toBe(0);
    expect(timeline.lagAt(4899)).toBe(100);
    expect(timeline.lagAt(1000)).toBe(3900);
    timeline.note(5100, 66_000);
    expect(timeline.lagAt(5000)).toBe(0);
    expect(timeline.lagAt(4999)).toBe(60_000);
    timeline.forget(2500);
    expect(timeline.lagAt(0)).toBe(66_000 - 3500);
  });

  test("remembers a byte each moment to some 50 ms", () => {
    const timeline = new Timeline();
    for (let ms = 0; ms <= 10_000; ms++) timeline.note(ms * 10, ms);
    for (let ms = 100; ms <= 10_000; ms += 37) {
      expect(timeline.offsetAt(ms)).toBeGreaterThan((ms - 60) * 10);
      expect(timeline.offsetAt(ms)).toBeLessThanOrEqual(ms * 10);
    }
  });

  test("spans hours in bounded memory, more coarsely", () => {
    const timeline = new Timeline();
    const hour = 3_600_000;
    for (let ms = 0; ms <= hour; ms += 60) timeline.note(ms, ms);
    expect(timeline.offsetAt(hour / 2)).toBeGreaterThan(hour / 2 - 10_000);
    expect(timeline.offsetAt(hour / 2)).toBeLessThanOrEqual(hour / 2);
    expect(timeline.offsetAt(60_000)).toBeGreaterThan(0);
  });
});
