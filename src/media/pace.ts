// Work in proportion to bytes: what costs as much as so many bytes of the stream (a header that is made for one join
// point, tables that are read anew) may be done once for as many bytes of it. In an ordinary encoder's stream there is
// always room; one that is made to cost much has fewer join points than it pretends.

import type { Header } from "./detector.ts";

/** What may be done at once, bytes: a stream begins with tables and headers. */
const burstBytes = 16 * 1024;

/** How much work of one kind a stream has paid for. */
export class Pace {
  #credit = 0;
  #offset = -1;

  /**
   * Whether work that is worth `bytes` bytes may be done at `offset`, an absolute one, and if so, counts it. What is asked
   * for first may.
   */
  allows(offset: number, bytes: number): boolean {
    if (this.#offset < 0) {
      this.#offset = offset;
      this.#credit = burstBytes + bytes;
    }
    const passed = Math.max(0, offset - this.#offset);
    this.#offset += passed;
    this.#credit = Math.min(this.#credit + passed, Math.max(burstBytes, bytes));
    if (this.#credit < bytes) return false;
    this.#credit -= bytes;
    return true;
  }

  /** The same for a header: it is worth as much as it is long. */
  allowsHeader(offset: number, { bytes }: Header): boolean {
    // Of which a watcher is given one half: `start`, or `resume`.
    return this.allows(offset, bytes / 2);
  }
}
