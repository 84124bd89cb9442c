// Collects the next N bytes of a stream that comes in pieces: what the detectors read their fixed-size
// fields from. One small buffer, used again and again; what is skipped or kept whole never passes here.

import { maxClosingBytes } from "./detector.ts";

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

  /** Takes what is wanted from `piece` at `at`, as far as it goes; returns where in `piece` it stopped. */
  take(piece: Uint8Array, at: number): number {
    const { bytes } = this;
    const from = this.length;
    const taken = Math.min(piece.length - at, this.want - from);
    for (let i = 0; i < taken; i++) bytes[from + i] = piece[at + i];
    this.length = from + taken;
    return at + taken;
  }

  /** The unsigned big-endian number of `size` (1 to 6) bytes at `at`. */
  number(at: number, size: number): number {
    return readNumber(this.bytes, at, size);
  }
}

/** The unsigned big-endian number of `size` (1 to 6) bytes at `at`. */
export function readNumber(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = at; i < at + size; i++) value = value * 256 + bytes[i];
  return value;
}

/** All of `parts`, one after the other, in a buffer of their own. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether `a` and `b` hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** So many bytes to make up for what did not come (see `Detector.closing`): zeros, or none if that is too many. */
export function filler(bytes: number): Uint8Array {
  return new Uint8Array(bytes > maxClosingBytes ? 0 : bytes);
}
