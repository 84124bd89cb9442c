// A sink that writes down what a detector reports, and ways to cut and damage streams that are the same each
// time: what the tests of all containers are made of.

import type { Detector, Header, Sink } from "../../src/media/detector.ts";

/** Writes down every call, in order. */
export class Recorder implements Sink {
  readonly calls: string[] = [];
  readonly headers: Header[] = [];
  readonly joins: number[] = [];
  readonly units: number[] = [];
  readonly patches: { readonly offset: number; readonly bytes: Uint8Array }[] = [];

  header(header: Header): void {
    this.headers.push(header);
    const parts = [header.start.toHex(), header.resume.toHex(), header.fixed];
    this.calls.push(`header ${parts.join("/")}`);
  }

  join(offset: number): void {
    this.joins.push(offset);
    this.calls.push(`join ${offset}`);
  }

  unit(offset: number): void {
    this.units.push(offset);
    this.calls.push(`unit ${offset}`);
  }

  patch(offset: number, bytes: Uint8Array): void {
    this.patches.push({ offset, bytes });
    this.calls.push(`patch ${offset} ${bytes.toHex()}`);
  }

  /** The header that the newest join needs. */
  get newest(): Header | undefined {
    return this.headers.at(-1);
  }
}

/** Numbers from 0 up to `below`, the same for the same seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** All of `parts`, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** `length` bytes of noise. */
export function noise(length: number, seed: number): Uint8Array {
  const next = random(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = next(2 ** 32);
  return new Uint8Array(words.buffer, 0, length);
}

/** Feeds `bytes` from the absolute offset `from` in pieces of `size(left)` bytes, each in a buffer of its own. */
export function feed(detector: Detector, bytes: Uint8Array, size: (left: number) => number, from = 0): void {
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + size(bytes.length - at));
    const piece = bytes.slice(at, to);
    detector.feed(piece, from + at);
    // The buffer is the caller's: a detector that kept it would find this.
    piece.fill(0x55);
    at = to;
  }
}

/** `bytes` with one to four flips, deletions, insertions and repeated ranges. */
export function damage(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  let result = bytes;
  for (let count = 1 + next(4); count > 0; count--) {
    const at = next(result.length);
    const end = Math.min(result.length, at + 1 + next(1 + next(3000)));
    const kind = next(4);
    const before = result.subarray(0, at);
    if (kind === 0) {
      result = result.slice();
      for (let i = at; i < Math.min(end, at + 8); i++) result[i] ^= 1 << next(8);
    } else if (kind === 1) {
      result = Buffer.concat([before, result.subarray(end)]);
    } else if (kind === 2) {
      result = Buffer.concat([before, noise(end - at, next(1e9)), result.subarray(at)]);
    } else {
      result = Buffer.concat([before, result.subarray(at, end), result.subarray(at)]);
    }
  }
  return new Uint8Array(result);
}

/** A file of test/fixtures. */
export async function fixture(name: string): Promise<Uint8Array> {
  return await Bun.file(`${import.meta.dir}/../fixtures/${name}`).bytes();
}
