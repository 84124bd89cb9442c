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
import { fingerprint } from "../fingerprint.ts";
import { Collected, Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { type OggCodec, readCodec } from "./codec.ts";

/** A page's head, up to its table of segments, which has 255 entries at most. */
const headBytes = 27;
const capture = 0x4f67_6753;
const continued = 1;
const first = 2;
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

/** Whether there can be a page's head at `at`. */
function isPageHead(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0x4f && readNumber(bytes, at, 4) === capture && bytes[at + 4] === 0 && bytes[at + 5] <= 7
  );
}

/** The size of a page's body, by its table of segments. */
function bodyBytes(head: Uint8Array): number {
  let size = 0;
  for (let i = 0; i < head[26]; i++) size += head[headBytes + i];
  return size;
}

/** A page's checksum (section 6, field 9) in the byte order in which it stands there, taken as zero itself. */
function checksum(page: Uint8Array, end: number): number {
  let crc = 0;
  for (let i = 0; i < end; i++) {
    crc ^= (i >= 22 && i < 26 ? 0 : page[i]) << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return (
    ((crc & 0xff) * 0x100_0000 + (((crc >> 8) & 0xff) << 16) + (((crc >> 16) & 0xff) << 8) + (crc >>> 24)) >>>
    0
  );
}

/** A logical stream. */
interface Logical {
  readonly serial: number;
  readonly codec: OggCodec;
  /** Header packets still to come. */
  missing: number;
  /** Whether its last page ended in the middle of a packet. */
  isOpen: boolean;
}

type Stage = "head" | "segments" | "peek" | "body" | "search";

class OggDetector implements Detector {
  readonly info: StreamInfo = { container: "ogg", mediaType: "application/ogg", codecs: [], damaged: 0 };
  lost = false;

  readonly #sink: Sink;
  readonly #gather = new Gather(headBytes + 255 + 1);
  #stage: Stage = "head";
  #pageOffset = 0;
  #left = 0;
  /** The page while its headers are to be read. */
  #kept: Collected | undefined;
  #page: Logical | undefined;
  #searched = 0;

  #streams: Logical[] = [];
  #video: Logical | undefined;
  /** The header's pages while it is coming; `#isComplete` from then on. */
  #pages = new Collected(maxHeaderBytes);
  #isComplete = false;
  readonly #pace = new Pace();

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(headBytes);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#stage === "body") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#kept?.take(bytes, at, end);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#body(offset + at);
      } else {
        if (this.#stage === "search") at = this.#gather.seek(bytes, at, isPageHead, this.#passed);
        else at = this.#gather.take(bytes, at);
        if (this.#gather.full && !this.lost) this.#gathered(offset + at);
      }
    }
  }

  get heldBytes(): number {
    return this.#pages.heldBytes + (this.#kept?.heldBytes ?? 0);
  }

  #gathered(offset: number): void {
    if (this.#stage === "segments") this.#segments(offset);
    else if (this.#stage === "peek") this.#peek(offset);
    else if (this.#isPage()) {
      this.#pageOffset = offset - headBytes;
      this.#stage = "segments";
      this.#gather.want = headBytes + this.#gather.bytes[26];
      if (this.#gather.full) this.#segments(offset);
    } else this.#search();
  }

  /** Whether a page of ours begins here, or the first one of a stream. */
  #isPage(): boolean {
    const { bytes } = this.#gather;
    if (!isPageHead(bytes, 0)) return false;
    this.#page = (bytes[5] & first) === 0 ? this.#find(readNumber(bytes, 14, 4)) : undefined;
    return this.#page !== undefined || (bytes[5] & first) !== 0;
  }

  #find(serial: number): Logical | undefined {
    for (const stream of this.#streams) if (stream.serial === serial) return stream;
    return undefined;
  }

  #search(): void {
    if (this.#stage !== "search") this.info.damaged++;
    this.#stage = "search";
    this.#gather.shift();
    this.#passed(1);
  }

  readonly #passed = (bytes: number): void => {
    this.#searched += bytes;
    if (this.#searched > maxSearchBytes) this.lost = true;
  };

  /** Head and segments are there: how large the page is, and what of it is wanted. */
  #segments(offset: number): void {
    const { bytes, length } = this.#gather;
    const isFirst = (bytes[5] & first) !== 0;
    this.#left = bodyBytes(bytes);
    if (isFirst && this.#isComplete) {
      if (!this.#pace.allows(this.#pageOffset, restartCost)) {
        return this.#giveUp("streams that begin anew all the time");
      }
      this.#restart();
    }
    if (isFirst || !this.#isComplete) {
      if (this.#pages.length + length + this.#left > maxHeaderBytes) {
        return this.#giveUp(`headers of more than ${maxHeaderBytes} bytes`);
      }
      this.#kept = new Collected(length + this.#left);
      this.#kept.take(bytes, 0, length);
      this.#enterBody(offset);
      return;
    }
    const isFresh = (bytes[5] & continued) === 0 && this.#left > 0 && bytes[headBytes] > 0;
    if (isFresh && this.#page === this.#video) {
      this.#stage = "peek";
      this.#gather.want = length + 1;
      this.#left--;
      return;
    }
    if (isFresh && this.#video === undefined) this.#sink.join(this.#pageOffset, true);
    this.#enterBody(offset);
  }

  /** The first byte of a video's page is there. */
  #peek(offset: number): void {
    const { bytes, length } = this.#gather;
    if (this.#video?.codec.isKeyframe?.(bytes[length - 1]) === true) this.#sink.join(this.#pageOffset, true);
    this.#enterBody(offset);
  }

  #enterBody(offset: number): void {
    this.#stage = "body";
    if (this.#left === 0) this.#body(offset);
  }

  /** The page ends before `offset`. */
  #body(offset: number): void {
    const { bytes } = this.#gather;
    const kept = this.#kept?.bytes;
    this.#kept = undefined;
    this.#searched = 0;
    if (kept !== undefined) this.#headerPage(kept);
    if (this.#page !== undefined && bytes[26] > 0) {
      this.#page.isOpen = bytes[headBytes + bytes[26] - 1] === 255;
    }
    if (this.#isComplete && !this.#isAnyOpen()) this.#sink.unit(offset);
    this.#stage = "head";
    this.#gather.start(headBytes);
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
    this.lost = true;
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
