// How much processor time streams may cost in their detectors. Each user has a share that grows with the bytes, ten times what the
// worst honest stream takes, and with the time, for machines that are slow in all they do. What is taken beyond that is
// a debt; when a user has too much of it, the streams that made it are not followed any further. The detectors are made
// such that few streams get there: this is the net below them.

import type { Clock } from "./clock.ts";

/** Nanoseconds for each byte. Honest streams take 0.2 to 2. */
const allowedNsPerByte = 20;
/** The same for each piece, however short, milliseconds. */
const allowedMsPerPiece = 0.02;
/** The part of all time that a user's detectors may take whatever the bytes are. */
const allowedShare = 0.02;
/** A user's debt at which a stream is given up that has as much to do with it as `ownDebtMs`, milliseconds. */
const maxDebtMs = 150;
const ownDebtMs = 30;
/** A user's debt at which any stream of it is given up: none has to do with much of it, but there are always new ones. */
const hopelessDebtMs = 600;
/** One piece counts as no more: memory may have been collected meanwhile. Milliseconds. */
const maxPieceMs = 50;

/** Time that was taken and that was not allowed, milliseconds. */
export class Debt {
  readonly #clock: Clock;
  #ms = 0;
  #lastMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
  }

  /** Adds to it, and gives what it is now. */
  add(ms: number): number {
    const nowMs = this.#clock.nowMs();
    const paidMs = (nowMs - this.#lastMs) * allowedShare;
    this.#lastMs = nowMs;
    this.#ms = Math.max(0, this.#ms + ms - paidMs);
    return this.#ms;
  }
}

/** Of one stream of a user. */
export class WorkTime {
  readonly #clock: Clock;
  readonly #user: Debt;
  readonly #own: Debt;

  constructor(clock: Clock, user: Debt) {
    this.#clock = clock;
    this.#user = user;
    this.#own = new Debt(clock);
  }

  /** Whether the work on `bytes` bytes that began at `startMs` (`Clock.workMs`) and ends now was too much, with all before it. */
  isSpent(startMs: number, bytes: number): boolean {
    const tookMs = Math.min(this.#clock.workMs() - startMs, maxPieceMs);
    const debtMs = tookMs - allowedMsPerPiece - (bytes * allowedNsPerByte) / 1e6;
    const own = this.#own.add(debtMs);
    const user = this.#user.add(debtMs);
    return (user > maxDebtMs && own > ownDebtMs) || user > hopelessDebtMs;
  }
}

/** Of all users. */
export class WorkTimes {
  readonly #clock: Clock;
  readonly #users = new Map<string, Debt>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For a new stream of a user. */
  begin(user: string): WorkTime {
    const work = this.#users.get(user) ?? new Debt(this.#clock);
    this.#users.set(user, work);
    return new WorkTime(this.#clock, work);
  }

  /** Forgets users that have no debt, unless they are `busy`. */
  forget(busy: ReadonlySet<string>): void {
    for (const [user, work] of this.#users)
      if (!busy.has(user) && work.add(0) === 0) this.#users.delete(user);
  }
}
