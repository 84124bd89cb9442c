// Pieces for many watchers that are sent with one call, in place of a write for each: beside what the kernel does for a small piece, a
// call of its own costs as much as all else that is done for it.

export interface SendBatch {
  /** Whether it holds as many pieces as it can. */
  readonly isFull: boolean;
  /** How many it holds. */
  readonly size: number;
  /** Adds `length` bytes of `bytes` from `offset` on, for the socket with that descriptor. `bytes` must stay as they are until `send`. */
  add(descriptor: number, bytes: Uint8Array, offset: number, length: number): void;
  /** Sends all that it holds, and holds nothing then. */
  send(): void;
  /** How many bytes the socket of a piece of the last `send` took, by the order in which they were added; negative: none. */
  taken(index: number): number;
}
