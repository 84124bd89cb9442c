// What streams may cost: honest ones never come near it, a hostile one is given up, and its user's others with it for a while.

import { describe, expect, test } from "bun:test";
import { type WorkTime, WorkTimes } from "../../src/relay/cputime.ts";
import { FakeClock } from "./clock.ts";

const pieceBytes = 32_768;

/** Works `nsPerByte` on pieces, one after the other, until it was too much; gives how many bytes that took, or none. */
function feed(time: WorkTime, clock: FakeClock, nsPerByte: number, bytes: number): number | undefined {
  for (let fed = pieceBytes; fed <= bytes; fed += pieceBytes) {
    const startMs = clock.workMs();
    clock.advance((pieceBytes * nsPerByte) / 1e6);
    if (time.isSpent(startMs, pieceBytes)) return fed;
  }
  return undefined;
}

describe("the work on a stream", () => {
  test("that takes as long as the worst honest one, or several times that, is never too much", () => {
    const clock = new FakeClock();
    expect(feed(new WorkTimes(clock).begin("mal"), clock, 15, 2 ** 30)).toBeUndefined();
  });

  test("that takes far longer is too much within a few megabytes", () => {
    for (const nsPerByte of [50, 200, 10_000]) {
      const clock = new FakeClock();
      expect(feed(new WorkTimes(clock).begin("mal"), clock, nsPerByte, 2 ** 30)).toBeLessThan(12 * 2 ** 20);
    }
  });

  test("is not too much for one long piece: memory may have been collected", () => {
    const clock = new FakeClock();
    const time = new WorkTimes(clock).begin("mal");
    clock.advance(10_000);
    expect(time.isSpent(clock.workMs() - 5000, 100)).toBe(false);
  });

  test("of many honest streams that begin together, with code that is still slow, costs none of them its place", () => {
    const clock = new FakeClock();
    const times = new WorkTimes(clock);
    for (let stream = 0; stream < 16; stream++) {
      expect(feed(times.begin("fier"), clock, 250, 2 * pieceBytes)).toBeUndefined();
      expect(feed(times.begin("fier"), clock, 2, 2 ** 20)).toBeUndefined();
    }
  });

  test("counts for all streams of a user that make it, until time has paid for it", () => {
    const clock = new FakeClock();
    const times = new WorkTimes(clock);
    const honest = times.begin("mal");
    const isSpent = (time: WorkTime) => time.isSpent(clock.workMs() - 1, 1);
    for (let stream = 0; stream < 5; stream++) {
      expect(feed(times.begin("mal"), clock, 1000, 2 ** 24)).toBeDefined();
    }
    expect(isSpent(honest)).toBe(false);
    // Always new ones: in the end it is all the same which.
    for (let stream = 0; stream < 100; stream++) feed(times.begin("mal"), clock, 1000, pieceBytes);
    expect(isSpent(honest)).toBe(true);
    expect(isSpent(times.begin("fier"))).toBe(false);
    times.forget(new Set());
    expect(isSpent(times.begin("mal"))).toBe(true);
    clock.advance(600_000);
    expect(isSpent(times.begin("mal"))).toBe(false);
  });
});
