// When bytes go out, of all channels. The fan-out clocks itself by how busy the whole process is: a pass over watchers that took T
// puts the next one off for a few T, and many short passes add up. With a few watchers on a few channels every byte goes out at once;
// with thousands, on one channel or on hundreds, all channels that have something are gathered into one pass, so that there are fewer
// and larger writes, which is what the kernel's cost is counted in. `maxDelayMs` bounds that wait; `minDelayMs` is waited in any case.
// (Bytes that are about to leave the ring, last bytes and joins go out before: see audience.ts.)

import type { Clock, Timer } from "./clock.ts";

/** How many times as long as passes take the next one is put off. */
const restFactor = 3;
/** Waits shorter than this are not worth a timer, milliseconds. */
const shortestWaitMs = 0.5;

export interface FanOutOptions {
  readonly maxDelayMs: number;
  readonly minDelayMs: number;
}

/** The watchers of one channel. */
export interface Receivers {
  readonly size: number;
  /** Sends them what there is. */
  pass(): void;
}

export class FanOut {
  readonly #clock: Clock;
  readonly #options: FanOutOptions;
  /** Those that something is there for. */
  readonly #ready = new Set<Receivers>();
  #timer: Timer | undefined;
  #dueMs = 0;
  #notBeforeMs = 0;

  constructor(clock: Clock, options: FanOutOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** More bytes are there to be sent to `receivers`. */
  wake(receivers: Receivers): void {
    this.#ready.add(receivers);
    const nowMs = this.#clock.nowMs();
    if (this.#timer === undefined)
      this.#dueMs = Math.max(this.#notBeforeMs, nowMs + this.#options.minDelayMs);
    const waitMs = this.#dueMs - nowMs;
    if (waitMs < shortestWaitMs) this.#pass(nowMs);
    else this.#timer ??= this.#clock.after(waitMs, () => this.#pass(this.#clock.nowMs()));
  }

  /** Nothing is to be sent to `receivers` any more. */
  drop(receivers: Receivers): void {
    this.#ready.delete(receivers);
    if (this.#ready.size === 0) this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #pass(startMs: number): void {
    this.#cancel();
    const ready = [...this.#ready];
    // The few first: they would wait for the many.
    if (ready.length > 1) ready.sort((a, b) => a.size - b.size);
    try {
      for (const receivers of ready) {
        this.#ready.delete(receivers);
        receivers.pass();
      }
    } finally {
      const endMs = this.#clock.nowMs();
      const restMs = (1 + restFactor) * (endMs - startMs);
      const notBeforeMs = Math.max(this.#notBeforeMs, startMs) + restMs;
      this.#notBeforeMs = Math.min(notBeforeMs, endMs + this.#options.maxDelayMs);
      // A pass that failed is a bug of one channel: the others have theirs.
      for (const receivers of this.#ready) {
        this.wake(receivers);
        break;
      }
    }
  }
}
