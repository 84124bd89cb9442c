// Where one broadcast can be cut: the join points at which a watcher can start, and the unit ends at which it can
// leave off. There are three kinds of streams: of a known container (marks that its detector found), of chunks
// (`bufsize`: computed), and opaque ones (anywhere). While the sniffer still looks, a stream is of no kind yet.

import { lengthOf } from "../media/bytes.ts";
import { type Header, maxPaddingBytes, noHeader, type StreamInfo } from "../media/detector.ts";
import { Sniffer } from "../media/sniffer.ts";
import type { Clock } from "./clock.ts";
import { type Join, Joins } from "./joins.ts";
import { type Mark, Marks } from "./marks.ts";
import { Patches } from "./patches.ts";
import type { WorkTime } from "./worktime.ts";

export interface CutPoints {
  /** "sniffing": it is not known yet; then there are neither join points nor unit ends. */
  readonly kind: "sniffing" | "marked" | "chunks" | "opaque";
  readonly info: StreamInfo;
  /** The header in force now. */
  readonly header: Header;
  /** Whether it was over before it was known what it is. */
  readonly isUnknown: boolean;
  /** The container's name; empty while or where there is none. */
  readonly container: string;
  /** `Header.fixed` of the header that a watcher at `offset` has been given, by a joiner's header or in the stream. */
  fixedAt(offset: number): string;
  /** Bytes of memory that are kept of the stream beside the ring. */
  readonly heldBytes: number;
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
   * What has to follow for a watcher at `offset` whose stream goes on with another broadcast: see `Detector.padding`. Empty
   * for one who left off before the end.
   */
  padding(offset: number): readonly Uint8Array[];
  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void;
  /** No more bytes will come: what is not known by now is opaque. */
  finishDetection(): void;
  /** Nothing will follow: what is not known to be patched is not. */
  conclude(): void;
  /** From here on the stream is opaque, and nothing is kept of it. */
  giveUp(): void;
}

const unknownInfo: StreamInfo = {
  container: "unknown",
  mediaType: "application/octet-stream",
  codecs: [],
  damaged: 0,
};

/** Chunks of `size` bytes, counted from `start`. Bytes are not looked at. */
export class ChunkCutPoints implements CutPoints {
  readonly kind = "chunks";
  readonly isUnknown = false;
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

  readonly heldBytes = 0;

  fixedAt(): string {
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

  padding(): readonly Uint8Array[] {
    return [];
  }

  forget(): void {}

  finishDetection(): void {}

  conclude(): void {}

  giveUp(): void {}
}

/** At most so many unit ends are remembered; with more, those closest together are forgotten. */
const maxUnits = 16_384;
/** What a unit end takes, bytes. */
const unitBytes = 32;
/** How many unrepeatable headers, one after the other, are told apart. */
const maxFixed = 64;
/** In place of the fingerprint of one that is not known any more: like no other. */
const forgottenFixed = "?";
/** So much is made up for however short a stream was that was cut off, bytes. */
const freePaddingBytes = 64 * 1024;
/** A detector is given pieces of at most so many bytes, so that what it does can be stopped in between. */
const pieceBytes = 32 * 1024;

export interface SniffedCutPointsEvents {
  /** The stream is opaque from now on, though it was not at first, or for a fault of ours: `error`. */
  opaque(reason: string, error?: unknown): void;
}

/** Whatever the sniffer makes of the bytes: a container's marks, or opaque. A detector that throws makes it opaque. */
export class SniffedCutPoints implements CutPoints {
  readonly #clock: Clock;
  readonly #events: SniffedCutPointsEvents;
  readonly #workTime: WorkTime;
  #patches = new Patches();
  #joins = new Joins();
  #units = new Marks<Mark>(maxUnits);
  #header: Header = noHeader;
  /** The unrepeatable headers there have been, each with the join point that it came into force at. */
  #fixed: (Mark & { readonly fixed: string })[] = [];
  /** Whether there were others before. */
  #isFixedForgotten = false;
  #end = 0;
  #isUnknown = false;
  #isConcluded = false;
  /** What follows the last byte, once it was asked for. */
  #padding: readonly Uint8Array[] | undefined;
  #fedBytes = 0;
  readonly #sniffer = new Sniffer({
    header: (header) => {
      this.#header = header;
    },
    join: (offset, within = false) => {
      this.#joins.push({ offset, header: this.#header });
      const { fixed } = this.#header;
      if (fixed !== (this.#fixed.at(-1)?.fixed ?? noHeader.fixed)) this.#pushFixed(offset, fixed);
      if (!within) this.#units.push({ offset });
    },
    unit: (offset) => {
      this.#units.push({ offset });
    },
    patch: (offset, bytes) => this.#patches.add(offset, bytes),
  });

