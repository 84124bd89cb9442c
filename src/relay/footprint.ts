// The memory that a channel takes beside its ring: what is kept of its broadcasts, and what its watchers have yet to be sent
// that is not in the ring. It is charged to the budget that all channels share. Where there is no room, watchers that take
// nothing and have a long header kept for them are ended, and then the stream is followed no longer.

import type { Audience } from "./audience.ts";
import { type Budget, Share } from "./memorybudget.ts";
import type { Stream } from "./stream.ts";

export class Footprint {
  readonly #stream: Stream;
  readonly #audience: Audience;
  readonly #share: Share;
  readonly #opaque: (reason: string) => void;

  /** `opaque`: the stream is followed no longer. */
  constructor(budget: Budget, stream: Stream, audience: Audience, opaque: (reason: string) => void) {
    this.#share = new Share(budget);
    this.#stream = stream;
    this.#audience = audience;
    this.#opaque = opaque;
  }

  /** Counts anew, and has it be no more than it may. */
  update(): void {
    const { broadcast } = this.#stream;
    this.#stream.forget();
    if (!this.#share.fits(this.#bytes)) this.#audience.endHolders();
    const kind = broadcast?.cutPoints.kind;
    if ((kind === "marked" || kind === "sniffing") && !this.#share.fits(this.#bytes)) {
      broadcast?.cutPoints.giveUp();
      this.#opaque("it needs too much memory to follow");
    }
    this.#share.set(this.#bytes);
  }

  /** All is given back. */
  clear(): void {
    this.#share.set(0);
  }

  get #bytes(): number {
    return this.#audience.buffers.heldBytes + this.#stream.heldBytes;
  }
}
