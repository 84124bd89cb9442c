// The ring alone: offsets, growth within the budget, and segments that are kept for those that still read them.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { Budget } from "../../src/relay/memorybudget.ts";
import { Ring, reserveOf, type Segment } from "../../src/relay/ring.ts";
import { random } from "../media/recorder.ts";
import { opaque } from "./streams.ts";

const segment = 4096;
const plenty = () => new Budget({ maxBacklogTotalBytes: 2 ** 30 });

function ringOf(capacityBytes: number, budget = plenty(), evicting: (segment: Segment) => number = () => 0) {
  return new Ring({ capacityBytes, budget, evicting });
}

/** Adds all of `bytes`. */
function append(ring: Ring, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) from += ring.append(bytes.subarray(from));
}

/** The bytes from `from` up to `to`, as they lie in the ring. */
function read(ring: Ring, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from);
  for (let at = from; at < to; at++) {
    const { start, buffer } = ring.segmentAt(at) as Segment;
    bytes[at - from] = buffer[at - start];
  }
  return bytes;
}

/** The sizes of its segments, the oldest first. */
function sizes(ring: Ring): number[] {
  const found: number[] = [];
  for (let at = ring.tail; at < ring.head; ) {
    const { start, end, buffer } = ring.segmentAt(at) as Segment;
    expect(buffer.length).toBe(end - start);
    expect(start).toBe(at);
    found.push(buffer.length);
    at = end;
  }
  return found;
}

/** Drops the segment that begins at `start`. */
function drop(ring: Ring, start: number): void {
  ring.drop({ start, end: start + segment, buffer: new Uint8Array(0) });
}

/** The size of the newest segment of a ring that has got 200 KiB, KiB. */
function kib(capacityKiB: number, bytesPerSecond: number | undefined): number {
  const ring = ringOf(capacityKiB * 1024);
  if (bytesPerSecond !== undefined) ring.expect(bytesPerSecond);
  append(ring, new Uint8Array(200 * 1024));
  return (sizes(ring).at(-1) as number) / 1024;
}

describe("segments", () => {
  test("hold four seconds of the stream, as a power of two within 4 KiB and a part of the capacity, 512 KiB at the most", () => {
    expect(kib(16 * 1024, undefined)).toBe(128);
    expect(kib(16 * 1024, 0)).toBe(4);
    expect(kib(16 * 1024, 2047)).toBe(4);
    expect(kib(16 * 1024, 16_000)).toBe(32);
    expect(kib(16 * 1024, 16_384)).toBe(64);
    expect(kib(16 * 1024, 500_000)).toBe(512);
    expect(kib(16 * 1024, 1e9)).toBe(512);
    expect(kib(2 ** 21, 1e9)).toBe(512);
    expect(kib(1024, 1e9)).toBe(32);
    expect(kib(64, 1e9)).toBe(4);
  });

  test("are not many, however much comes after a pause", () => {
    const ring = ringOf(16 * 2 ** 20);
    ring.expect(0);
    append(ring, new Uint8Array(20 * 2 ** 20));
    expect(sizes(ring).length).toBeLessThan(450);
    expect(sizes(ring).at(-1)).toBe(256 * 1024);
  });

  test("of different sizes hold their bytes and leave in order, and the ring stays in its bounds", () => {
    const next = random(13);
    const budget = plenty();
    let evicted = 0;
    const ring: Ring = ringOf(2 * 2 ** 20, budget, ({ start, end }) => {
      expect(start).toBe(evicted);
      evicted = end;
      return 0;
    });
    while (ring.head < 40 * 2 ** 20) {
      if (next(4) === 0) ring.expect(2 ** next(18));
      append(ring, opaque(next(100_000), ring.head));
      if (next(10) === 0) ring.trim(ring.head - next(2 * 2 ** 20));
      expect(ring.tail).toBe(evicted);
      expect(ring.heldBytes).toBeLessThan(2 * 2 ** 20 + 2 * 64 * 1024);
      expect(budget.usedBytes).toBe(Math.max(reserveOf(2 * 2 ** 20), ring.heldBytes));
    }
    expect(new Set(sizes(ring)).size).toBeGreaterThan(1);
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
  });

  test("are added only as the stream needs them", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    expect(ring.heldBytes).toBe(segment);
    append(ring, opaque(segment));
    expect(ring.heldBytes).toBe(segment);
    append(ring, opaque(1, segment));
    expect(ring.heldBytes).toBe(2 * segment);
    expect(budget.usedBytes).toBe(2 * segment);
  });

  test("never make up more than the capacity and one of them", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    for (let at = 0; at < 300_000; at += 1000) {
      append(ring, opaque(1000, at));
      expect(ring.heldBytes).toBeLessThanOrEqual(64 * 1024 + segment);
    }
    expect(ring.heldBytes).toBe(64 * 1024 + segment);
    expect(budget.usedBytes).toBe(64 * 1024 + segment);
  });
});

