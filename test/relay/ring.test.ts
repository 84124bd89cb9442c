// The ring alone: offsets, growth within the budget, and segments that are kept for those that still read them.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { Budget } from "../../src/relay/memorybudget.ts";
import { Ring, segmentSize } from "../../src/relay/ring.ts";
import { random } from "../media/recorder.ts";
import { opaque } from "./streams.ts";

const segment = 4096;
const plenty = () => new Budget({ maxBacklogTotalBytes: 2 ** 30 });

function ringOf(capacityBytes: number, budget = plenty(), evicting: (segment: number) => number = () => 0) {
  return new Ring({ capacityBytes, budget, evicting });
}

/** The bytes from `from` up to `to`, as they lie in the ring. */
function read(ring: Ring, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from);
  for (let at = from; at < to; at++) {
    const number = ring.segmentOf(at);
    bytes[at - from] = ring.buffer(number)?.[at - number * ring.segmentBytes] as number;
  }
  return bytes;
}

describe("segments", () => {
  test("are a sixteenth of the capacity as a power of two, within 4 and 128 KiB", () => {
    expect(segmentSize(0)).toBe(4096);
    expect(segmentSize(1)).toBe(4096);
    expect(segmentSize(64 * 1024)).toBe(4096);
    expect(segmentSize(128 * 1024)).toBe(8192);
    expect(segmentSize(200 * 1024)).toBe(8192);
    expect(segmentSize(16 * 2 ** 20)).toBe(128 * 1024);
    expect(segmentSize(2 ** 30)).toBe(128 * 1024);
  });

  test("are added only as the stream needs them", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    expect(ring.heldBytes).toBe(segment);
    ring.append(opaque(segment));
    expect(ring.heldBytes).toBe(segment);
    ring.append(opaque(1, segment));
    expect(ring.heldBytes).toBe(2 * segment);
    expect(budget.usedBytes).toBe(2 * segment);
  });

  test("never make up more than the capacity and one of them", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    for (let at = 0; at < 300_000; at += 1000) {
      ring.append(opaque(1000, at));
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
        ring.append(opaque(length, head));
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
        ring.append(opaque(next(6000), head));
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
      ring.append(opaque(700, at));
      expect(ring.head - ring.tail).toBeGreaterThanOrEqual(Math.min(ring.head, 10_000));
    }
  });

  test("are copied: the buffer that they came in may be used again", () => {
    const ring = ringOf(10_000);
    const bytes = opaque(100);
    ring.append(bytes);
    bytes.fill(0);
    expect(read(ring, 0, 100)).toEqual(opaque(100));
  });

  test("that are not there have no buffer", () => {
    const ring = ringOf(2 * segment);
    ring.append(opaque(5 * segment));
    expect(ring.tail).toBe(2 * segment);
    expect(ring.buffer(1)).toBeUndefined();
    expect(ring.buffer(2)).toBeDefined();
    expect(ring.buffer(4)).toBeDefined();
    expect(ring.buffer(5)).toBeUndefined();
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
    ring.append(opaque(10 * segment + 5));
    expect(ring.heldBytes).toBe(3 * segment);
    expect(ring.tail).toBe(8 * segment);
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
  });

  test("that has room again lets a ring grow on, with its bytes where they were", () => {
    const budget = new Budget({ maxBacklogTotalBytes: 6 * segment });
    const other = ringOf(64 * 1024, budget);
    other.append(opaque(4 * segment));
    const ring = ringOf(64 * 1024, budget);
    ring.append(opaque(7 * segment));
    expect(ring.heldBytes).toBe(2 * segment);
    other.release();
    for (let at = 7 * segment; at < 60 * segment; at += 999) {
      ring.append(opaque(999, at));
      expect(read(ring, ring.tail, ring.head)).toEqual(opaque(ring.head - ring.tail, ring.tail));
    }
    expect(ring.heldBytes).toBe(6 * segment);
    expect(budget.usedBytes).toBe(6 * segment);
  });

  test("gets all back when the ring is released, once", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget, () => 1);
    ring.append(opaque(200_000));
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
    const ring: Ring = ringOf(2 * segment, plenty(), (number) => {
      left.push(number);
      expect(ring.tail).toBe(number * segment);
      expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment, ring.tail));
      return 0;
    });
    ring.append(opaque(3 * segment));
    expect(left).toEqual([]);
    ring.append(opaque(2 * segment + 1, 3 * segment));
    expect(left).toEqual([0, 1, 2]);
  });

  test("is kept as it was for all that need it, until the last of them has dropped it", () => {
    const ring = ringOf(2 * segment, plenty(), (number) => (number === 1 ? 1 : number === 3 ? 2 : 0));
    ring.append(opaque(8 * segment));
    expect(ring.keptBytes).toBe(2 * segment);
    expect(ring.heldBytes).toBe(3 * segment);
    expect(ring.buffer(0)).toBeUndefined();
    expect(ring.buffer(2)).toBeUndefined();
    expect(read(ring, segment, 2 * segment)).toEqual(opaque(segment, segment));
    expect(read(ring, 3 * segment, 4 * segment)).toEqual(opaque(segment, 3 * segment));
    ring.drop(1);
    ring.drop(3);
    expect(ring.keptBytes).toBe(segment);
    expect(ring.buffer(1)).toBeUndefined();
    expect(read(ring, 3 * segment, 4 * segment)).toEqual(opaque(segment, 3 * segment));
    ring.drop(3);
    expect(ring.keptBytes).toBe(0);
  });
});

