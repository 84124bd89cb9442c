// What a watcher is sent before the bytes of the ring at its cursor: a greeting, a container's header, what leads from one
// broadcast to the next. It is part of the watcher's position: when it is placed elsewhere before it took all of it, what is
// half sent is finished first, and nothing that is owed is left out. A header for a place where it does not go is.

import type { SharedBuffers } from "./sharedbuffers.ts";

interface Part {
  readonly bytes: Uint8Array;
  /** Whether it has to be sent even if the watcher is placed elsewhere meanwhile. */
  readonly isOwed: boolean;
}

export class Prefix {
  readonly #buffers: SharedBuffers;
  #parts: Part[] = [];
  /** How much of the first part is sent. */
  #sent = 0;

  constructor(buffers: SharedBuffers) {
    this.#buffers = buffers;
  }

  /** Bytes that are yet to be sent. */
  get bytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes.length, -this.#sent);
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** The buffer that is next; there must be one. */
  get next(): Uint8Array {
    return this.#parts[0].bytes;
  }

  /** How much of `next` is sent already. */
  get nextFrom(): number {
    return this.#sent;
  }

  add(buffers: readonly Uint8Array[], isOwed: boolean): void {
    for (const bytes of buffers) {
      if (bytes.length === 0) continue;
      this.#buffers.add(bytes);
      this.#parts.push({ bytes, isOwed });
    }
  }

  /** So many bytes of `next` more are sent. */
  take(bytes: number): void {
    this.#sent += bytes;
    const { next } = this;
    if (this.#sent < next.length) return;
    this.#parts.shift();
    this.#sent = 0;
    this.#buffers.drop(next);
  }

  /** The watcher does not go on at the cursor: leaves out what is neither half sent nor owed. */
  dropHeader(): void {
    this.#keep((part, i) => part.isOwed || (i === 0 && this.#sent > 0));
  }

  /** The watcher is gone. */
  release(): void {
    this.#keep(() => false);
    this.#sent = 0;
  }

  #keep(isKept: (part: Part, i: number) => boolean): void {
    const parts = this.#parts;
    this.#parts = parts.filter(isKept);
    for (const [i, part] of parts.entries()) if (!isKept(part, i)) this.#buffers.drop(part.bytes);
  }
}
