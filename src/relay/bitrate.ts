// How many bits a second a broadcaster may send, on the average of some seconds: a keyframe may be large. A token bucket,
// full at first; what is sent beyond it ends the broadcast. It is its channel's, so that a broadcast that begins anew finds what the
// one before has left.

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

  /** Whether it is full at `nowMs`, as one that nothing was sent against. */
  isFull(nowMs: number): boolean {
    this.take(0, nowMs);
    return this.#allowedBits >= this.bitsPerSecond * burstSeconds;
  }
}

/** "5 Mbit/s", "80 kbit/s". */
export function rateText(bitsPerSecond: number): string {
  const units = [
    [1e9, "Gbit/s"],
    [1e6, "Mbit/s"],
    [1e3, "kbit/s"],
  ] as const;
  const [size, unit] = units.find(([least]) => bitsPerSecond >= least) ?? [1, "bit/s"];
  return `${Number((bitsPerSecond / size).toPrecision(4))} ${unit}`;
}

/** Of all channels, those that are over included until their limits are full again. */
export class BitrateLimits {
  readonly #limits = new Map<string, BitrateLimit>();

  /** The limit of the channel with this key; another one begins anew. */
  of(key: string, bitsPerSecond: number, nowMs: number): BitrateLimit {
    const known = this.#limits.get(key);
    if (known?.bitsPerSecond === bitsPerSecond) return known;
    const limit = new BitrateLimit(bitsPerSecond, nowMs);
    this.#limits.set(key, limit);
    return limit;
  }

  /** Forgets those that are full, of channels that are not `busy`. */
  forget(nowMs: number, busy: { has(key: string): boolean }): void {
    for (const [key, limit] of this.#limits)
      if (!busy.has(key) && limit.isFull(nowMs)) this.#limits.delete(key);
  }
}
