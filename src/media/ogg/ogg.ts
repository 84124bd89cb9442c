// Ogg (RFC 3533): pages of logical streams, interleaved. First every stream's first page, then the rest of
// their headers, then data; a chained stream does that again and again.
//
//   [BOS video][BOS audio][headers]  [page][page]  [page]  [page]
//   '---------- header ----------'   ^join: a fresh page, of video one that begins with a keyframe
//                                          ^unit: the end of a page, unless some stream's packet goes on
//
// Nothing of the headers may be repeated in mid-stream (decoders take a first page for a new stream), and data
// of another serial number mean nothing to them: so the header as a whole is what has to be the same
// for a watcher to go on. Behind a single stream of sound another one can begin, chained, with its own header.
// Pages' checksums are checked when sniffing only.

import { readNumber } from "../bytes.ts";
import type { Container, Detector, Sink, StreamInfo } from "../detector.ts";
import { maxHeaderBytes, noHeader, sniffLimit } from "../detector.ts";
import { ElementReader, type ElementSink } from "../elementreader.ts";
import { fingerprint } from "../fingerprint.ts";
import { Collected } from "../gather.ts";
import { Pace } from "../pace.ts";
import { type OggCodec, readCodec } from "./codec.ts";
import { bodyBytes, checksum, continued, first, headBytes, isPageHead } from "./page.ts";

/** A search for the next page that goes on for longer makes the stream lost. */
const maxSearchBytes = 1024 * 1024;
/** What it costs to begin anew, in bytes of stream (pace.ts). */
const restartCost = 256;
/** Logical streams that are followed at a time: several times what muxers write. */
const maxStreams = 64;

/** Ogg: sniffed by a whole first page whose checksum is right. */
export const ogg: Container = {
  name: "ogg",
  sniff(start) {
    const magic = [0x4f, 0x67, 0x67, 0x53, 0, first];
    if (magic.some((byte, i) => i < start.length && start[i] !== byte)) return "no";
    if (start.length < headBytes || start.length < headBytes + start[26]) return "more";
    const end = headBytes + start[26] + bodyBytes(start);
    if (end > sniffLimit) return "no";
    if (end > start.length) return "more";
    return checksum(start, end) === readNumber(start, 22, 4) ? "yes" : "no";
  },
  create: (sink) => new OggDetector(sink),
};

/** A logical stream. */
interface Logical {
  readonly serial: number;
  readonly codec: OggCodec;
  /** Header packets still to come. */
  missing: number;
  /** Whether its last page ended in the middle of a packet. */
  isOpen: boolean;
}

class OggDetector implements Detector, ElementSink {
  readonly info: StreamInfo = { container: "ogg", mediaType: "application/ogg", codecs: [], damaged: 0 };
  readonly begins = isPageHead;
  readonly #sink: Sink;
  readonly #reader = new ElementReader(this, headBytes + 255 + 1, headBytes, maxSearchBytes);
  /** What of a page is gathered: its head, the table of segments, its body's first byte. */
  #part: "head" | "segments" | "peek" = "head";
  #pageOffset = 0;
  #page: Logical | undefined;

  #streams: Logical[] = [];
  #video: Logical | undefined;
  /** The header's pages while it is coming; `#isComplete` from then on. */
  #pages = new Collected(maxHeaderBytes);
  #isComplete = false;
  readonly #pace = new Pace();

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get lost(): boolean {
    return this.#reader.lost;
  }

  get heldBytes(): number {
    return this.#pages.heldBytes + this.#reader.heldBytes;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#reader.feed(bytes, offset);
  }

