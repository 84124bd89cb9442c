// A bounded list of marks on a stream, in the order of their offsets: join points, unit ends, times. When it is
// full, marks that lie closer together than a growing distance are thinned out, so that it still spans the whole
// backlog evenly, only more coarsely. The newest always stays.

export interface Mark {
  readonly offset: number;
}

export class Marks<T extends Mark> {
  readonly #limit: number;
  #marks: T[] = [];
  /** Marks before this index are dropped already; the array is cut now and then. */
  #first = 0;
  /** The least distance between marks, other than from the newest to the one before it. */
  #spacing = 0;

  /** Keeps at most `limit` marks. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get newest(): T | undefined {
    return this.#first < this.#marks.length ? this.#marks[this.#marks.length - 1] : undefined;
  }

  get oldest(): T | undefined {
    return this.#marks[this.#first];
  }

  /** Adds a mark; one that does not lie behind the newest is ignored. */
  push(mark: T): void {
    const last = this.#marks.length - 1;
    if (last < this.#first) {
      this.#marks.push(mark);
      return;
    }
    const newest = this.#marks[last];
    if (mark.offset <= newest.offset) return;
    const crowded = last > this.#first && newest.offset - this.#marks[last - 1].offset < this.#spacing;
    if (crowded) this.#marks[last] = mark;
    else this.#marks.push(mark);
    if (this.#marks.length - this.#first > this.#limit) this.#thin();
  }

  /** Forgets the marks before `offset`. */
  dropBefore(offset: number): void {
    while (this.#first < this.#marks.length && this.#marks[this.#first].offset < offset) this.#first++;
    if (this.#first <= this.#limit) return;
    this.#cut();
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
    const index = this.#firstWhere((mark) => !holds(mark)) - 1;
    return index >= this.#first ? this.#marks[index] : undefined;
  }

  #firstWhere(holds: (mark: T) => boolean): number {
    let low = this.#first;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.#marks[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #thin(): void {
    this.#cut();
    const [oldest] = this.#marks;
    const newest = this.#marks[this.#marks.length - 1];
    this.#spacing = (2 * (newest.offset - oldest.offset)) / this.#limit;
    let kept = oldest;
    this.#marks = this.#marks.filter((mark) => {
      const keep = mark === oldest || mark === newest || mark.offset - kept.offset >= this.#spacing;
      if (keep) kept = mark;
      return keep;
    });
  }

  #cut(): void {
    this.#marks.splice(0, this.#first);
    this.#first = 0;
  }
}
