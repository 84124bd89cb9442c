// The recent bytes of one channel, addressed by absolute offsets that only grow: the first byte that the
// channel ever got has offset 0.
//
//             tail                                    head
//               v                                       v
//   ....|....xxxxxxxx|xxxxxxxxxxxxxx|xxxxxxxxxxxxxx|xxxxx.........|
//        segment n    segment n+1    segment n+2    segment n+3
//
// The bytes lie in segments of one size. A new one is added while the ring is below its capacity and the
// budget that all rings share has room; otherwise the oldest takes the newest's place and the tail moves
// up. So growing copies nothing, and a ring never holds more than its stream has needed; what is too old to be needed is
// trimmed away. A watcher sends
// straight from a segment. A segment that watchers still need when the tail passes it is kept aside, once for all of
// them, until the last has dropped it: that is how a watcher that was lapped in the middle of a unit still
// gets the unit's end.

import { FstreamError } from "../errors.ts";
import type { Budget } from "./memorybudget.ts";

/** Writes at most `length` bytes into `into` from `offset` on; gives how many. */
export type Receive = (into: Uint8Array, offset: number, length: number) => number;

export interface RingOptions {
  /** How far back the ring reaches, bytes; whole segments make it up to one segment more. */
  readonly capacityBytes: number;
  readonly budget: Budget;
  /**
   * Called with the oldest segment just before it leaves the ring: the last chance to send what is in it. Returns how many
   * watchers still need it, each of which has to `drop` it: if there are any it is kept aside. Only while `mayKeep`.
   */
  readonly evicting: (segment: number) => number;
}

const maxSegmentBytes = 128 * 1024;
const minSegmentBytes = 4 * 1024;
/** A ring of so many segments keeps the memory of one that was trimmed away for the next. */
const spareFromSegments = 24;
const noBytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Gives a segment's memory back at once: it would wait for the garbage collector. */
function giveBack(segment: Uint8Array<ArrayBuffer>): void {
  if (segment.length > 0) segment.buffer.transfer(0);
}

/** The size of the segments of a ring of that capacity: a sixteenth of it, a power of two, 4 to 128 KiB. */
export function segmentSize(capacityBytes: number): number {
  const size = 2 ** Math.floor(Math.log2(Math.max(1, capacityBytes / 16)));
  return Math.min(maxSegmentBytes, Math.max(minSegmentBytes, size));
}

export class Ring {
  readonly segmentBytes: number;
  readonly #maxSegments: number;
  readonly #budget: Budget;
  readonly #evicting: RingOptions["evicting"];
  /** Segment n is in slot n % maxSegments. */
  readonly #slots: Uint8Array<ArrayBuffer>[] = [];
  /** Segments that have left the ring and are still read, and by how many watchers. */
  readonly #kept = new Map<number, { readonly buffer: Uint8Array; holders: number }>();
  /** The oldest segment that is held, and the one after the newest. */
  #firstSegment = 0;
  #endSegment = 0;
  /** The oldest segment that trimming has left to be needed. */
  #neededSegment = 0;
  #head = 0;
  #tail = 0;

  /** Throws FstreamError `limit` if the budget has no room for the first segment. */
  constructor(options: RingOptions) {
    this.segmentBytes = segmentSize(options.capacityBytes);
    this.#maxSegments = Math.ceil(options.capacityBytes / this.segmentBytes) + 1;
    this.#budget = options.budget;
    this.#evicting = options.evicting;
    if (!this.#budget.take(this.segmentBytes)) {
      throw new FstreamError("limit", "the server has no memory left for another channel", {
        hint: "raise max_backlog_total, or lower backlog",
      });
    }
    this.#slots.push(new Uint8Array(this.segmentBytes));
    this.#endSegment = 1;
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
    return this.#kept.size * this.segmentBytes;
  }

  /** Whether another segment can be kept aside: at most one capacity of them, as far as the budget goes. */
  get mayKeep(): boolean {
    return this.#kept.size + 1 < this.#maxSegments && this.#budget.has(this.segmentBytes);
  }

