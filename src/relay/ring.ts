// The recent bytes of one channel, addressed by absolute offsets that only grow: the first byte that the
// channel ever got has offset 0.
//
//             tail                                      head
//               v                                         v
//   ....|....xxx|xxxxxx|xxxxxx|xxxxxxxxxxxx|xxxxxxxxxxxx|xxxx........|
//                                                       the newest segment
//
// The bytes lie in segments. A new one is added while the ring is below its capacity and the
// budget that all rings share has room; otherwise the oldest takes its place and the tail moves
// up. So growing copies nothing, and a ring never holds more than its stream has needed; what is too old to be needed is
// trimmed away. A watcher sends straight from a segment, and no more than that at a time: they are made as large
// as the stream is fast, so that a fast one is not sent in small pieces, and a slow one needs little memory. A segment that watchers
// still need when the tail passes it is kept aside, once for all of
// them, until the last has dropped it: that is how a watcher that was lapped in the middle of a unit still
// gets the unit's end.

import { FstreamError } from "../errors.ts";
import type { Budget } from "./memorybudget.ts";

/** Writes at most `length` bytes into `into` from `offset` on; gives how many. */
export type Receive = (into: Uint8Array, offset: number, length: number) => number;

/** Bytes of the stream that lie in one buffer: those from `start` up to `end`. */
export interface Segment {
  readonly start: number;
  /** Beyond the head in the newest segment: its buffer's end. */
  readonly end: number;
  readonly buffer: Uint8Array<ArrayBuffer>;
}

interface KeptSegment extends Segment {
  /** How many watchers have yet to drop it. */
  holders: number;
}

export interface RingOptions {
  /** How far back the ring reaches, bytes; whole segments make it up to two segments more. */
  readonly capacityBytes: number;
  readonly budget: Budget;
  /**
   * Called with the oldest segment just before it leaves the ring: the last chance to send what is in it. Returns how many
   * watchers still need it, each of which has to `drop` it: if there are any it is kept aside. Only while `mayKeep`. It may
   * release the ring, but not while bytes are added.
   */
  readonly evicting: (segment: Segment) => number;
}

const minSegmentBytes = 4 * 1024;
const maxSegmentBytes = 512 * 1024;
/** How much of the stream a segment holds, about. */
const segmentSeconds = 4;
/** Where more is held than comes in that time, whatever the rate is now, of a ring's segments there are no more than about so many. */
const mostSegments = 64;
/** A ring of so many segments keeps the memory of one that was trimmed away for the next. */
const spareFromSegments = 16;
const maxReserveBytes = 128 * 1024;

/** Bytes of the budget that a ring of that capacity takes even while it holds less: 4 to 128 KiB. */
export function reserveOf(capacityBytes: number): number {
  return segmentSize(capacityBytes / 16, maxReserveBytes);
}

/** The largest power of two that is no more than `bytes`, from the smallest segment's size to `most`. */
function segmentSize(bytes: number, most: number): number {
  return Math.min(most, Math.max(minSegmentBytes, 2 ** Math.floor(Math.log2(Math.max(1, bytes)))));
}

/** Gives a segment's memory back at once: it would wait for the garbage collector. */
function free(buffer: Uint8Array<ArrayBuffer> | undefined): void {
  buffer?.buffer.transfer(0);
}

export class Ring {
  readonly #capacityBytes: number;
  readonly #maxSegmentBytes: number;
  readonly #budget: Budget;
  readonly #evicting: RingOptions["evicting"];
  /** The newest is last. */
  readonly #segments: Segment[] = [];
  /** Segments that have left the ring and are still read, in order. */
  readonly #kept: KeptSegment[] = [];
  /** What a segment is to hold. */
  #expectedBytes: number;
  #reserveBytes: number;
  #heldBytes = 0;
  #keptBytes = 0;
  /** What is before it was trimmed away, or is a segment that is to be used again. */
  #neededFrom = 0;
  #head = 0;
  #tail = 0;

  /** Throws FstreamError `limit` if the budget has no room for it. */
  constructor(options: RingOptions) {
    this.#capacityBytes = options.capacityBytes;
    this.#maxSegmentBytes = segmentSize(options.capacityBytes / 32, maxSegmentBytes);
    this.#budget = options.budget;
    this.#evicting = options.evicting;
    this.#reserveBytes = reserveOf(options.capacityBytes);
    if (!this.#budget.take(this.#reserveBytes)) {
      throw new FstreamError("limit", "the server has no memory left for another channel", {
        hint: "raise max_backlog_total, or lower backlog",
      });
    }
    this.#expectedBytes = this.#reserveBytes;
    this.#add(new Uint8Array(this.#nextSegmentBytes()));
  }

  /** The offset that the next byte will have. */
  get head(): number {
    return this.#head;
  }

  /** The offset of the oldest byte that is there. */
  get tail(): number {
    return this.#tail;
  }

  /** Bytes of segments kept aside. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Bytes of memory that the ring takes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** So many bytes of the stream come in a second: segments that are added from now on are made for that. */
  expect(bytesPerSecond: number): void {
    this.#expectedBytes = segmentSeconds * bytesPerSecond;
  }

  /** Whether a segment can be kept aside: at most about one capacity of them, as far as the budget goes. */
  mayKeep({ buffer }: Segment): boolean {
    return this.#keptBytes < this.#capacityBytes && this.#budget.has(buffer.length);
  }

