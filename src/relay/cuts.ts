// Where one broadcast can be cut: the join points at which a watcher can start, and the unit ends at which it can
// leave off. There are three kinds of streams: of a known container (marks that its detector found), of chunks
// (`bufsize`: computed), and opaque ones (anywhere). While the sniffer still looks, a stream is of no kind yet.

import { type Header, noHeader, type StreamInfo } from "../media/detector.ts";
import { sameBytes } from "../media/gather.ts";
import { Sniffer } from "../media/sniffer.ts";
import { type Mark, Marks } from "./marks.ts";
import { Patches } from "./patches.ts";

/** A place where a watcher can start, and what it needs before it. */
export interface Join extends Mark {
  readonly header: Header;
}

export interface Cuts {
  /** "sniffing": it is not known yet; then there are neither join points nor unit ends. */
  readonly kind: "sniffing" | "marked" | "chunks" | "opaque";
  readonly info: StreamInfo;
  /** The header in force now. */
  readonly header: Header;
  /** The container's name; empty while or where there is none. */
  readonly container: string;
  /** `Header.fixed` of the header that a watcher at `offset` has been given, by a joiner's header or in the stream. */
  fixedAt(offset: number): Uint8Array;
  /** For watchers that did not get the stream from its first byte; none ever where it is opaque or cut into chunks. */
  readonly patches: Patches;
  /** How far such watchers can be sent what was fed: from there on it is not known yet what is patched. */
  readonly unpatchedFrom: number;
  /** Takes the bytes that were just added to the ring at `offset`. */
  feed(bytes: Uint8Array, offset: number): void;
  /** The newest join point at or before `head`, whether the ring still has it or not. */
  newestJoin(head: number): Join | undefined;
  /** How far apart join points lie, as far as is known: the larger of the last two distances. Bytes. */
  readonly joinDistance: number;
  /** The first join point at or after `offset`, as far as is known. */
  joinAtOrAfter(offset: number): Join | undefined;
  /** The last join point at or before `offset`. */
  joinAtOrBefore(offset: number): Join | undefined;
  /** The first unit end at or after `offset`, as far as is known. */
  unitEnd(offset: number): number | undefined;
  /** The last unit end at or before `offset`, as far as is known. */
  unitEndBefore(offset: number): number | undefined;
  /**
   * What has to follow for a watcher at `offset` whose stream goes on with another broadcast: see `Detector.closing`. Empty
   * for one who left off before the end.
   */
  closing(offset: number): Uint8Array;
  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void;
  /** No more bytes will come: what is not known by now is opaque. */
  settle(): void;
}

const unknownInfo: StreamInfo = {
  container: "unknown",
  mediaType: "application/octet-stream",
  codecs: [],
  damaged: 0,
};

/** Chunks of `size` bytes, counted from `start`. Bytes are not looked at. */
export class ChunkCuts implements Cuts {
  readonly kind = "chunks";
  readonly info = unknownInfo;
  readonly header = noHeader;
  readonly container = "";
  readonly patches = new Patches();
  readonly unpatchedFrom = Number.POSITIVE_INFINITY;
  readonly joinDistance: number;
  readonly #start: number;
  readonly #size: number;

  constructor(start: number, size: number) {
    this.#start = start;
    this.#size = size;
    this.joinDistance = size;
  }

  fixedAt(): Uint8Array {
    return noHeader.fixed;
  }

  feed(): void {}

  newestJoin(head: number): Join {
    return this.joinAtOrBefore(head);
  }

  joinAtOrAfter(offset: number): Join {
    return {
      offset: this.#start + Math.ceil((offset - this.#start) / this.#size) * this.#size,
      header: noHeader,
    };
  }

  joinAtOrBefore(offset: number): Join {
    return {
      offset: this.#start + Math.floor((offset - this.#start) / this.#size) * this.#size,
      header: noHeader,
    };
  }

  unitEnd(offset: number): number {
    return this.joinAtOrAfter(offset).offset;
  }

  unitEndBefore(offset: number): number {
    return this.joinAtOrBefore(offset).offset;
  }

  closing(): Uint8Array {
    return noHeader.resume;
  }

  forget(): void {}

  settle(): void {}
}

