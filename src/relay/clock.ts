// The time and the timers that the relay is given, so that it can be tested without waiting.

export interface Clock {
  /** Milliseconds that only grow, with fractions. */
  nowMs(): number;
  /** Calls `call` once, after at least `ms` milliseconds. */
  after(ms: number, call: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}