  /** `workTime` is the broadcaster's. */
  constructor(clock: Clock, workTime: WorkTime, events: SniffedCutPointsEvents) {
    this.#clock = clock;
    this.#workTime = workTime;
    this.#events = events;
  }

  get kind(): "sniffing" | "marked" | "opaque" {
    const { state } = this.#sniffer;
    return state === "known" ? "marked" : state;
  }

  get isUnknown(): boolean {
    return this.#isUnknown;
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

  get patches(): Patches {
    return this.#patches;
  }

  get heldBytes(): number {
    const marks = this.#joins.heldBytes + this.#units.size * unitBytes + this.#patches.heldBytes;
    return marks + this.#sniffer.heldBytes;
  }

  fixedAt(offset: number): string {
    const mark = this.#fixed.findLast((mark) => mark.offset <= offset);
    if (mark === undefined && this.#isFixedForgotten) return forgottenFixed;
    return (mark ?? this.#fixed.at(0))?.fixed ?? this.header.fixed;
  }

  get unpatchedFrom(): number {
    return this.#isConcluded ? Number.POSITIVE_INFINITY : this.#sniffer.unpatchedFrom;
  }

  get joinDistance(): number {
    return this.#joins.distance;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#end = offset + bytes.length;
    this.#fedBytes += bytes.length;
    for (let from = 0; from < bytes.length && this.#sniffer.state !== "opaque"; from += pieceBytes) {
      const piece = bytes.length <= pieceBytes ? bytes : bytes.subarray(from, from + pieceBytes);
      const startMs = this.#clock.workMs();
      this.#watch(() => this.#sniffer.feed(piece, offset + from));
      if (this.#workTime.isSpent(startMs, piece.length))
        this.#becomeOpaque("it takes too much work to follow");
    }
  }

  newestJoin(head: number): Join | undefined {
    return this.kind === "opaque" ? { offset: head, header: noHeader } : this.#joins.newest;
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

  padding(offset: number): readonly Uint8Array[] {
    if (offset !== this.#end) return [];
    if (this.#padding === undefined) {
      this.#padding = [];
      const startMs = this.#clock.workMs();
      this.#watch(() => {
        const parts = this.#sniffer.padding();
        // A few bytes can announce very many: no more is made up for than has come.
        const mostBytes = Math.min(maxPaddingBytes, freePaddingBytes + this.#fedBytes);
        if (lengthOf(parts) <= mostBytes) this.#padding = parts;
      });
      this.#workTime.isSpent(startMs, 0);
    }
    return this.#padding;
  }

  forget(tail: number): void {
    this.#joins.forget(tail);
    this.#units.dropBefore(tail);
    this.#patches.forget(tail);
  }

  finishDetection(): void {
    if (this.kind !== "sniffing") return;
    this.#watch(() => this.#sniffer.finishDetection());
    this.#isUnknown = this.#sniffer.lost;
  }

  conclude(): void {
    this.#isConcluded = true;
  }

  giveUp(): void {
    this.#sniffer.giveUp();
    this.#patches = new Patches();
    this.#joins = new Joins();
    this.#units = new Marks<Mark>(maxUnits);
    this.#header = noHeader;
  }

  /** Lets the detector work. What it throws costs the stream its marks, and nothing else. */
  #watch(work: () => void): void {
    const before = this.#sniffer.state;
    try {
      work();
    } catch (error) {
      this.#becomeOpaque("a bug in its detector", error);
      return;
    }
    if (before === "known" && this.#sniffer.state === "opaque") {
      this.#becomeOpaque(this.info.problem ?? "it can't be followed any longer");
    }
  }

  #becomeOpaque(reason: string, error?: unknown): void {
    this.giveUp();
    this.#events.opaque(reason, error);
  }

  #pushFixed(offset: number, fixed: string): void {
    this.#fixed.push({ offset, fixed });
    if (this.#fixed.length <= maxFixed) return;
    this.#fixed.shift();
    this.#isFixedForgotten = true;
  }
}
