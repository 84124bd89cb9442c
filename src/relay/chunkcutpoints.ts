// Cut points of a broadcast with `bufsize`: chunks of one size, counted from its first byte. They are computed; bytes are
// not looked at.

import { noHeader } from "../media/detector.ts";
import { type CutPoints, unknownInfo } from "./cutpoints.ts";
import type { Join } from "./joins.ts";
import { Patches } from "./patches.ts";

export class ChunkCutPoints implements CutPoints {
  readonly kind = "chunks";
  readonly isUnknown = false;
  readonly info = unknownInfo;
  readonly header = noHeader;
  readonly container = "";
  readonly patches = new Patches();
  readonly unpatchedFrom = Number.POSITIVE_INFINITY;
  readonly heldBytes = 0;
  readonly joinDistance: number;
  readonly firstJoin: number;
  readonly #start: number;
  readonly #size: number;

  /** Chunks of `size` bytes from the offset `start` on. */
  constructor(start: number, size: number) {
    this.firstJoin = start;
    this.#start = start;
    this.#size = size;
    this.joinDistance = size;
  }

  /** A chunk whose first byte has come: behind a whole chunk there is nothing to begin with yet. */
  newestJoin(head: number): Join | undefined {
    return head > this.#start ? this.joinAtOrBefore(head - 1) : undefined;
  }

  joinAtOrAfter(offset: number): Join {
    return this.#join(Math.ceil((offset - this.#start) / this.#size));
  }

  joinAtOrBefore(offset: number): Join {
    return this.#join(Math.floor((offset - this.#start) / this.#size));
  }

  unitEnd(offset: number): number {
    return this.joinAtOrAfter(offset).offset;
  }

  unitEndBefore(offset: number): number {
    return this.joinAtOrBefore(offset).offset;
  }

  #join(chunk: number): Join {
    return { offset: this.#start + chunk * this.#size, header: noHeader };
  }

  fixedAt(): string {
    return noHeader.fixed;
  }

  padding(): readonly Uint8Array[] {
    return [];
  }

  feed(): void {}

  forget(): void {}

  finishDetection(): void {}

  conclude(): void {}

  giveUp(): void {}
}
