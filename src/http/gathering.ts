// Bytes of a stream that lie in one buffer with something between them, the data of chunks or of frames, are handed over in few
// pieces: each piece that is handed over costs something. Small ones are moved together in place. Linear in the bytes.

/** Pieces below this size are moved together, bytes. */
const smallBytes = 2048;

const nothing = new Uint8Array(0);

export class Gathering {
  /** What is to be handed over is in the buffer, from `#from` to `#to`. */
  #bytes: Uint8Array = nothing;
  #from = 0;
  #to = 0;

  /** `count` bytes are at `at` of the buffer: puts them behind those that are to be handed over, or hands those over first. */
  add(bytes: Uint8Array, at: number, count: number, take: (bytes: Uint8Array) => void): void {
    const have = this.#to - this.#from;
    if (have > 0 && (have < smallBytes || count < smallBytes)) {
      bytes.copyWithin(this.#to, at, at + count);
      this.#to += count;
      return;
    }
    this.handOver(take);
    this.#bytes = bytes;
    this.#from = at;
    this.#to = at + count;
  }

  /** To be called before something else is reported, and before the buffer is another. */
  handOver(take: (bytes: Uint8Array) => void): void {
    if (this.#to === this.#from) return;
    const gathered = this.#bytes.subarray(this.#from, this.#to);
    this.#bytes = nothing;
    this.#from = 0;
    this.#to = 0;
    take(gathered);
  }
}