  gathered(offset: number): void {
    if (this.#part === "segments") this.#segments(offset);
    else if (this.#part === "peek") this.#peek(offset);
    else if (this.#isPage()) {
      this.#pageOffset = offset - headBytes;
      this.#part = "segments";
      this.#reader.want(headBytes + this.#reader.gather.bytes[26]);
      if (this.#reader.gather.full) this.#segments(offset);
    } else {
      if (this.#reader.stage !== "search") this.info.damaged++;
      this.#reader.search(headBytes, 1);
    }
  }

  /** Whether a page of ours begins here, or the first one of a stream. */
  #isPage(): boolean {
    const { bytes } = this.#reader.gather;
    if (!isPageHead(bytes, 0)) return false;
    this.#page = (bytes[5] & first) === 0 ? this.#find(readNumber(bytes, 14, 4)) : undefined;
    return this.#page !== undefined || (bytes[5] & first) !== 0;
  }

  #find(serial: number): Logical | undefined {
    for (const stream of this.#streams) if (stream.serial === serial) return stream;
    return undefined;
  }

  /** Head and segments are there: how large the page is, and what of it is wanted. */
  #segments(offset: number): void {
    const { bytes, length } = this.#reader.gather;
    const isFirst = (bytes[5] & first) !== 0;
    const left = bodyBytes(bytes);
    if (isFirst && this.#isComplete) {
      if (!this.#pace.allows(this.#pageOffset, restartCost)) {
        return this.#giveUp("streams that restart constantly");
      }
      this.#restart();
    }
    if (isFirst || !this.#isComplete) {
      if (this.#pages.length + length + left > maxHeaderBytes) {
        return this.#giveUp(`headers of more than ${maxHeaderBytes} bytes`);
      }
      this.#reader.keep(length + left);
      return this.#reader.enter(left, offset);
    }
    const isFresh = (bytes[5] & continued) === 0 && left > 0 && bytes[headBytes] > 0;
    if (isFresh && this.#page === this.#video) {
      this.#part = "peek";
      return this.#reader.want(length + 1);
    }
    if (isFresh && this.#video === undefined) this.#sink.join(this.#pageOffset, true);
    this.#reader.enter(left, offset);
  }

  /** The first byte of a video's page is there. */
  #peek(offset: number): void {
    const { bytes, length } = this.#reader.gather;
    if (this.#video?.codec.isKeyframe?.(bytes[length - 1]) === true) this.#sink.join(this.#pageOffset, true);
    this.#reader.enter(bodyBytes(bytes) - 1, offset);
  }

  /** The page ends before `offset`; `kept` is one of the header's. */
  ended(offset: number, kept: Uint8Array | undefined): void {
    const { bytes } = this.#reader.gather;
    this.#reader.searched = 0;
    if (kept !== undefined) this.#headerPage(kept);
    if (this.#page !== undefined && bytes[26] > 0) {
      this.#page.isOpen = bytes[headBytes + bytes[26] - 1] === 255;
    }
    if (this.#isComplete && !this.#isAnyOpen()) this.#sink.unit(offset);
    this.#part = "head";
    this.#reader.expect(headBytes);
  }

  #isAnyOpen(): boolean {
    for (const stream of this.#streams) if (stream.isOpen) return true;
    return false;
  }

  /** A chained stream begins. */
  #restart(): void {
    this.#streams = [];
    this.#video = undefined;
    this.#pages = new Collected(maxHeaderBytes);
    this.#isComplete = false;
    this.info.codecs = [];
  }

  #headerPage(page: Uint8Array): void {
    const body = headBytes + page[26];
    this.#pages.take(page, 0, page.length);
    if ((page[5] & first) !== 0) {
      if (this.#streams.length === maxStreams)
        return this.#giveUp(`more than ${maxStreams} streams at a time`);
      const codec = readCodec(page, body, page.length);
      const serial = readNumber(page, 14, 4);
      this.#page = { serial, codec, missing: codec.headers, isOpen: false };
      this.#streams.push(this.#page);
      this.#describe(this.#page);
    }
    const stream = this.#page;
    if (stream === undefined) return;
    let at = body;
    let packetAt = body;
    for (let i = headBytes; i < body && stream.missing > 0; i++) {
      at += page[i];
      if (page[i] === 255) continue;
      stream.missing--;
      // FLAC may leave open how many headers there are: each but the first page's says whether it is the last
      const isLast = (page[5] & first) === 0 && (page[packetAt] & 0x80) !== 0;
      if (stream.missing === Number.POSITIVE_INFINITY && isLast) stream.missing = 0;
      packetAt = at;
    }
    if (this.#streams.some(({ missing }) => missing > 0)) return;
    this.#isComplete = true;
    const start = this.#pages.bytes;
    // Only of a single stream of sound do players take another one behind it.
    const isSound = this.#streams.length === 1 && this.#video === undefined;
    const chain = isSound ? start : undefined;
    const { resume } = noHeader;
    this.#sink.header({ start, resume, fixed: fingerprint(start), chain, bytes: this.#pages.heldBytes });
  }

  #giveUp(problem: string): void {
    this.#reader.lost = true;
    this.info.problem = problem;
  }

  #describe(stream: Logical): void {
    const { info } = this;
    const { name, isKeyframe, width, height } = stream.codec;
    if (name === "") return;
    info.codecs.push(name);
    if (isKeyframe !== undefined && this.#video === undefined) {
      this.#video = stream;
      info.width = width;
      info.height = height;
    }
    info.mediaType = this.#video === undefined ? "audio/ogg" : "video/ogg";
  }
}
