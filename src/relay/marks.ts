// A bounded list of marks on a stream, in the order of their offsets: join points, unit ends, times. When it is
// full, marks that lie closer together than a growing distance are thinned out, so that it still spans the whole
// backlog evenly, only more coarsely. The newest always stays. A mark that is dropped is released at once, with all
// that it refers to.
//
// Offsets and values are in lists of their own: a server has thousands of marks for each channel, and numbers in a list take an
// eighth of what objects do.

/** Marks that each carry a value. */
export class Marks<V> {
  readonly #limit: number;
  readonly #dropped: ((value: V) => void) | undefined;
  readonly #offsets: number[] = [];
  readonly #values: V[] = [];
  /** The least distance between marks, other than from the newest to the one before it. */
  #spacing = 0;

  /** Keeps at most `limit` marks; `dropped` is called for the value of each that was added and is no more. */
  constructor(limit: number, dropped?: (value: V) => void) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  get size(): number {
    return this.#offsets.length;
  }

  /** Of the newest; undefined if there is none. */
  get newestOffset(): number | undefined {
    return this.#offsets[this.#offsets.length - 1];
  }

  get newest(): V | undefined {
    return this.#values[this.#values.length - 1];
  }

  get oldestOffset(): number | undefined {
    return this.#offsets[0];
  }

  get oldest(): V | undefined {
    return this.#values[0];
  }

  /** The offset of mark `index`; undefined if there is none. */
  offset(index: number): number | undefined {
    return this.#offsets[index];
  }

  value(index: number): V | undefined {
    return this.#values[index];
  }

  /** Adds a mark, and returns whether it did: one that does not lie behind the newest is ignored. */
  push(offset: number, value: V): boolean {
    const last = this.#offsets.length - 1;
    const newest = this.#offsets[last];
    if (last >= 0 && offset <= newest) return false;
    if (last > 0 && newest - this.#offsets[last - 1] < this.#spacing) {
      const crowded = this.#values[last];
      this.#offsets[last] = offset;
      this.#values[last] = value;
      this.#dropped?.(crowded);
    } else {
      this.#offsets.push(offset);
      this.#values.push(value);
    }
    if (this.#offsets.length > this.#limit) this.#thin();
    return true;
  }

  /** Forgets the marks before `offset`. */
  dropBefore(offset: number): void {
    let count = 0;
    while (count < this.#offsets.length && this.#offsets[count] < offset) count++;
    if (count === 0) return;
    this.#offsets.splice(0, count);
    const gone = this.#values.splice(0, count);
    if (this.#dropped !== undefined) for (const value of gone) this.#dropped(value);
    // A slower stream, or a smaller ring, has room for closer marks again.
    if (this.#offsets.length < this.#limit / 4) this.#spacing /= 2;
  }

  /** Which is the first mark at or after `offset`; `size` if there is none. */
  indexAtOrAfter(offset: number): number {
    return this.#firstWhere((index) => this.#offsets[index] >= offset);
  }

  /** Which is the last mark at or before `offset`; -1 if there is none. */
  indexAtOrBefore(offset: number): number {
    return this.#firstWhere((index) => this.#offsets[index] > offset) - 1;
  }

  /** Which is the last mark whose value `holds`, which must hold for a beginning of the list and for none after that; or -1. */
  lastIndexWhere(holds: (value: V) => boolean): number {
    return this.#firstWhere((index) => !holds(this.#values[index])) - 1;
  }

  #firstWhere(holds: (index: number) => boolean): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** In place: an array that grows anew leaves its smaller ones behind. */
  #thin(): void {
    const offsets = this.#offsets;
    const values = this.#values;
    const last = offsets.length - 1;
    this.#spacing = (2 * (offsets[last] - offsets[0])) / this.#limit;
    let kept = 1;
    for (let index = 1; index <= last; index++) {
      const value = values[index];
      if (index === last || offsets[index] - offsets[kept - 1] >= this.#spacing) {
        offsets[kept] = offsets[index];
        values[kept++] = value;
      } else this.#dropped?.(value);
    }
    offsets.length = kept;
    values.length = kept;
  }
}