  /** Bytes of memory that the ring takes. */
  get heldBytes(): number {
    return (this.#endSegment - this.#firstSegment) * this.segmentBytes;
  }

  /** Which segment holds `offset`. */
  segmentOf(offset: number): number {
    return Math.floor(offset / this.segmentBytes);
  }

  /** The buffer of a segment, in the ring or kept aside; undefined if it is gone. */
  buffer(segment: number): Uint8Array | undefined {
    if (segment >= this.#endSegment) return undefined;
    if (segment < this.#firstSegment) return this.#kept.get(segment)?.buffer;
    return this.#slots[segment % this.#maxSegments];
  }

  /** A watcher that needed a segment kept aside does not any more. */
  drop(segment: number): void {
    const kept = this.#kept.get(segment);
    if (kept === undefined || --kept.holders > 0) return;
    this.#kept.delete(segment);
    this.#budget.give(this.segmentBytes);
  }

  /** Adds bytes at the head (copying them), and drops the oldest where the capacity demands it. */
  append(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const segment = this.segmentOf(this.#head);
      if (segment === this.#endSegment) this.#advance();
      const at = this.#head - segment * this.segmentBytes;
      const count = Math.min(bytes.length - from, this.segmentBytes - at);
      const whole = from === 0 && count === bytes.length;
      this.#slots[segment % this.#maxSegments].set(whole ? bytes : bytes.subarray(from, from + count), at);
      from += count;
      this.#head += count;
    }
  }

  /**
   * Adds bytes at the head that `receive` writes into the ring itself, at most to the end of a segment. Gives them as they
   * lie there.
   */
  fill(receive: Receive): Uint8Array {
    const segment = this.segmentOf(this.#head);
    if (segment === this.#endSegment) this.#advance();
    const buffer = this.#slots[segment % this.#maxSegments];
    const at = this.#head - segment * this.segmentBytes;
    const count = receive(buffer, at, this.segmentBytes - at);
    this.#head += count;
    return buffer.subarray(at, at + count);
  }

  /** Gives all memory back. The ring must not be used afterwards. */
  release(): void {
    this.#budget.give(this.heldBytes + this.keptBytes);
    for (const buffer of this.#slots) giveBack(buffer);
    this.#slots.length = 0;
    this.#kept.clear();
    this.#firstSegment = this.#endSegment;
    this.#tail = this.#head;
  }

  /**
   * Gives back the segments before `offset`, but for the one that holds the newest byte. Of a ring with many, one is left to be used
   * again: fresh memory costs more than that.
   */
  trim(offset: number): void {
    const needed = Math.min(this.segmentOf(offset), this.#endSegment - 1);
    const spare = this.#endSegment - needed >= spareFromSegments ? 1 : 0;
    this.#neededSegment = needed;
    while (this.#firstSegment < needed - spare) {
      const buffer = this.#evict();
      if (buffer === undefined) continue;
      giveBack(buffer);
      this.#budget.give(this.segmentBytes);
    }
  }

  #advance(): void {
    const held = this.#endSegment - this.#firstSegment;
    const isFull =
      held === this.#maxSegments ||
      this.#firstSegment < this.#neededSegment ||
      !this.#budget.take(this.segmentBytes);
    const buffer = isFull ? this.#evict() : undefined;
    if (isFull && buffer === undefined) this.#budget.charge(this.segmentBytes);
    this.#slots[this.#endSegment % this.#maxSegments] = buffer ?? new Uint8Array(this.segmentBytes);
    this.#endSegment++;
  }

  /** The oldest segment leaves the ring. Gives its buffer; undefined if it is kept aside. */
  #evict(): Uint8Array<ArrayBuffer> | undefined {
    const oldest = this.#firstSegment;
    const slot = oldest % this.#maxSegments;
    const holders = this.#evicting(oldest);
    const buffer = this.#slots[slot];
    this.#slots[slot] = noBytes;
    this.#firstSegment++;
    this.#tail = this.#firstSegment * this.segmentBytes;
    if (holders === 0) return buffer;
    this.#kept.set(oldest, { buffer, holders });
    return undefined;
  }
}
