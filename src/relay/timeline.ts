// When each byte of a channel came, to some 50 ms: for rewinds, and to tell how far behind a watcher is.

import { Marks } from "./marks.ts";

/** How many times are remembered for a backlog, and how close they may be. */
const maxTimes = 2048;
const stepMs = 50;

export class Timeline {
  /** When the head was where, milliseconds. */
  readonly #marks = new Marks<number>(maxTimes);
  #newestMs = 0;

  /** When the newest byte came, or the newest broadcast began. */
  get newestMs(): number {
    return this.#newestMs;
  }

  /** At `nowMs` the head was at `head`. */
  note(head: number, nowMs: number): void {
    this.#newestMs = nowMs;
    const newest = this.#marks.newest;
    if (newest === undefined || nowMs - newest >= stepMs) this.#marks.push(head, nowMs);
  }

  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void {
    this.#marks.dropBefore(tail);
  }

  /** Where the head was at that time; 0 where that is further back than anything remembered. */
  offsetAt(ms: number): number {
    return this.#marks.offset(this.#marks.lastIndexWhere((markMs) => markMs <= ms)) ?? 0;
  }

  /**
   * How far one that has got all bytes before `offset`, and no more, is behind the newest byte: the time between the byte at
   * `offset` and that one. Milliseconds; up to `stepMs` too few.
   */
  lagAt(offset: number): number {
    const ms = this.#marks.value(this.#marks.indexAtOrAfter(offset + 1));
    return ms === undefined ? 0 : this.#newestMs - ms;
  }

  /** How long before the newest byte the byte at `offset` came, milliseconds. */
  ageOf(offset: number): number {
    const ms = this.#marks.value(this.#marks.indexAtOrBefore(offset)) ?? this.#marks.oldest;
    return ms === undefined ? 0 : Math.max(0, this.#newestMs - ms);
  }
}
