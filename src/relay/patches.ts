// Patches of one broadcast: bytes that stand in place of as many of the stream's own, for watchers that did not
// get it from its first byte (see `Sink.patch`). The ring keeps the stream's own bytes; a watcher that needs
// patches takes them from here when its cursor comes to one. They go when the ring's tail passes them. Who is still
// before one then keeps that one: there is no more than one in a unit.

/** `bytes` in place of those from `offset` up to `end`. */
export interface Patch {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** At most this many are remembered; with more, the oldest go. */
const maxPatches = 16_384;

export class Patches {
  #patches: Patch[] = [];
  /** Patches before this index are dropped already; the array is cut now and then. */
  #first = 0;
  #completeFrom = 0;

  /** From here on no patch was dropped other than by the tail. */
  get completeFrom(): number {
    return this.#completeFrom;
  }

  /** Adds one that lies behind all others. */
  add(offset: number, bytes: Uint8Array): void {
    this.#patches.push({ offset, end: offset + bytes.length, bytes });
    if (this.#patches.length - this.#first <= maxPatches) return;
    this.#completeFrom = this.#patches[this.#first].end;
    this.#drop(this.#first + 1);
  }

  /** The first that ends behind `offset`: `offset` is in it, or comes to it next. */
  next(offset: number): Patch | undefined {
    let low = this.#first;
    let high = this.#patches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#patches[middle].end > offset) high = middle;
      else low = middle + 1;
    }
    return this.#patches[low];
  }

  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void {
    let first = this.#first;
    while (first < this.#patches.length && this.#patches[first].end <= tail) first++;
    this.#drop(first);
  }

  #drop(first: number): void {
    this.#first = first;
    if (first * 2 <= this.#patches.length) return;
    this.#patches.splice(0, first);
    this.#first = 0;
  }
}