describe("what is trimmed away", () => {
  test("is whole segments before the offset, whose memory is given back; the newest stays", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget);
    ring.append(opaque(5 * segment + 10));
    ring.trim(2 * segment + 1);
    expect(ring.tail).toBe(2 * segment);
    expect(budget.usedBytes).toBe(4 * segment);
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment + 10, 2 * segment));
    ring.trim(ring.head);
    expect(ring.tail).toBe(5 * segment);
    expect(budget.usedBytes).toBe(segment);
    ring.append(opaque(3 * segment, 5 * segment + 10));
    expect(read(ring, ring.tail, ring.head)).toEqual(opaque(3 * segment + 10, 5 * segment));
    ring.release();
    expect(budget.usedBytes).toBe(0);
  });

  test("leaves a ring with many segments one of them, for what comes next", () => {
    const budget = plenty();
    const ring = ringOf(4 * 1024 * 1024, budget);
    const { segmentBytes } = ring;
    ring.append(new Uint8Array(25 * segmentBytes));
    const buffer = ring.buffer(0);
    ring.trim(segmentBytes);
    expect(ring.tail).toBe(0);
    ring.append(new Uint8Array(1));
    expect(ring.tail).toBe(segmentBytes);
    expect(ring.buffer(25)).toBe(buffer as Uint8Array);
    expect(budget.usedBytes).toBe(25 * segmentBytes);
    ring.append(new Uint8Array(segmentBytes));
    expect(budget.usedBytes).toBe(26 * segmentBytes);
    ring.trim(3 * segmentBytes);
    expect(ring.tail).toBe(2 * segmentBytes);
    ring.trim(4 * segmentBytes);
    expect(ring.tail).toBe(4 * segmentBytes);
    expect(budget.usedBytes).toBe(23 * segmentBytes);
  });

  test("is kept aside where watchers still need it, and counted until the last has dropped it", () => {
    const budget = plenty();
    const ring = ringOf(64 * 1024, budget, (number) => (number === 1 ? 2 : 0));
    ring.append(opaque(4 * segment));
    ring.trim(3 * segment);
    expect(ring.tail).toBe(3 * segment);
    expect(ring.keptBytes).toBe(segment);
    expect(budget.usedBytes).toBe(2 * segment);
    expect(ring.buffer(1)).toEqual(opaque(segment, segment));
    ring.drop(1);
    ring.drop(1);
    expect(budget.usedBytes).toBe(segment);
  });
});
