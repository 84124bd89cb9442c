// What streams may cost: honest ones never come near it, a hostile one is given up, and its user's others with it for a while.

import { describe, expect, test } from "bun:test";
import { WorkTime, WorkTimes } from "../../src/relay/worktime.ts";
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
    expect(feed(new WorkTime(clock), clock, 15, 2 ** 30)).toBeUndefined();
  });

  test("that takes far longer is too much within a few megabytes", () => {
    for (const nsPerByte of [50, 200, 10_000]) {
      const clock = new FakeClock();
      expect(feed(new WorkTime(clock), clock, nsPerByte, 2 ** 30)).toBeLessThan(8 * 2 ** 20);
    }
  });

  test("is not too much for one long piece: memory may have been collected", () => {
    const clock = new FakeClock();
    const time = new WorkTime(clock);
    clock.advance(10_000);
    expect(time.isSpent(clock.workMs() - 5000, 100)).toBe(false);
  });

  test("counts for all streams of a user, until time has paid for it", () => {
    const clock = new FakeClock();
    const times = new WorkTimes(clock);
    expect(feed(times.of("mal"), clock, 1000, 2 ** 24)).toBeDefined();
    expect(times.of("mal").isSpent(clock.workMs() - 1, 1)).toBe(true);
    expect(times.of("fier").isSpent(clock.workMs() - 1, 1)).toBe(false);
    times.forget(new Set());
    expect(times.of("mal").hasDebt).toBe(true);
    clock.advance(60_000);
    expect(times.of("mal").hasDebt).toBe(false);
    expect(times.of("mal").isSpent(clock.workMs() - 1, 1)).toBe(false);
  });
});