describe("bytes", () => {
  test("are found at their absolute offsets, whatever pieces they came in", () => {
    const next = random(11);
    for (const capacityBytes of [1, 5000, 64 * 1024]) {
      const ring = ringOf(capacityBytes);
      while (ring.head < 250_000) {
        const head = ring.head;
        const length = next(3) === 0 ? next(20_000) : next(50);
        append(ring, opaque(length, head));
        expect(ring.head).toBe(head + length);
      }
      expect(ring.head - ring.tail).toBeGreaterThanOrEqual(Math.min(capacityBytes, 64 * 1024));
      expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
    }
  });

  test("can be written into it, up to a segment's end at a time, among those that are added", () => {
    const next = random(12);
    const ring = ringOf(64 * 1024);
    const rooms: number[] = [];
    while (ring.head < 250_000) {
      const head = ring.head;
      if (next(2) === 0) {
        append(ring, opaque(next(6000), head));
        continue;
      }
      const count = next(3) === 0 ? 0 : next(6000);
      const bytes = ring.fill((into, offset, length) => {
        rooms.push(length);
        const some = opaque(Math.min(count, length), head);
        into.set(some, offset);
        return some.length;
      });
      expect(bytes).toEqual(opaque(bytes.length, head));
      expect(ring.head).toBe(head + bytes.length);
    }
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
    expect(Math.min(...rooms)).toBeGreaterThan(0);
    expect(Math.max(...rooms)).toBe(segment);
  });

  test("of a whole capacity are there at any time, once they have come", () => {
    const ring = ringOf(10_000);
    for (let at = 0; at < 100_000; at += 700) {
      append(ring, opaque(700, at));
      expect(ring.head - ring.tail).toBeGreaterThanOrEqual(Math.min(ring.head, 10_000));
    }
  });

  test("are copied: the buffer that they came in may be used again", () => {
    const ring = ringOf(10_000);
    const bytes = opaque(100);
    append(ring, bytes);
    bytes.fill(0);
    expect(read(ring, 0, 100)).toEqual(opaque(100));
  });

  test("that are not there have no buffer", () => {
    const ring = ringOf(2 * segment);
    append(ring, opaque(5 * segment));
    expect(ring.tail).toBe(2 * segment);
    expect(ring.segmentAt(2 * segment - 1)).toBeUndefined();
    expect(ring.segmentAt(2 * segment)).toBeDefined();
    expect(ring.segmentAt(5 * segment - 1)).toBeDefined();
    expect(ring.segmentAt(5 * segment)).toBeUndefined();
  });
});

describe("the budget", () => {
  test("has room for as much as its total and no byte more", () => {
    const budget = new Budget({ maxBacklogTotalBytes: 100 });
    expect(budget.take(60)).toBe(true);
    expect(budget.take(41)).toBe(false);
    expect(budget.take(40)).toBe(true);
    budget.give(1);
    expect(budget.usedBytes).toBe(99);
  });

  test("without room for the first segment refuses the ring with limit", () => {
    const budget = new Budget({ maxBacklogTotalBytes: 2 * segment });
    ringOf(64 * 1024, budget);
    ringOf(64 * 1024, budget);
    expect(() => ringOf(64 * 1024, budget)).toThrow(FstreamError);
    expect(budget.usedBytes).toBe(2 * segment);
  });

  test("that is used up makes a ring turn in what it has", () => {
    const budget = new Budget({ maxBacklogTotalBytes: 3 * segment });
    const ring = ringOf(64 * 1024, budget);
    append(ring, opaque(10 * segment + 5));
    expect(ring.heldBytes).toBe(3 * segment);
    expect(ring.tail).toBe(8 * segment);
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
  });

  test("that has room again lets a ring grow on, with its bytes where they were", () => {
    const budget = new Budget({ maxBacklogTotalBytes: 6 * segment });
    const other = ringOf(64 * 1024, budget);
    append(other, opaque(4 * segment));
    const ring = ringOf(64 * 1024, budget);
    append(ring, opaque(7 * segment));
    expect(ring.heldBytes).toBe(2 * segment);
    other.release();
    for (let at = 7 * segment; at < 60 * segment; at += 999) {
      append(ring, opaque(999, at));
      expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
    }
    expect(ring.heldBytes).toBe(6 * segment);
    expect(budget.usedBytes).toBe(6 * segment);
  });

  test("gets all back when the ring is released because of a segment that was to leave", () => {
    const budget = plenty();
    const ring: Ring = ringOf(64 * 1024, budget, () => {
      ring.release();
      return 0;
    });
    append(ring, opaque(5 * segment));
    ring.trim(4 * segment);
    expect(budget.usedBytes).toBe(0);
    expect(ring.heldBytes).toBe(0);
  });

  test("gets all back when the ring is released, once", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget, () => 1);
    append(ring, opaque(200_000));
    ring.release();
    expect(budget.usedBytes).toBe(0);
    ring.release();
    expect(budget.usedBytes).toBe(0);
    expect(ring.heldBytes).toBe(0);
    expect(ring.keptBytes).toBe(0);
  });
});