  /** The segment with the byte at `offset`, in the ring or kept aside; undefined if it is gone, or yet to be added. */
  segmentAt(offset: number): Segment | undefined {
    const newest = this.#segments.at(-1);
    if (newest === undefined || offset < newest.start)
      return find(offset < this.#tail ? this.#kept : this.#segments, offset);
    return offset < newest.end ? newest : undefined;
  }

  /** A watcher that needed a segment kept aside does not any more. */
  drop({ start }: Segment): void {
    const at = this.#kept.findIndex((segment) => segment.start === start);
    if (at < 0 || --this.#kept[at].holders > 0) return;
    const [{ buffer }] = this.#kept.splice(at, 1);
    this.#keptBytes -= buffer.length;
    this.#budget.give(buffer.length);
  }

  /**
   * Adds bytes at the head (copying them), at most to the end of a segment, and drops the oldest where the capacity demands it.
   * Gives how many.
   */
  append(bytes: Uint8Array): number {
    const { buffer, start } = this.#newest();
    const at = this.#head - start;
    const count = Math.min(bytes.length, buffer.length - at);
    buffer.set(count === bytes.length ? bytes : bytes.subarray(0, count), at);
    this.#head += count;
    return count;
  }

  /** As `append`, of bytes that `receive` writes into the ring itself. Gives them as they lie there. */
  fill(receive: Receive): Uint8Array {
    const { buffer, start } = this.#newest();
    const at = this.#head - start;
    const count = receive(buffer, at, buffer.length - at);
    this.#head += count;
    // A buffer has its memory for itself. This takes less than a subarray.
    return new Uint8Array(buffer.buffer, at, count);
  }

  /** Gives all memory back. The ring must not be used afterwards. */
  release(): void {
    this.#budget.give(this.#chargeOf(this.#heldBytes) + this.#keptBytes);
    for (const { buffer } of this.#segments) free(buffer);
    this.#segments.length = 0;
    this.#kept.length = 0;
    this.#reserveBytes = 0;
    this.#heldBytes = 0;
    this.#keptBytes = 0;
    this.#tail = this.#head;
  }

  /**
   * Gives back the segments before `offset`, but for the one that holds the newest byte. Of a ring with many, one is left to be used
   * again: fresh memory costs more than that.
   */
  trim(offset: number): void {
    const needed = this.segmentAt(Math.max(offset, this.#tail)) ?? this.#segments.at(-1);
    if (needed === undefined) return;
    this.#neededFrom = needed.start;
    let before = this.#segments.indexOf(needed);
    const spare = this.#segments.length - before >= spareFromSegments ? 1 : 0;
    for (; before > spare; before--) free(this.#evict());
  }

  /** The segment that has room for the next byte. */
  #newest(): Segment {
    const newest = this.#segments.at(-1);
    return newest !== undefined && this.#head < newest.end ? newest : this.#advance();
  }

  #advance(): Segment {
    const bytes = this.#nextSegmentBytes();
    let buffer: Uint8Array<ArrayBuffer> | undefined;
    while (this.#isOldestUnneeded()) {
      free(buffer);
      buffer = this.#evict();
    }
    const hasRoom = this.#budget.has(
      this.#chargeOf(this.#heldBytes + bytes) - this.#chargeOf(this.#heldBytes),
    );
    if (hasRoom && buffer?.length === bytes) return this.#add(buffer);
    free(buffer);
    return this.#add(hasRoom ? new Uint8Array(bytes) : (this.#evict() ?? new Uint8Array(minSegmentBytes)));
  }

  #nextSegmentBytes(): number {
    return segmentSize(Math.max(this.#expectedBytes, this.#heldBytes / mostSegments), this.#maxSegmentBytes);
  }

  /** Whether a whole capacity is there without the oldest segment, or it was trimmed away. */
  #isOldestUnneeded(): boolean {
    const oldest = this.#segments.at(0);
    if (oldest === undefined) return false;
    return this.#heldBytes - oldest.buffer.length >= this.#capacityBytes || oldest.start < this.#neededFrom;
  }

  /** Adds a segment that begins at the head. */
  #add(buffer: Uint8Array<ArrayBuffer>): Segment {
    const segment = { start: this.#head, end: this.#head + buffer.length, buffer };
    this.#segments.push(segment);
    this.#hold(buffer.length);
    return segment;
  }

  /** The oldest segment leaves the ring. Gives its buffer; undefined if it is kept aside. */
  #evict(): Uint8Array<ArrayBuffer> | undefined {
    const oldest = this.#segments.at(0);
    if (oldest === undefined) return undefined;
    const { end, buffer } = oldest;
    const holders = this.#evicting(oldest);
    // That may have ended the last watcher, and the ring been released.
    if (this.#segments.at(0) !== oldest) return undefined;
    this.#segments.shift();
    this.#tail = end;
    this.#hold(-buffer.length);
    if (holders === 0) return buffer;
    this.#kept.push({ ...oldest, holders });
    this.#keptBytes += buffer.length;
    this.#budget.charge(buffer.length);
    return undefined;
  }

  /** Counts that the ring holds so many bytes more. */
  #hold(bytes: number): void {
    const before = this.#chargeOf(this.#heldBytes);
    this.#heldBytes += bytes;
    this.#budget.charge(this.#chargeOf(this.#heldBytes) - before);
  }

  /** What a ring that holds so many bytes takes of the budget. */
  #chargeOf(heldBytes: number): number {
    return Math.max(this.#reserveBytes, heldBytes);
  }
}

/** The segment with the byte at `offset`, of some that are in order. */
function find(segments: readonly Segment[], offset: number): Segment | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (segments[middle].end <= offset) low = middle + 1;
    else high = middle;
  }
  const segment = segments.at(low);
  return segment !== undefined && segment.start <= offset ? segment : undefined;
}
