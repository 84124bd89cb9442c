// A clock for tests: sleeping moves it at once, and what was slept is remembered.

import type { ClientClock } from "../../src/client/clock.ts";

export interface TestClock extends ClientClock {
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
      // Yields to the sockets, as real time would.
      await Bun.sleep(1);
    },
  };
}