describe("a segment that leaves", () => {
  test("is reported once, in order, while its bytes can still be read", () => {
    const left: number[] = [];
    const ring: Ring = ringOf(2 * segment, plenty(), ({ start }) => {
      left.push(start / segment);
      expect(ring.tail).toBe(start);
      expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment, ring.tail));
      return 0;
    });
    append(ring, opaque(3 * segment));
    expect(left).toEqual([]);
    append(ring, opaque(2 * segment + 1, 3 * segment));
    expect(left).toEqual([0, 1, 2]);
  });

  test("is kept as it was for all that need it, until the last of them has dropped it", () => {
    const ring = ringOf(2 * segment, plenty(), ({ start }) => [0, 1, 0, 2].at(start / segment) ?? 0);
    append(ring, opaque(8 * segment));
    expect(ring.keptBytes).toBe(2 * segment);
    expect(ring.heldBytes).toBe(3 * segment);
    expect(ring.segmentAt(0)).toBeUndefined();
    expect(ring.segmentAt(2 * segment)).toBeUndefined();
    expect(read(ring, segment, 2 * segment)).toEqual(opaque(segment, segment));
    expect(read(ring, 3 * segment, 4 * segment)).toEqual(opaque(segment, 3 * segment));
    drop(ring, segment);
    drop(ring, 3 * segment);
    expect(ring.keptBytes).toBe(segment);
    expect(ring.segmentAt(segment)).toBeUndefined();
    expect(read(ring, 3 * segment, 4 * segment)).toEqual(opaque(segment, 3 * segment));
    drop(ring, 3 * segment);
    expect(ring.keptBytes).toBe(0);
  });
});

describe("what is trimmed away", () => {
  test("is whole segments before the offset, whose memory is given back; the newest stays", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    append(ring, opaque(5 * segment + 10));
    ring.trim(2 * segment + 1);
    expect(ring.tail).toBe(2 * segment);
    expect(budget.usedBytes).toBe(4 * segment);
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment + 10, 2 * segment));
    ring.trim(ring.head);
    expect(ring.tail).toBe(5 * segment);
    expect(budget.usedBytes).toBe(segment);
    append(ring, opaque(3 * segment, 5 * segment + 10));
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment + 10, 5 * segment));
    ring.release();
    expect(budget.usedBytes).toBe(0);
  });

  test("leaves a ring with many segments one of them, for what comes next", () => {
    const budget = plenty();
    const ring = ringOf(128 * 1024, budget);
    append(ring, new Uint8Array(17 * segment));
    const buffer = ring.segmentAt(0)?.buffer;
    ring.trim(segment);
    expect(ring.tail).toBe(0);
    append(ring, new Uint8Array(1));
    expect(ring.tail).toBe(segment);
    expect(ring.segmentAt(17 * segment)?.buffer).toBe(buffer as Uint8Array<ArrayBuffer>);
    expect(budget.usedBytes).toBe(17 * segment);
    append(ring, new Uint8Array(segment));
    expect(budget.usedBytes).toBe(18 * segment);
    ring.trim(3 * segment);
    expect(ring.tail).toBe(2 * segment);
    ring.trim(4 * segment);
    expect(ring.tail).toBe(4 * segment);
    expect(budget.usedBytes).toBe(15 * segment);
  });

  test("is kept aside where watchers still need it, and counted until the last has dropped it", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget, ({ start }) => (start === segment ? 2 : 0));
    append(ring, opaque(4 * segment));
    ring.trim(3 * segment);
    expect(ring.tail).toBe(3 * segment);
    expect(ring.keptBytes).toBe(segment);
    expect(budget.usedBytes).toBe(2 * segment);
    expect(ring.segmentAt(segment)?.buffer as Uint8Array).toEqual(opaque(segment, segment));
    drop(ring, segment);
    drop(ring, segment);
    expect(budget.usedBytes).toBe(segment);
  });
});
