// The unrepeatable headers (`Header.fixed`: a moov, an EBML head) that a broadcast has had, one after the other, to tell
// what a watcher at some offset was given. Only so many are kept.

import { noHeader } from "../media/detector.ts";

/** How many are kept, the newest. */
const maxFixed = 64;
/** In place of the fingerprint of one that is not known any more: like no other. */
const forgottenFixed = "?";

export class FixedHeaders {
  /** Each with the join point that it came into force at. */
  #marks: { readonly offset: number; readonly fixed: string }[] = [];
  #isForgotten = false;

  /** From the join point at `offset` on, the header has this fingerprint. */
  note(offset: number, fixed: string): void {
    if (fixed === (this.#marks.at(-1)?.fixed ?? noHeader.fixed)) return;
    this.#marks.push({ offset, fixed });
    if (this.#marks.length <= maxFixed) return;
    this.#marks.shift();
    this.#isForgotten = true;
  }

  /** That of a watcher at `offset`; before the first join point that of the first one, `newest` while there is none. */
  at(offset: number, newest: string): string {
    const mark = this.#marks.findLast((mark) => mark.offset <= offset);
    if (mark === undefined && this.#isForgotten) return forgottenFixed;
    return (mark ?? this.#marks.at(0))?.fixed ?? newest;
  }
}
