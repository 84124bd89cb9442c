// How many unsent bytes the kernel may hold for a socket: few, since a peer that takes nothing has them filled; many for a
// peer that empties them quickly, since it could go faster; few again once they were not full for a while.

/** The bounds between which it grows by steps, bytes that are not even on their way (TCP_NOTSENT_LOWAT). */
export const leastUnsentBytes = 128 * 1024;
export const mostUnsentBytes = 2 * 1024 * 1024;
const growthFactor = 4;
/** A peer that has emptied a full buffer within this time is a fast one, milliseconds. */
const quickMs = 20;
/** A buffer that was not full for so long shrinks, milliseconds. */
export const calmMs = 5000;

export interface BoundSocket {
  /** Has the kernel take no more than so many unsent bytes. */
  boundUnsent(bytes: number): void;
}

/** The send buffer of one socket. Times are milliseconds of one clock. */
export class SendBuffer {
  readonly #socket: BoundSocket;
  #unsentBytes = leastUnsentBytes;
  #fullMs = 0;

  /** The socket is bound at once, and for each change. */
  constructor(socket: BoundSocket) {
    this.#socket = socket;
    socket.boundUnsent(leastUnsentBytes);
  }

  /** It took less than was written. */
  full(nowMs: number): void {
    this.#fullMs = nowMs;
  }

  /** It was full and has room. True if it has grown: `calm` is then to be called now and again. */
  drained(nowMs: number): boolean {
    const grows = nowMs - this.#fullMs < quickMs && this.#unsentBytes < mostUnsentBytes;
    if (grows) this.#set(this.#unsentBytes * growthFactor);
    return grows;
  }

  /** Whether it was full once, and not since that time. */
  isStuckSince(ms: number): boolean {
    return this.#fullMs > 0 && this.#fullMs <= ms;
  }

  /** Shrinks if it was not full lately. True if it is as small as it gets. */
  calm(nowMs: number): boolean {
    if (nowMs - this.#fullMs < calmMs) return false;
    this.#set(leastUnsentBytes);
    return true;
  }

  #set(bytes: number): void {
    this.#unsentBytes = bytes;
    this.#socket.boundUnsent(bytes);
  }
}
