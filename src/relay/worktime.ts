// How much processor time streams may cost in their detectors. Each user has a share that grows with the bytes, ten times what the
// worst honest stream takes, and with the time, for machines that are slow in all they do. What is taken beyond that is
// a debt; while a user has too much of it, its streams are not followed. The detectors are made such that few streams
// get there: this is the net below them.

import type { Clock } from "./clock.ts";

/** Nanoseconds for each byte. Honest streams take 0.2 to 2. */
const allowedNsPerByte = 20;
/** The same for each piece, however short, milliseconds. */
const allowedMsPerPiece = 0.02;
/** The part of all time that a user's detectors may take whatever the bytes are. */
const allowedShare = 0.02;
/** Debt at which a stream is given up, milliseconds. */
const maxDebtMs = 150;
/** One piece counts as no more: memory may have been collected meanwhile. Milliseconds. */
const maxPieceMs = 50;

/** Of one user. */
export class WorkTime {
  readonly #clock: Clock;
  #debtMs = 0;
  #lastMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
  }

  get hasDebt(): boolean {
    this.#add(0);
    return this.#debtMs > 0;
  }

  /** Whether the work on `bytes` bytes that began at `startMs` (`Clock.workMs`) and ends now was too much, with all before it. */
  isSpent(startMs: number, bytes: number): boolean {
    const tookMs = Math.min(this.#clock.workMs() - startMs, maxPieceMs);
    this.#add(tookMs - allowedMsPerPiece - (bytes * allowedNsPerByte) / 1e6);
    return this.#debtMs > maxDebtMs;
  }

  #add(debtMs: number): void {
    const nowMs = this.#clock.nowMs();
    const paidMs = (nowMs - this.#lastMs) * allowedShare;
    this.#lastMs = nowMs;
    this.#debtMs = Math.max(0, this.#debtMs + debtMs - paidMs);
  }
}

/** Of all users. */
export class WorkTimes {
  readonly #clock: Clock;
  readonly #users = new Map<string, WorkTime>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(user: string): WorkTime {
    const found = this.#users.get(user);
    if (found !== undefined) return found;
    const made = new WorkTime(this.#clock);
    this.#users.set(user, made);
    return made;
  }

  /** Forgets users that have no debt, unless they are `busy`. */
  forget(busy: ReadonlySet<string>): void {
    for (const [user, time] of this.#users) if (!busy.has(user) && !time.hasDebt) this.#users.delete(user);
  }
}
