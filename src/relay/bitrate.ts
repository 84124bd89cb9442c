// How many bits a second a broadcaster may send, on the average of some seconds: a keyframe may be large. A token bucket,
// full at first; what is sent beyond it ends the broadcast. Each broadcast has its own.

/** So many seconds' worth may come at once. */
const burstSeconds = 10;

export class BitrateLimit {
  readonly bitsPerSecond: number;
  #allowedBits: number;
  #lastMs: number;

  constructor(bitsPerSecond: number, nowMs: number) {
    this.bitsPerSecond = bitsPerSecond;
    this.#allowedBits = bitsPerSecond * burstSeconds;
    this.#lastMs = nowMs;
  }

  /** Counts `bytes` bytes that came at `nowMs`. False if that is more than is allowed. */
  take(bytes: number, nowMs: number): boolean {
    const earnedBits = ((nowMs - this.#lastMs) / 1000) * this.bitsPerSecond;
    const mostBits = this.bitsPerSecond * burstSeconds;
    this.#allowedBits = Math.min(mostBits, this.#allowedBits + earnedBits) - bytes * 8;
    this.#lastMs = nowMs;
    return this.#allowedBits >= 0;
  }
}
