// Sends pieces to the sockets of a test as the system would, and fails a test that breaks the rules of a batch.

import type { SendBatch } from "../../src/relay/sendbatch.ts";
import type { FakeOutlet } from "./outlet.ts";

interface Piece {
  readonly outlet: FakeOutlet;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
  /** Where the watcher was, and what the bytes were, when it was added. */
  readonly cursor: number;
  readonly content: Uint8Array;
}

const mostPieces = 3;

export class FakeBatch implements SendBatch {
  /** By their descriptors. */
  readonly #outlets: FakeOutlet[] = [];
  #pieces: Piece[] = [];
  #taken: number[] = [];
  /** How many pieces were sent. */
  sentPieces = 0;
  /** What was wrong with what was asked of it. */
  readonly problems: string[] = [];

  /** From now on `outlet` can be sent to. */
  open(outlet: FakeOutlet): void {
    outlet.descriptor = this.#outlets.push(outlet) - 1;
  }

  get isFull(): boolean {
    return this.size === mostPieces;
  }

  get size(): number {
    return this.#pieces.length;
  }

  add(descriptor: number, bytes: Uint8Array, offset: number, length: number): void {
    if (this.isFull) this.problems.push("it was full");
    const outlet = this.#outlets[descriptor];
    const content = bytes.slice(offset, offset + length);
    this.#pieces.push({ outlet, bytes, offset, length, cursor: outlet.watcher.cursor, content });
  }

  send(): void {
    this.#taken = this.#pieces.map((piece) => this.#send(piece));
    this.sentPieces += this.size;
    this.#pieces = [];
  }

  #send({ outlet, bytes, offset, length, cursor, content }: Piece): number {
    if (outlet.watcher.cursor !== cursor) this.problems.push("the watcher went on before it was sent");
    if (!Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).equals(content))
      this.problems.push("the bytes have changed before they were sent");
    try {
      return outlet.take(bytes, offset, length);
    } catch (error) {
      this.problems.push((error as Error).message);
      return -1;
    }
  }

  taken(index: number): number {
    return this.#taken[index];
  }
}
