// The watchers of a channel that has ended are sent what they are owed, for as long as they take some of it: one that has
// taken nothing for `drain_timeout` is closed.

import type { Watcher } from "./watcher.ts";

/** What a watcher had been sent when something was last taken, and when that was. */
interface Progress {
  readonly sentBytes: number;
  readonly sinceMs: number;
}

export class Drain {
  readonly #options: { readonly drainTimeoutMs: number };
  readonly #progress = new WeakMap<Watcher, Progress>();

  constructor(options: { readonly drainTimeoutMs: number }) {
    this.#options = options;
  }

  /** Whether a watcher that has been sent `sentBytes` bytes by now has taken nothing for too long. */
  isStuck(watcher: Watcher, sentBytes: number, nowMs: number): boolean {
    const last = this.#progress.get(watcher);
    if (last?.sentBytes === sentBytes) return nowMs - last.sinceMs >= this.#options.drainTimeoutMs;
    this.#progress.set(watcher, { sentBytes, sinceMs: nowMs });
    return false;
  }
}
