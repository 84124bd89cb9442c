// How long to go on trying, and how long to wait in between: 100 ms, doubling to 5 s, each with jitter so that
// a server that comes back is not met by everybody at once. The time and the dice are given, for tests.

import type { Code, FstreamError } from "../errors.ts";

export interface Clock {
  /** Milliseconds that only grow. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  /** 0 <= random < 1. */
  random(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms) => Bun.sleep(ms),
  random: () => Math.random(),
};

const firstPauseMs = 100;
const longestPauseMs = 5000;
/** What works for so long is a success; less, if no more is tolerated. */
export const successMs = 5000;

export class Patience {
  readonly #clock: Clock;
  readonly #durationMs: number;
  #untilMs: number | undefined;
  #pauseMs = firstPauseMs;

  /** `durationMs` without success are tolerated: 0 for none at all, Infinity for ever. */
  constructor(durationMs: number, clock: Clock) {
    this.#clock = clock;
    this.#durationMs = durationMs;
  }

  /** From now on, time passes in vain; nothing if it does already. */
  begin(): void {
    this.#untilMs ??= this.#clock.nowMs() + this.#durationMs;
  }

  /**
   * It worked for `ms`, which therefore was not in vain. Only if that was for long is all forgotten, the pauses too: a server
   * that ends what it has just begun, again and again, must not be met without any.
   */
  worked(ms: number): void {
    if (ms >= Math.min(successMs, this.#durationMs)) {
      this.#untilMs = undefined;
      this.#pauseMs = firstPauseMs;
    } else if (this.#untilMs !== undefined) this.#untilMs += ms;
  }

  /** What is left, milliseconds. */
  get leftMs(): number {
    return this.#untilMs === undefined ? this.#durationMs : Math.max(0, this.#untilMs - this.#clock.nowMs());
  }

  /** Waits before the next attempt; false, at once, if there is to be none. */
  async pause(): Promise<boolean> {
    this.begin();
    const left = this.leftMs;
    if (left <= 0) return false;
    const pause = this.#pauseMs * (0.5 + this.#clock.random() / 2);
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
    await this.#clock.sleep(Math.min(pause, left));
    return true;
  }
}

const passing: ReadonlySet<Code> = new Set<Code>([
  "not_live",
  "slow",
  "busy",
  "limit",
  "shutting_down",
  "disconnected",
  "internal",
]);

/** Whether an error may be gone by itself the next time. A refusal of who one is, or of what was asked, stays. */
export function mayPass(error: FstreamError): boolean {
  return passing.has(error.code);
}
