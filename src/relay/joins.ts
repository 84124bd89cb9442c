// The join points of one broadcast that can still be reached, and the memory that their headers take: many join points
// may share a header, which is counted once, from the first of them until the last is dropped.

import { type Header, noHeader } from "../media/detector.ts";
import { Marks } from "./marks.ts";

/** A place where a watcher can start, and what it needs before it. */
export interface Join {
  readonly offset: number;
  readonly header: Header;
}

/** At most so many are remembered; with more, those closest together are forgotten. */
const maxJoins = 2048;
/** Headers take at most so much, but for the newest alone: with more, the oldest join points go. Bytes. */
const maxHeaderBytes = 4 * 1024 * 1024;
/** What a join point takes beside its header, bytes. */
const joinBytes = 64;

/** A header, and how many join points have it. */
interface Use {
  readonly header: Header;
  joins: number;
}

interface KeptJoin extends Join {
  readonly use: Use;
}

export class Joins {
  readonly #marks = new Marks<KeptJoin>(maxJoins, ({ use }) => this.#drop(use));
  /** Of the newest header: join points with the same one follow each other. */
  #use: Use = { header: noHeader, joins: 0 };
  #headerBytes = 0;
  /** Stays even when it has been forgotten, then without its header, to tell how far back it lies. */
  #newest: Join | undefined;
  #distances: readonly [number, number] = [0, 0];

  /** The newest there has been. */
  get newest(): Join | undefined {
    return this.#newest;
  }

  /** The larger of the last two distances from one to the next, bytes. */
  get distance(): number {
    return Math.max(...this.#distances);
  }

  /** Bytes of memory that they take. */
  get heldBytes(): number {
    return this.#headerBytes + this.#marks.size * joinBytes;
  }

  push({ offset, header }: Join): void {
    if (this.#newest !== undefined) this.#distances = [this.#distances[1], offset - this.#newest.offset];
    if (header !== this.#use.header) this.#use = { header, joins: 0 };
    const join: KeptJoin = { offset, header, use: this.#use };
    // Counted first: to make room may drop the one before, which has perhaps the same header.
    if (++this.#use.joins === 1) this.#headerBytes += header.bytes;
    if (this.#marks.push(offset, join)) this.#newest = join;
    else this.#drop(this.#use);
    while (this.#headerBytes > maxHeaderBytes && this.#marks.size > 1) {
      this.#marks.dropBefore((this.#marks.oldestOffset ?? 0) + 1);
    }
  }

  /** The first at or after `offset`. */
  atOrAfter(offset: number): Join | undefined {
    return this.#marks.value(this.#marks.indexAtOrAfter(offset));
  }

  /** The last at or before `offset`. */
  atOrBefore(offset: number): Join | undefined {
    return this.#marks.value(this.#marks.indexAtOrBefore(offset));
  }

  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void {
    this.#marks.dropBefore(tail);
    if (this.#newest !== undefined && this.#newest.offset < tail) {
      this.#newest = { offset: this.#newest.offset, header: noHeader };
    }
  }

  #drop(use: Use): void {
    if (--use.joins === 0) this.#headerBytes -= use.header.bytes;
  }
}
