// When each byte of a channel came, to some 50 ms: for rewinds, and to tell how far behind a watcher is.

import { type Mark, Marks } from "./marks.ts";

interface TimeMark extends Mark {
  readonly ms: number;
}

/** How many times are remembered for a backlog, and how close they may be. */
const maxTimes = 2048;
const stepMs = 50;

export class Timeline {
  readonly #marks = new Marks<TimeMark>(maxTimes);
  #newestMs = 0;

  /** When the newest byte came, or the newest broadcast began. */
  get newestMs(): number {
    return this.#newestMs;
  }

  /** At `nowMs` the head was at `head`. */
  note(head: number, nowMs: number): void {
    this.#newestMs = nowMs;
    const newest = this.#marks.newest;
    if (newest === undefined || nowMs - newest.ms >= stepMs) this.#marks.push({ offset: head, ms: nowMs });
  }

  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void {
    this.#marks.dropBefore(tail);
  }

  /** Where the head was at that time; 0 where that is further back than anything remembered. */
  offsetAt(ms: number): number {
    return this.#marks.lastWhere((mark) => mark.ms <= ms)?.offset ?? 0;
  }

  /**
   * How far one that has got all bytes before `offset`, and no more, is behind the newest byte: the time between the byte at
   * `offset` and that one. Milliseconds; up to `stepMs` too few.
   */
  lagAt(offset: number): number {
    const mark = this.#marks.atOrAfter(offset + 1);
    return mark === undefined ? 0 : this.#newestMs - mark.ms;
  }

  /** How long before the newest byte the byte at `offset` came, milliseconds. */
  ageOf(offset: number): number {
    const mark = this.#marks.atOrBefore(offset) ?? this.#marks.oldest;
    return mark === undefined ? 0 : Math.max(0, this.#newestMs - mark.ms);
  }
}
