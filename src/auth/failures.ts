// Counts recent failures; time forgets them, one after the other. Pure: each call is given the time.

export interface Allowance {
  /** Failures that have no consequence. */
  readonly free: number;
  /** Beyond those so many are counted, and no further. */
  readonly mostDebt: number;
  /** After how long one failure is forgotten, milliseconds. */
  readonly forgetMs: number;
}

/** Recent failures. */
export class Failures {
  readonly #allowance: Allowance;
  #count = 0;
  #sinceMs: number;

  constructor(allowance: Allowance, nowMs: number) {
    this.#allowance = allowance;
    this.#sinceMs = nowMs;
  }

  /** How many there are now. */
  count(nowMs: number): number {
    const { forgetMs } = this.#allowance;
    const forgotten = Math.floor((nowMs - this.#sinceMs) / forgetMs);
    this.#count = Math.max(0, this.#count - forgotten);
    this.#sinceMs += forgotten * forgetMs;
    return this.#count;
  }

  /** One more; false if there are as many as are remembered. */
  add(nowMs: number): boolean {
    if (this.count(nowMs) === 0) this.#sinceMs = nowMs;
    if (this.#count >= this.#allowance.free + this.#allowance.mostDebt) return false;
    this.#count++;
    return true;
  }
}
