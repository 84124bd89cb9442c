// Bytes of a connection that came before they can be taken, in one buffer: a socket that is paused has at most one read on its
// way, but over TLS that may be thousands of records. What is beyond `maxHeldBytes` is not kept, which is the end of its connection.

/** A read of a socket is at most half of it. */
export const maxHeldBytes = 1024 * 1024;

const nothing = new Uint8Array(0);

export class HeldBytes {
  #buffer: Uint8Array<ArrayBuffer> = nothing;
  #from = 0;
  #to = 0;

  get length(): number {
    return this.#to - this.#from;
  }

  /** Adds a copy of them. False: there is no room for so many. */
  add(bytes: Uint8Array): boolean {
    const length = this.length + bytes.length;
    if (length > maxHeldBytes) return false;
    if (this.#to + bytes.length > this.#buffer.length) {
      // Nearly always a read is all that there is to keep.
      const larger = new Uint8Array(Math.max(length, Math.min(maxHeldBytes, 2 * this.length)));
      larger.set(this.#buffer.subarray(this.#from, this.#to));
      this.#to = this.length;
      this.#from = 0;
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#to);
    this.#to += bytes.length;
    return true;
  }

  /** The first of them, at most so many: a view. */
  first(bytes = maxHeldBytes): Uint8Array {
    return this.#buffer.subarray(this.#from, Math.min(this.#to, this.#from + bytes));
  }

  /** The first `bytes` are not needed any more, nor any view of them. */
  drop(bytes: number): void {
    this.#from += bytes;
    if (bytes === 0 || this.#from < this.#to) return;
    const { buffer } = this.#buffer;
    this.clear();
    // Else it would wait for the garbage collector, and the next read has another.
    buffer.transfer(0);
  }

  clear(): void {
    this.#buffer = nothing;
    this.#from = 0;
    this.#to = 0;
  }
}
