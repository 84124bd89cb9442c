// What H.264 and HEVC share in finding where a decoder can start: parameter sets, the access unit at hand, and entries no
// more often than the stream pays for (pace.ts).

import { Pace } from "../pace.ts";
import { ParameterSets } from "./parametersets.ts";
import {
  type Bridge,
  type EntrySink,
  type Mark,
  markAt,
  type Pictures,
  type Size,
  type Step,
} from "./pictures.ts";

/** Pictures without an entry after which a lesser one will do. */
const maxPicturesWithoutEntry = 250;

/** The pictures of a standard with parameter sets. */
export abstract class CodedPictures implements Pictures {
  flagged = false;
  size: Size | undefined;
  protected readonly sets = new ParameterSets();
  /** The access unit at hand. */
  protected mark: Mark = markAt(0);
  protected hasRecoveryPoint = false;
  /** Kinds of parameter sets that it carries itself, a bit each. */
  protected ownSets = 0;
  readonly #sink: EntrySink;
  readonly #pace = new Pace();
  #picturesSinceEntry = 0;

  constructor(sink: EntrySink) {
    this.#sink = sink;
  }

  abstract wanted(header: number): number;
  abstract step(bytes: Uint8Array, length: number): Step | undefined;
  abstract take(bytes: Uint8Array, length: number, whole: boolean, step: Step): void;

  begin(mark: Mark): void {
    this.mark = mark;
    this.hasRecoveryPoint = false;
    this.ownSets = 0;
    this.flagged = false;
  }

  get heldBytes(): number {
    return this.sets.bytes;
  }

  /** A picture begins; whether so many came without an entry that a lesser one will do. */
  protected countPicture(): boolean {
    return ++this.#picturesSinceEntry > maxPicturesWithoutEntry;
  }

  /**
   * A decoder can start with the access unit at hand. `allSets`: the bits of all kinds of parameter sets; `cost`: what the
   * entry costs besides them, in bytes of stream.
   */
  protected enter(allSets: number, cost: number, ending: Uint8Array, bridge: Bridge | undefined): void {
    if (!this.#pace.allows(this.mark.offset, cost + this.sets.unjoinedBytes)) return;
    this.#picturesSinceEntry = 0;
    const complete = this.ownSets === allSets;
    this.#sink.entry(this.mark, { parameters: this.sets.joined(), complete, ending, bridge });
  }
}
