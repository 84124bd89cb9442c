// The memory that all channels together may take for their streams. Rings ask before they grow; what else is kept of a
// stream (headers, join points, patches, what is gathered to be read) is charged as it comes, and a stream that keeps
// too much is not followed any further.

/** Bytes that all channels together may hold. */
export class Budget {
  readonly #options: { readonly maxBacklogTotalBytes: number };
  #used = 0;

  constructor(options: { readonly maxBacklogTotalBytes: number }) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Whether there is room for so many bytes. */
  has(bytes: number): boolean {
    return this.#used + bytes <= this.#options.maxBacklogTotalBytes;
  }

  /** Takes `bytes` if there is room for them. */
  take(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Counts bytes that are taken already, whether there is room for them or not. */
  charge(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** A channel may keep so much beside its ring. Bytes. */
const maxShareBytes = 16 * 1024 * 1024;
/** So much beside its ring is part of what any channel takes: neither counted nor ever too much. Bytes. */
const freeShareBytes = 64 * 1024;

/** What one channel keeps beside its ring. */
export class Share {
  readonly #budget: Budget;
  #charged = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Whether it may keep `bytes` bytes: no more than a channel may, and if that is more than now, than there is room for. */
  fits(bytes: number): boolean {
    const more = chargeOf(bytes) - this.#charged;
    return bytes <= maxShareBytes && (more <= 0 || this.#budget.has(more));
  }

  /** Counts that it keeps `bytes` bytes now. */
  set(bytes: number): void {
    const charge = chargeOf(bytes);
    this.#budget.charge(charge - this.#charged);
    this.#charged = charge;
  }
}

function chargeOf(bytes: number): number {
  return Math.max(0, bytes - freeShareBytes);
}
