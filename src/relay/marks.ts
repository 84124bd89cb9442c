// A bounded list of marks on a stream, in the order of their offsets: join points, unit ends, times. When it is
// full, marks that lie closer together than a growing distance are thinned out, so that it still spans the whole
// backlog evenly, only more coarsely. The newest always stays. A mark that is dropped is released at once, with all
// that it refers to.

export interface Mark {
  readonly offset: number;
}

export class Marks<T extends Mark> {
  readonly #limit: number;
  readonly #dropped: ((mark: T) => void) | undefined;
  #marks: T[] = [];
  /** The least distance between marks, other than from the newest to the one before it. */
  #spacing = 0;

  /** Keeps at most `limit` marks; `dropped` is called for each mark that was added and is no more. */
  constructor(limit: number, dropped?: (mark: T) => void) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  get size(): number {
    return this.#marks.length;
  }

  get newest(): T | undefined {
    return this.#marks[this.#marks.length - 1];
  }

  get oldest(): T | undefined {
    return this.#marks[0];
  }

  /** Adds a mark, and returns whether it did: one that does not lie behind the newest is ignored. */
  push(mark: T): boolean {
    const last = this.#marks.length - 1;
    if (last < 0) {
      this.#marks.push(mark);
      return true;
    }
    const newest = this.#marks[last];
    if (mark.offset <= newest.offset) return false;
    const crowded = last > 0 && newest.offset - this.#marks[last - 1].offset < this.#spacing;
    if (crowded) {
      this.#marks[last] = mark;
      this.#dropped?.(newest);
    } else this.#marks.push(mark);
    if (this.#marks.length > this.#limit) this.#thin();
    return true;
  }

  /** Forgets the marks before `offset`. */
  dropBefore(offset: number): void {
    let count = 0;
    while (count < this.#marks.length && this.#marks[count].offset < offset) count++;
    if (count === 0) return;
    const gone = this.#marks.splice(0, count);
    if (this.#dropped !== undefined) for (const mark of gone) this.#dropped(mark);
    // A slower stream, or a smaller ring, has room for closer marks again.
    if (this.#marks.length < this.#limit / 4) this.#spacing /= 2;
  }

  /** The first mark at or after `offset`. */
  atOrAfter(offset: number): T | undefined {
    return this.#marks[this.#firstWhere((mark) => mark.offset >= offset)];
  }

  /** The last mark at or before `offset`. */
  atOrBefore(offset: number): T | undefined {
    return this.lastWhere((mark) => mark.offset <= offset);
  }

  /** The last mark for which `holds`, which must hold for a beginning of the list and for none after that. */
  lastWhere(holds: (mark: T) => boolean): T | undefined {
    return this.#marks[this.#firstWhere((mark) => !holds(mark)) - 1];
  }

  #firstWhere(holds: (mark: T) => boolean): number {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.#marks[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #thin(): void {
    const [oldest] = this.#marks;
    const newest = this.#marks[this.#marks.length - 1];
    this.#spacing = (2 * (newest.offset - oldest.offset)) / this.#limit;
    let kept = oldest;
    this.#marks = this.#marks.filter((mark) => {
      const keep = mark === oldest || mark === newest || mark.offset - kept.offset >= this.#spacing;
      if (keep) kept = mark;
      else this.#dropped?.(mark);
      return keep;
    });
  }
}
