// The buffers that watchers of one channel have yet to be sent beside bytes of the ring: headers, what leads from one
// broadcast to the next, patches. They are shared, and stay in memory for as long as one watcher has not taken them, so that
// watchers that take nothing would keep header after header: each is counted once.

/** Smaller ones are part of what any watcher takes. Bytes. */
const leastBytes = 16 * 1024;

export class SharedBuffers {
  /** By how many watchers each is waited for. */
  readonly #uses = new Map<ArrayBufferLike, { count: number; readonly bytes: number }>();
  #heldBytes = 0;

  /** Bytes of memory that they take. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A watcher has yet to be sent this. */
  add({ buffer }: Uint8Array): void {
    if (buffer.byteLength < leastBytes) return;
    const use = this.#uses.get(buffer);
    if (use !== undefined) use.count++;
    else {
      this.#uses.set(buffer, { count: 1, bytes: buffer.byteLength });
      this.#heldBytes += buffer.byteLength;
    }
  }

  /** It has been sent it, or will not be any more. */
  drop({ buffer }: Uint8Array): void {
    const use = this.#uses.get(buffer);
    if (use === undefined || --use.count > 0) return;
    this.#uses.delete(buffer);
    this.#heldBytes -= use.bytes;
  }
}
