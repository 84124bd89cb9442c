// The system's time, and timers of the event loop.

import type { Log } from "../log.ts";
import { type Clock, soonMs, type Timer } from "../relay/clock.ts";
import { threadMs } from "./libc.ts";

export class SystemClock implements Clock {
  readonly #log: Log;
  readonly #soon = new Set<{ readonly dueMs: number }>();

  constructor(log: Log) {
    this.#log = log;
  }

  nowMs(): number {
    return performance.now();
  }

  workMs(): number {
    return threadMs() ?? performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  get soonestMs(): number {
    let soonestMs = Number.POSITIVE_INFINITY;
    // Mostly there is none.
    if (this.#soon.size > 0) for (const { dueMs } of this.#soon) soonestMs = Math.min(soonestMs, dueMs);
    return soonestMs;
  }

  after(ms: number, call: () => void): Timer {
    // There may be one for each connection.
    if (ms > soonMs) return new Timeout(setTimeout(this.#guard, ms, call));
    const entry = { dueMs: this.nowMs() + ms };
    this.#soon.add(entry);
    const cancel = start(ms, () => {
      this.#soon.delete(entry);
      this.#guard(call);
    });
    return {
      cancel: () => {
        this.#soon.delete(entry);
        cancel();
      },
    };
  }

  /** A callback that throws is a bug: it is logged, and the server goes on. */
  readonly #guard = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      this.#log.repeated("failed", error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  };
}

class Timeout implements Timer {
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(timer: ReturnType<typeof setTimeout>) {
    this.#timer = timer;
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

/** Gives what stops it. */
function start(ms: number, call: () => void): () => void {
  if (ms === 0) {
    const soon = setImmediate(call);
    return () => clearImmediate(soon);
  }
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
}
