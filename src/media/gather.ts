// Collects the next N bytes of a stream that comes in pieces: what the detectors read their fixed-size
// fields from. One small buffer, used again and again; what is skipped or kept whole never passes here.

import { readNumber } from "./bytes.ts";

/** A buffer that fills up to `want` bytes, from pieces of any size. `capacity` bounds `want`, in bytes. */
export class Gather {
  readonly bytes: Uint8Array;
  /** How many bytes are there. */
  length = 0;
  /** How many there should be. May be raised as it becomes clear from the first ones how many follow. */
  want = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Forgets what is there, and wants the next `want` bytes. */
  start(want: number): void {
    this.length = 0;
    this.want = want;
  }

  get full(): boolean {
    return this.length >= this.want;
  }

  /** Takes what is wanted from `piece` at `at`, as far as `end`; returns where in `piece` it stopped. */
  take(piece: Uint8Array, at: number, end: number = piece.length): number {
    const { bytes } = this;
    const from = this.length;
    const taken = Math.min(end - at, this.want - from);
    for (let i = 0; i < taken; i++) bytes[from + i] = piece[at + i];
    this.length = from + taken;
    return at + taken;
  }

  /** Drops the first `count` of the bytes that are there. */
  drop(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /**
   * Drops bytes, beginning with those that are there, and going on with `piece` from `at` on, until the next `want` bytes
   * match; `matches` decides that for the bytes at a place in a buffer. Returns where in `piece` it stopped: it is full if they
   * were found. `passed` is called with the number of bytes that were dropped.
   */
  seek(
    piece: Uint8Array,
    at: number,
    matches: (bytes: Uint8Array, at: number) => boolean,
    passed: (bytes: number) => void,
  ): number {
    const before = this.length;
    let dropped = 0;
    let next = at;
    while (this.length > 0) {
      next = this.take(piece, next);
      if (!this.full || matches(this.bytes, 0)) {
        passed(dropped);
        return next;
      }
      this.drop(1);
      dropped++;
      if (dropped < before) continue;
      // What is there now came with this piece.
      next -= this.length;
      this.length = 0;
    }
    const from = next;
    while (next + this.want <= piece.length && !matches(piece, next)) next++;
    passed(dropped + next - from);
    return this.take(piece, next);
  }

  /** The unsigned big-endian number of `size` (1 to 6) bytes at `at`. */
  number(at: number, size: number): number {
    return readNumber(this.bytes, at, size);
  }
}

/**
 * Something of the stream that is kept whole, as it comes in pieces. Memory is taken as it comes, at most twice as much as
 * has come, whatever size was announced.
 */
export class Collected {
  readonly #size: number;
  #bytes: Uint8Array;
  /** How many bytes have come. */
  length = 0;

  /** There will be `size` bytes in all. */
  constructor(size: number) {
    this.#size = size;
    this.#bytes = new Uint8Array(Math.min(size, firstCollectedBytes));
  }

  /** Bytes of memory that it takes. */
  get heldBytes(): number {
    return this.#bytes.length;
  }

  /** Adds `bytes` from `at` up to `end`, no more of them than are missing. */
  take(bytes: Uint8Array, at: number, end: number): void {
    const needed = Math.min(this.#size, this.length + end - at);
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#size, Math.max(needed, 2 * this.#bytes.length)));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(at, at + needed - this.length), this.length);
    this.length = needed;
  }

  /** What has come. Nothing must be added any more. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/** What `Collected` takes at first, bytes. */
const firstCollectedBytes = 256;
