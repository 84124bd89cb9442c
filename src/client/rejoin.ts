// What a broadcaster that lost its connection sends first when it is back: the container's header and the
// stream from its newest join point, so that decoders start cleanly. It sees every byte of the input, sent or
// dropped, and keeps what came since the newest join point, within `windowBytes`.
//
//   fed:   [..........|window..............................]
//                             ^ newest join                ^ offset
//
// The stream's first byte is a join point too. Opaque data have none: they go on at the next byte, or where
// the caller cuts them into chunks, at the next chunk.

import type { Detector, Header, Sink } from "../media/detector.ts";
import { noHeader } from "../media/detector.ts";
import { Sniffer } from "../media/sniffer.ts";

const windowBytes = 16 * 1024 * 1024;

export interface Rejoin {
  /** Takes the next bytes of the input; they are kept and must not change. */
  feed(bytes: Uint8Array): void;
  /**
   * What to send before the bytes that are yet to be fed; undefined if there is no clean place to go on at yet.
   * `anywhere` settles for the header and the next byte.
   */
  start(anywhere: boolean): readonly Uint8Array[] | undefined;
  /** Where in the stream that begins, behind its header; 0 before the first `start`. */
  readonly startOffset: number;
  /** What to send now that `bytes` were fed: those bytes, but see `JoinRejoin`. */
  sendable(bytes: Uint8Array): readonly Uint8Array[];
  /** What is left to send when nothing more will be fed. */
  rest(): readonly Uint8Array[];
}

/** Bytes of the stream at `offset`. */
interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * For a stream that is what its bytes say. Once some of it was left out, places that it gives by their distance from its
 * first byte are wrong: the detector's patches (`Sink.patch`) take the place of those bytes, and bytes that may still be
 * patched wait until that is known.
 */
export class JoinRejoin implements Rejoin {
  readonly #detector: Detector;
  #window: Piece[] = [];
  /** Entries of the window before this one are dropped; they leave the array many at a time. */
  #head = 0;
  /** Of what is in the window. */
  #patches: Piece[] = [];
  #offset = 0;
  #join = 0;
  #header: Header = noHeader;
  /** The header that counts for #join. */
  #joinHeader: Header = noHeader;
  /** Up to where it was sent since it was rejoined; undefined while it goes out from its first byte. */
  #sentTo: number | undefined;
  #startOffset = 0;

  constructor(detector: (sink: Sink) => Detector = (sink) => new Sniffer(sink)) {
    this.#detector = detector({
      header: (header) => {
        this.#header = header;
      },
      join: (offset) => {
        this.#join = offset;
        this.#joinHeader = this.#header;
      },
      unit: () => undefined,
      patch: (offset, bytes) => this.#patches.push({ offset, bytes }),
    });
  }

  feed(bytes: Uint8Array): void {
    this.#window.push({ offset: this.#offset, bytes });
    this.#detector.feed(bytes, this.#offset);
    this.#offset += bytes.length;
    const keepFrom = this.#detector.lost ? this.#offset : Math.max(this.#join, this.#offset - windowBytes);
    this.#drop(Math.min(keepFrom, this.#sentTo ?? keepFrom));
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  start(anywhere: boolean): readonly Uint8Array[] | undefined {
    this.#sentTo = this.#offset;
    this.#startOffset = this.#offset;
    if (this.#detector.lost) return [];
    if ((this.#window.at(this.#head)?.offset ?? this.#offset) > this.#join) {
      return anywhere ? [this.#header.start] : undefined;
    }
    this.#startOffset = this.#join;
    this.#sentTo = this.#join === 0 ? undefined : this.#join;
    const pieces = this.#join === 0 ? this.#window.map(({ bytes }) => bytes) : this.#sendTo(this.#patchedTo);
    return [this.#joinHeader.start, ...pieces].filter((piece) => piece.length > 0);
  }

  sendable(bytes: Uint8Array): readonly Uint8Array[] {
    return this.#sentTo === undefined ? [bytes] : this.#sendTo(this.#patchedTo);
  }

  rest(): readonly Uint8Array[] {
    return this.#sendTo(this.#offset);
  }

  /** Up to where it is known what is patched. */
  get #patchedTo(): number {
    return Math.min(this.#offset, this.#detector.unpatchedFrom ?? this.#offset);
  }

  #sendTo(to: number): readonly Uint8Array[] {
    const from = this.#sentTo;
    if (from === undefined || from >= to) return [];
    this.#sentTo = to;
    const pieces: Uint8Array[] = [];
    // From the newest on: the window may be long, and what has not been sent is at its end.
    for (let i = this.#window.length - 1; i >= this.#head && endOf(this.#window[i]) > from; i--) {
      const { offset, bytes } = this.#window[i];
      if (offset >= to) continue;
      const first = Math.max(offset, from);
      pieces.push(this.#patched({ offset: first, bytes: bytes.subarray(first - offset, to - offset) }));
    }
    return pieces.toReversed();
  }

  #patched(piece: Piece): Uint8Array {
    let { bytes } = piece;
    for (let i = this.#patches.length - 1; i >= 0 && endOf(this.#patches[i]) > piece.offset; i--) {
      const patch = this.#patches[i];
      if (patch.offset >= endOf(piece)) continue;
      if (bytes === piece.bytes) bytes = bytes.slice();
      const first = Math.max(patch.offset, piece.offset);
      bytes.set(
        patch.bytes.subarray(first - patch.offset, endOf(piece) - patch.offset),
        first - piece.offset,
      );
    }
    return bytes;
  }

  /** Drops what ends at `keepFrom` or before. */
  #drop(keepFrom: number): void {
    while (this.#head < this.#window.length && endOf(this.#window[this.#head]) <= keepFrom) this.#head++;
    const kept = this.#patches.findIndex((patch) => endOf(patch) > keepFrom);
    this.#patches.splice(0, kept < 0 ? this.#patches.length : kept);
    if (this.#head * 2 < this.#window.length) return;
    this.#window.splice(0, this.#head);
    this.#head = 0;
  }
}

/** For a stream in chunks of `chunkBytes` bytes: it goes on with the first byte of a chunk. */
export class ChunkRejoin implements Rejoin {
  readonly #chunkBytes: number;
  #offset = 0;
  #startOffset = 0;
  /** What has come of the chunk that is under way. */
  #last: Uint8Array = new Uint8Array(0);

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  feed(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    const begun = Math.min(bytes.length, this.#offset % this.#chunkBytes);
    this.#last = bytes.subarray(bytes.length - begun);
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  start(anywhere: boolean): readonly Uint8Array[] | undefined {
    const begun = this.#offset % this.#chunkBytes;
    this.#startOffset = this.#offset;
    if (begun === 0) return [];
    if (begun === this.#last.length) {
      this.#startOffset -= begun;
      return [this.#last];
    }
    return anywhere ? [] : undefined;
  }

  sendable(bytes: Uint8Array): readonly Uint8Array[] {
    return [bytes];
  }

  rest(): readonly Uint8Array[] {
    return [];
  }
}

function endOf({ offset, bytes }: Piece): number {
  return offset + bytes.length;
}
