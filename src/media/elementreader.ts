// The loop that containers of elements share (FLV's tags, Matroska's elements, MP4's boxes, Ogg's pages, IVF's frames): each
// element begins with a few bytes that say how long it is, and most bodies are passed over by that length.
//
//   head --gathered(): enter--> body --ended(): expect--> head
//     '--gathered(): search--> search --begins()--> gathered()
//
// A head is gathered in one small buffer; a body is passed over, kept whole, or shown to the sink as it comes. What a head
// means is the sink's.

import { Collected, Gather } from "./gather.ts";

/** Receives what an `ElementReader` finds. All offsets are absolute. */
export interface ElementSink {
  /** The wanted bytes are there, and end before `offset`. Has to call `expect`, `want`, `enter`, `search`, or set `lost`. */
  gathered(offset: number): void;
  /** The body ends before `offset`. `kept`: the element's bytes, if it was to be kept. Has to call one of the same. */
  ended(offset: number, kept: Uint8Array | undefined): void;
  /** While a body is shown: some more of it, `bytes` from `at` up to `end`; `offset` is that of the first of `bytes`. */
  shown?(bytes: Uint8Array, at: number, end: number, offset: number): void;
  /** Whether an element can begin at `at`, for a search; as many bytes are there as it wants. */
  readonly begins: (bytes: Uint8Array, at: number) => boolean;
}

/** Reads a stream of elements. The calls it makes do not depend on how the bytes are split. */
export class ElementReader {
  /** The bytes of the head at hand. */
  readonly gather: Gather;
  stage: "head" | "body" | "search" = "head";
  /** Of the body at hand, what is still to come. Bytes. */
  left = 0;
  /** Whether the body at hand is shown to the sink. */
  isShown = false;
  /** Bytes searched; a search that goes on for longer than `maxSearchBytes` makes the stream lost. The sink resets it. */
  searched = 0;
  lost = false;
  /** The absolute offset behind all that was fed. */
  fedTo = 0;
  readonly #sink: ElementSink;
  readonly #maxSearchBytes: number;
  #kept: Collected | undefined;

  /** Heads have at most `headBytes` bytes; the first one wants `firstBytes`. */
  constructor(sink: ElementSink, headBytes: number, firstBytes: number, maxSearchBytes: number) {
    this.#sink = sink;
    this.gather = new Gather(headBytes);
    this.gather.start(firstBytes);
    this.#maxSearchBytes = maxSearchBytes;
  }

  /** Takes the next bytes; `offset` is the absolute offset of the first of them. */
  feed(bytes: Uint8Array, offset: number): void {
    const sink = this.#sink;
    this.fedTo = offset + bytes.length;
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.stage === "body") {
        const end = Math.min(bytes.length, at + this.left);
        this.#kept?.take(bytes, at, end);
        if (this.isShown) sink.shown?.(bytes, at, end, offset);
        this.left -= end - at;
        at = end;
        if (this.left === 0) this.#end(offset + at);
      } else {
        if (this.stage === "head") at = this.gather.take(bytes, at);
        else at = this.gather.seek(bytes, at, sink.begins, this.#passed);
        if (this.gather.full && !this.lost) sink.gathered(offset + at);
      }
    }
  }

  /** What is kept of the element at hand, as far as it has come. */
  get kept(): Uint8Array | undefined {
    return this.#kept?.bytes;
  }

  /** Bytes of memory that the element at hand takes. */
  get heldBytes(): number {
    return this.#kept?.heldBytes ?? 0;
  }

  /** The next element begins, of whose head `bytes` bytes are wanted first. */
  expect(bytes: number): void {
    this.stage = "head";
    this.gather.start(bytes);
  }

  /** Wants so many bytes of the head at hand in all. */
  want(bytes: number): void {
    this.stage = "head";
    this.gather.want = bytes;
  }

  /** The element at hand, of `bytes` bytes in all, is kept from its first byte on. Before `enter`. */
  keep(bytes: number): void {
    this.#kept = new Collected(bytes);
    this.#kept.take(this.gather.bytes, 0, this.gather.length);
  }

  /** A body of `left` bytes follows what is gathered, at `offset`. */
  enter(left: number, offset: number): void {
    this.left = left;
    this.stage = "body";
    if (left === 0) this.#end(offset);
  }

  /** What is gathered is no head: looks for one of `bytes` bytes, behind the first `dropped` of what is gathered. */
  search(bytes: number, dropped: number): void {
    this.stage = "search";
    this.#kept = undefined;
    this.isShown = false;
    this.gather.want = bytes;
    this.gather.drop(dropped);
    this.#passed(dropped);
  }

  #end(offset: number): void {
    const kept = this.#kept?.bytes;
    this.#kept = undefined;
    this.#sink.ended(offset, kept);
  }

  readonly #passed = (bytes: number): void => {
    this.searched += bytes;
    if (this.searched > this.#maxSearchBytes) this.lost = true;
  };
}
