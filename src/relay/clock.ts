// The time and the timers that the relay is given, so that it can be tested without waiting.

/** Calls that are to be made later than that may be late by as much, milliseconds. */
export const soonMs = 50;

export interface Clock {
  /** Milliseconds that only grow, with fractions. */
  nowMs(): number;
  /** Milliseconds of processor time that this thread has had, with fractions; time as it passes where that is not known. */
  workMs(): number;
  /** Milliseconds since 1970-01-01 UTC, for people to read: this time may be set back. */
  wallMs(): number;
  /** Calls `call` once, after at least `ms` milliseconds; with 0 as soon as what waits on sockets had its turn. */
  after(ms: number, call: () => void): Timer;
  /** When the first call is due that was to be made after at most `soonMs`; infinite where there is none. */
  readonly soonestMs: number;
}

export interface Timer {
  cancel(): void;
}
