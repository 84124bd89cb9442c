// When bytes go out. The fan-out clocks itself: after a pass over the watchers that took T, the next starts no
// sooner than a few T later. A few watchers get every byte at once; thousands get fewer and larger writes,
// which is what the kernel's cost is counted in. `maxDelayMs` bounds the wait. (Bytes that are about to leave the ring go
// out before that: see audience.ts.)

import type { Clock, Timer } from "./clock.ts";

/** How many times as long as the last pass the next one is put off. */
const restFactor = 3;
/** Waits shorter than this are not worth a timer, milliseconds. */
const shortestWaitMs = 0.5;

export class FanOut {
  readonly #clock: Clock;
  readonly #options: { readonly maxDelayMs: number };
  readonly #pass: () => void;
  #timer: Timer | undefined;
  #notBeforeMs = 0;

  /** `pass` sends to all watchers. */
  constructor(clock: Clock, options: { readonly maxDelayMs: number }, pass: () => void) {
    this.#clock = clock;
    this.#options = options;
    this.#pass = pass;
  }

  /** More bytes are there to be sent. */
  wake(): void {
    const waitMs = this.#notBeforeMs - this.#clock.nowMs();
    if (waitMs < shortestWaitMs) this.now();
    else this.#timer ??= this.#clock.after(waitMs, () => this.now());
  }

  /** A pass at once. */
  now(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const startMs = this.#clock.nowMs();
    this.#pass();
    const endMs = this.#clock.nowMs();
    this.#notBeforeMs = endMs + Math.min(restFactor * (endMs - startMs), this.#options.maxDelayMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
