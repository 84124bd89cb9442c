// A clock for tests: sleeping moves it at once, and what was slept is remembered.

import type { Clock } from "../../src/client/patience.ts";

export interface TestClock extends Clock {
  /** Every sleep so far, milliseconds. */
  readonly slept: number[];
  advance(ms: number): void;
}

export function testClock(random = 1): TestClock {
  let now = 0;
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => now,
    random: () => random,
    advance: (ms) => {
      now += ms;
    },
    sleep: async (ms) => {
      slept.push(ms);
      now += ms;
      // Sockets get their turn, as they would in real time.
      await Bun.sleep(1);
    },
  };
}
