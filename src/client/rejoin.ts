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
}

/** For a stream that is what its bytes say. */
export class JoinRejoin implements Rejoin {
  readonly #detector: Detector;
  #window: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  /** Entries of the window before this one are dropped; they leave the array many at a time. */
  #head = 0;
  #offset = 0;
  #join = 0;
  #header: Header = noHeader;
  /** The header that counts for #join. */
  #joinHeader: Header = noHeader;

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
    });
  }

  feed(bytes: Uint8Array): void {
    this.#window.push({ offset: this.#offset, bytes });
    this.#detector.feed(bytes, this.#offset);
    this.#offset += bytes.length;
    const keepFrom = this.#detector.lost ? this.#offset : Math.max(this.#join, this.#offset - windowBytes);
    while (this.#head < this.#window.length && endOf(this.#window[this.#head]) <= keepFrom) this.#head++;
    if (this.#head * 2 < this.#window.length) return;
    this.#window.splice(0, this.#head);
    this.#head = 0;
  }

  start(anywhere: boolean): readonly Uint8Array[] | undefined {
    if (this.#detector.lost) return [];
    const kept = this.#window.slice(this.#head);
    if ((kept.at(0)?.offset ?? this.#offset) > this.#join) return anywhere ? [this.#header.start] : undefined;
    const pieces = kept.map(({ offset, bytes }) => bytes.subarray(Math.max(0, this.#join - offset)));
    return [this.#joinHeader.start, ...pieces].filter((piece) => piece.length > 0);
  }
}

/** For a stream in chunks of `chunkBytes` bytes: it goes on with the first byte of a chunk. */
export class ChunkRejoin implements Rejoin {
  readonly #chunkBytes: number;
  #offset = 0;
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

  start(anywhere: boolean): readonly Uint8Array[] | undefined {
    const begun = this.#offset % this.#chunkBytes;
    if (begun === 0) return [];
    if (begun === this.#last.length) return [this.#last];
    return anywhere ? [] : undefined;
  }
}

function endOf({ offset, bytes }: { offset: number; bytes: Uint8Array }): number {
  return offset + bytes.length;
}
