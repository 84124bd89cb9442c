// A clock that stands still until it is advanced. Timers fire in the order of their times, at exactly
// their times, from within `advance`.

import type { Clock, Timer } from "../../src/relay/clock.ts";

interface Entry {
  readonly atMs: number;
  readonly call: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  #timers: Entry[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  workMs(): number {
    return this.#nowMs;
  }

  /** On the first of January 2026, as many milliseconds as `nowMs` after midnight. */
  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  after(ms: number, call: () => void): Timer {
    const entry = { atMs: this.#nowMs + ms, call };
    this.#timers.push(entry);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== entry);
      },
    };
  }

  get soonestMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#timers.map(({ atMs }) => atMs));
  }

  /** Timers that have yet to fire. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Lets time pass, with all that is due in it. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      if (!this.#timers.some(({ atMs }) => atMs <= endMs)) break;
      this.fireNext();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Fires the timer that is due next, and none that it sets. */
  fireNext(): void {
    const next = this.#timers.reduce((first, entry) => (entry.atMs < first.atMs ? entry : first));
    this.#timers = this.#timers.filter((entry) => entry !== next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.call();
  }

  /** Time passes within whatever is running: no timer fires. */
  spend(ms: number): void {
    this.#nowMs += ms;
  }
}
