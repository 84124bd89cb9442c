// Patches of one broadcast: bytes that stand in place of as many of the stream's own, for watchers that did not
// get it from its first byte (see `Sink.patch`). The ring keeps the stream's own bytes; a watcher that needs
// patches takes them from here when its cursor comes to one. They go when the ring's tail passes them. A watcher that is
// still before one then keeps that one: there is no more than one in a unit.

/** `bytes` in place of those from `offset` up to `end`. */
export interface Patch {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** At most so many are remembered, and so many bytes in all; with more, the oldest go. */
const maxPatches = 16_384;
const maxPatchBytes = 4 * 1024 * 1024;
/** What a patch takes beside its bytes. */
const patchBytes = 128;

const noBytes = new Uint8Array(0);

export class Patches {
  #patches: Patch[] = [];
  /** Patches before this index are dropped already; the array is cut now and then. */
  #first = 0;
  #bytes = 0;
  #completeFrom = 0;

  /** From here on no patch was dropped other than by the tail. */
  get completeFrom(): number {
    return this.#completeFrom;
  }

  /** Bytes of memory that they take. */
  get heldBytes(): number {
    return this.#bytes + this.#patches.length * patchBytes;
  }

  /** Adds one that lies behind all others. */
  add(offset: number, bytes: Uint8Array): void {
    this.#patches.push({ offset, end: offset + bytes.length, bytes });
    this.#bytes += bytes.length;
    let first = this.#first;
    while (this.#patches.length - first > maxPatches || this.#bytes > maxPatchBytes) {
      this.#completeFrom = this.#patches[first].end;
      this.#void(first++);
    }
    this.#drop(first);
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
    while (first < this.#patches.length && this.#patches[first].end <= tail) this.#void(first++);
    this.#drop(first);
  }

  /** Releases the bytes of one that is dropped, which may stay in the list for a while. */
  #void(index: number): void {
    const { offset, end, bytes } = this.#patches[index];
    this.#bytes -= bytes.length;
    this.#patches[index] = { offset, end, bytes: noBytes };
  }

  #drop(first: number): void {
    this.#first = first;
    if (first * 2 <= this.#patches.length) return;
    this.#patches.splice(0, first);
    this.#first = 0;
  }
}
