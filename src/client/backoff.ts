// How long to go on trying, and how long to wait in between: 100 ms, doubling to 5 s, each with jitter so that clients do not
// all come back at once.

import type { Code, FstreamError } from "../errors.ts";
import type { ClientClock } from "./clock.ts";

const firstPauseMs = 100;
const longestPauseMs = 5000;
/** What works for so long is a success; less, if no more is tolerated. */
export const successMs = 5000;

export class Backoff {
  readonly #clock: ClientClock;
  readonly #durationMs: number;
  #untilMs: number | undefined;
  #pauseMs = firstPauseMs;

  /** `durationMs` without success are tolerated: 0 for none at all, Infinity: without end. */
  constructor(durationMs: number, clock: ClientClock) {
    this.#clock = clock;
    this.#durationMs = durationMs;
  }

  /** Time without success counts from now on; nothing if it does already. */
  begin(): void {
    this.#untilMs ??= this.#clock.nowMs() + this.#durationMs;
  }

  /**
   * It worked for `ms`, which do not count. Only after `successMs` does everything begin anew, the pauses too: a server that
   * ends again and again what it has just begun must not be dialled without pauses.
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

/** Whether an error may be gone by itself the next time. A refusal of a login, or of the request itself, stays. */
export function mayPass(error: FstreamError): boolean {
  return passing.has(error.code);
}
