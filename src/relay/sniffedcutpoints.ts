// Cut points of a stream that is what its bytes say: a container's, or an opaque stream's. A detector that throws, or takes
// too much work or memory, makes its stream opaque, and costs it nothing else.

import { lengthOf } from "../media/bytes.ts";
import { type Header, maxPaddingBytes, noHeader, type StreamInfo } from "../media/detector.ts";
import { Sniffer } from "../media/sniffer.ts";
import type { Clock } from "./clock.ts";
import type { WorkTime } from "./cputime.ts";
import type { CutPlaces, CutPoints } from "./cutpoints.ts";
import { FixedHeaders } from "./fixedheaders.ts";
import type { Join } from "./joins.ts";
import { MarkedCutPoints } from "./markedcutpoints.ts";
import { OpaqueCutPoints } from "./opaquecutpoints.ts";
import { Patches } from "./patches.ts";

/** So much is made up for however short a stream was that was cut off, bytes. */
const freePaddingBytes = 64 * 1024;
/** A detector is given pieces of at most so many bytes, so that what it does can be stopped in between. */
const pieceBytes = 32 * 1024;

export interface SniffedCutPointsEvents {
  /** The stream is opaque from now on, though it was not at first, or for a fault of ours: `error`. */
  opaque(reason: string, error?: unknown): void;
}

export class SniffedCutPoints implements CutPoints {
  readonly #clock: Clock;
  readonly #events: SniffedCutPointsEvents;
  readonly #workTime: WorkTime;
  readonly #fixed = new FixedHeaders();
  #places: CutPlaces;
  #patches = new Patches();
  #header: Header = noHeader;
  #start: number | undefined;
  #firstJoin: number | undefined;
  #end = 0;
  #isUnknown = false;
  #isConcluded = false;
  /** What follows the last byte, once it was asked for. */
  #padding: readonly Uint8Array[] | undefined;
  #fedBytes = 0;
  readonly #sniffer: Sniffer;

  /** `workTime` is the broadcaster's. */
  constructor(clock: Clock, workTime: WorkTime, events: SniffedCutPointsEvents) {
    this.#clock = clock;
    this.#workTime = workTime;
    this.#events = events;
    const marks = new MarkedCutPoints();
    this.#places = marks;
    this.#sniffer = new Sniffer({
      header: (header) => {
        this.#header = header;
      },
      join: (offset, within = false) => {
        this.#firstJoin ??= offset;
        marks.addJoin(offset, this.#header);
        this.#fixed.note(offset, this.#header.fixed);
        if (!within) marks.addUnit(offset);
      },
      unit: (offset) => marks.addUnit(offset),
      patch: (offset, bytes) => this.#patches.add(offset, bytes),
    });
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

  get firstJoin(): number | undefined {
    return this.#firstJoin ?? (this.kind === "marked" ? undefined : this.#start);
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

  get unpatchedFrom(): number {
    return this.#isConcluded ? Number.POSITIVE_INFINITY : this.#sniffer.unpatchedFrom;
  }

  get heldBytes(): number {
    return this.#places.heldBytes + this.#patches.heldBytes + this.#sniffer.heldBytes;
  }

  get joinDistance(): number {
    return this.#places.joinDistance;
  }

  newestJoin(head: number): Join | undefined {
    return this.#places.newestJoin(head);
  }

  joinAtOrAfter(offset: number): Join | undefined {
    return this.#places.joinAtOrAfter(offset);
  }

  joinAtOrBefore(offset: number): Join | undefined {
    return this.#places.joinAtOrBefore(offset);
  }

  unitEnd(offset: number): number | undefined {
    return this.#places.unitEnd(offset);
  }

  unitEndBefore(offset: number): number | undefined {
    return this.#places.unitEndBefore(offset);
  }

  fixedAt(offset: number): string {
    return this.#fixed.at(offset, this.header.fixed);
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#start ??= offset;
    this.#end = offset + bytes.length;
    this.#fedBytes += bytes.length;
    for (let from = 0; from < bytes.length && this.#sniffer.state !== "opaque"; from += pieceBytes) {
      const piece = bytes.length <= pieceBytes ? bytes : bytes.subarray(from, from + pieceBytes);
      const startMs = this.#clock.workMs();
      this.#watch(() => this.#sniffer.feed(piece, offset + from));
      if (this.#workTime.isSpent(startMs, piece.length))
        this.#becomeOpaque("it takes too much CPU time to follow");
    }
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
    this.#places.forget(tail);
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
    this.#places = new OpaqueCutPoints();
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
    if (before === "opaque" || this.#sniffer.state !== "opaque") return;
    if (before === "known") this.#becomeOpaque(this.info.problem ?? "it can't be followed any longer");
    else this.giveUp();
  }

  #becomeOpaque(reason: string, error?: unknown): void {
    this.giveUp();
    this.#events.opaque(reason, error);
  }
}
