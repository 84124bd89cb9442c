// How much time a stream's bytes may cost in its detector. A share that grows with the bytes, ten times what the worst
// honest stream takes, and with the time, for machines that are slow in all they do. What is taken beyond that is a
// debt; a stream that has too much of it is not followed any further. The detectors are made such that no stream gets
// there: this is the net below them.

import type { Clock } from "./clock.ts";

/** Nanoseconds for each byte: 20 ms for 512 KiB. Honest streams take 0.2 to 2. */
const allowedNsPerByte = 40;
/** The same for each piece, however short, milliseconds. */
const allowedMsPerPiece = 0.02;
/** The part of all time that a stream's detector may take whatever its bytes are. */
const allowedShare = 0.02;
/** Debt at which a stream is given up, milliseconds. */
const maxDebtMs = 250;
/** One piece counts as no more: the process may have been stopped meanwhile, or memory been collected. Milliseconds. */
const maxPieceMs = 50;

export class WorkTime {
  readonly #clock: Clock;
  #debtMs = 0;
  #lastMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
  }

  /** Whether the work on `bytes` bytes that began at `startMs` and ends now was too much, with all before it. */
  isSpent(startMs: number, bytes: number): boolean {
    const nowMs = this.#clock.nowMs();
    const tookMs = Math.min(nowMs - startMs, maxPieceMs);
    const sinceMs = nowMs - this.#lastMs;
    const allowedMs = allowedMsPerPiece + (bytes * allowedNsPerByte) / 1e6 + sinceMs * allowedShare;
    this.#lastMs = nowMs;
    this.#debtMs = Math.max(0, this.#debtMs + tookMs - allowedMs);
    return this.#debtMs > maxDebtMs;
  }
}