/** At most this many are remembered of each; with more, those closest together are forgotten. */
const maxJoins = 2048;
const maxUnits = 16_384;
/** Unrepeatable headers are remembered up to so many bytes, and the newest in any case. */
const maxFixedBytes = 1024 * 1024;
/** A header larger than that, start and resume together, is kept for the newest join point alone if the next has another. */
const maxKeptHeaderBytes = 8192;

/** Whatever the sniffer makes of the bytes: a container's marks, or opaque. */
export class SniffedCuts implements Cuts {
  readonly patches = new Patches();
  readonly #joins = new Marks<Join>(maxJoins);
  readonly #units = new Marks<Mark>(maxUnits);
  /** Stays even when it has left the ring, to tell how far back it lies. */
  #newest: Join | undefined;
  #header: Header = noHeader;
  /** The unrepeatable headers there have been, each with the join point that it came into force at. */
  #fixed: (Mark & { readonly fixed: Uint8Array })[] = [];
  #end = 0;
  #distances: readonly [number, number] = [0, 0];
  readonly #sniffer = new Sniffer({
    header: (header) => {
      this.#header = header;
    },
    join: (offset, within = false) => {
      const before = this.#newest;
      this.#newest = { offset, header: this.#header };
      if (before !== undefined) this.#distances = [this.#distances[1], offset - before.offset];
      // Where each join has a header of its own, only small ones are kept for long.
      const heavy = this.#header.start.length + this.#header.resume.length > maxKeptHeaderBytes;
      if (heavy && before?.header !== this.#header) this.#joins.dropBefore(offset);
      this.#joins.push(this.#newest);
      const { fixed } = this.#header;
      if (!sameBytes(fixed, this.#fixed.at(-1)?.fixed ?? noHeader.fixed)) this.#pushFixed(offset, fixed);
      if (!within) this.#units.push({ offset });
    },
    unit: (offset) => this.#units.push({ offset }),
    patch: (offset, bytes) => this.patches.add(offset, bytes),
  });

  get kind(): "sniffing" | "marked" | "opaque" {
    const { state } = this.#sniffer;
    return state === "known" ? "marked" : state;
  }

  get info(): StreamInfo {
    return this.#sniffer.info;
  }

  get header(): Header {
    return this.kind === "marked" ? this.#header : noHeader;
  }

  get container(): string {
    return this.kind === "marked" ? this.info.container : "";
  }

  fixedAt(offset: number): Uint8Array {
    const mark = this.#fixed.findLast((mark) => mark.offset <= offset) ?? this.#fixed.at(0);
    return mark?.fixed ?? this.header.fixed;
  }

  get unpatchedFrom(): number {
    return this.#sniffer.unpatchedFrom;
  }

  get joinDistance(): number {
    return Math.max(...this.#distances);
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#end = offset + bytes.length;
    if (this.#sniffer.state !== "opaque") this.#sniffer.feed(bytes, offset);
  }

  newestJoin(head: number): Join | undefined {
    return this.kind === "opaque" ? { offset: head, header: noHeader } : this.#newest;
  }

  joinAtOrAfter(offset: number): Join | undefined {
    return this.kind === "opaque" ? { offset, header: noHeader } : this.#joins.atOrAfter(offset);
  }

  joinAtOrBefore(offset: number): Join | undefined {
    return this.kind === "opaque" ? { offset, header: noHeader } : this.#joins.atOrBefore(offset);
  }

  unitEnd(offset: number): number | undefined {
    return this.kind === "opaque" ? offset : this.#units.atOrAfter(offset)?.offset;
  }

  unitEndBefore(offset: number): number | undefined {
    return this.kind === "opaque" ? offset : this.#units.atOrBefore(offset)?.offset;
  }

  closing(offset: number): Uint8Array {
    return offset === this.#end ? this.#sniffer.closing() : noHeader.resume;
  }

  forget(tail: number): void {
    this.#joins.dropBefore(tail);
    this.#units.dropBefore(tail);
    this.patches.forget(tail);
  }

  #pushFixed(offset: number, fixed: Uint8Array): void {
    this.#fixed.push({ offset, fixed });
    const bytes = () => this.#fixed.reduce((sum, mark) => sum + mark.fixed.length, 0);
    while (this.#fixed.length > 1 && bytes() > maxFixedBytes) this.#fixed.shift();
  }

  settle(): void {
    this.#sniffer.settle();
  }
}
