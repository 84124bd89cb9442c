// Streams that are nothing but frames, each with its own header: ADTS, MPEG audio, AC-3. What they have in
// common is here: a frame's header gives its length, so the next header is known to the byte; three headers
// in a row that agree are taken as found ("a chain"), one that is missing as damage.
//
//   ...[hdr|frame][hdr|frame][hdr|frame]...     every frame that a decoder can start with is a join point
//
// Only headers are looked at, and a frame is kept only where its format says so. After damage the next sync
// byte is looked for, and joins are reported again once a chain stands. Time without a chain is a debt that
// frames pay back, byte for byte, so that a stream of something else in which such frames happen to be (a
// program stream, AVI) is given up.
// ID3 tags between frames are passed over (id3.org, "ID3v2.4.0 Main Structure", 3.1; ID3v1 is 128 bytes).

import {
  type Container,
  type Detector,
  type Header,
  noHeader,
  type Sink,
  type StreamInfo,
  sniffLimit,
} from "../detector.ts";
import { Pace } from "../pace.ts";

/** What is different from one such format to the next. `bytes[at .. at + headerBytes)` can be read. */
export interface FrameFormat {
  readonly name: string;
  /** The first byte of every header. */
  readonly sync: number;
  /** Bytes of the longest frame to be met in practice: what a stream that begins inside a frame has of it. */
  readonly maxFrameBytes: number;
  /** Whether an ID3v2 tag too long to look behind is taken as a sign of this format. */
  readonly tagged: boolean;
  /** The length in bytes of the frame whose header is at `at`; 0 if there is no valid header. */
  length(bytes: Uint8Array, at: number): number;
  /** What a valid header says of things that stay the same from frame to frame. */
  key(bytes: Uint8Array, at: number): number;
  /** Whether a decoder can start with this frame. */
  joins(bytes: Uint8Array, at: number): boolean;
  /**
   * Whether this frame has what all after it rely on: it is kept as their header, the newest one in place
   * of those before it. Left out: no frame does.
   */
  keeps?(bytes: Uint8Array, at: number): boolean;
  /** What a watcher in mid-stream is given first, made from a header. Left out: nothing. */
  resume?(bytes: Uint8Array, at: number): Uint8Array;
  /** The codec's short name and the media type. */
  describe(bytes: Uint8Array, at: number): { codec: string; mediaType: string };
}

/** Bytes that are looked at to read a header, whichever format; an ID3v2 header is as long. */
const headerBytes = 10;
/** Headers in a row that agree, from which on a stream is believed. */
const chainLength = 3;
/** The same where the stream begins inside a frame. */
const cutChainLength = 5;
/** Bytes without a chain, frames of a chain deducted, after which the stream is given up. */
const maxDebtBytes = 65_536;
/** What a break costs besides the bytes that are lost: with many of them frames stand in something else. */
const breakBytes = 2048;
/** Debt from which on any valid header is followed up after damage, not only the stream's own. */
const maxStrictDebtBytes = 8192;
/** What it costs to keep a frame as a header, in bytes of stream (pace.ts). */
const keptCost = 64;
/** A longer ID3 tag is taken as damage: covers are a megabyte or two. */
const maxTagBytes = 16 * 1024 * 1024;

/** A container of `format`'s frames, the first of them at the stream's first byte, or after an ID3v2 tag. */
export function whole(format: FrameFormat): Container {
  return {
    name: format.name,
    sniff(start) {
      if (start.length < headerBytes) return "more";
      const first = tagLength(start, 0);
      if (first + chainLength * format.maxFrameBytes > sniffLimit) return format.tagged ? "yes" : "no";
      return follow(format, start, first, chainLength);
    },
    create: (sink) => new FrameDetector(format, sink),
  };
}

/**
 * The same for a stream that begins inside a frame, such as what one gets from a radio server. It takes a
 * frame's length of bytes to say no, so it is to be asked after the others.
 */
export function cut(format: FrameFormat): Container {
  return {
    name: format.name,
    sniff(start) {
      const last = format.maxFrameBytes;
      let answer: "no" | "more" = start.length < last + headerBytes ? "more" : "no";
      for (
        let at = start.indexOf(format.sync);
        at >= 0 && at <= last;
        at = start.indexOf(format.sync, at + 1)
      ) {
        if (at + headerBytes > start.length) return "more";
        if (format.length(start, at) > last) continue;
        const found = follow(format, start, at, cutChainLength);
        if (found === "yes") return "yes";
        if (found === "more") answer = "more";
      }
      return answer;
    },
    create: (sink) => new FrameDetector(format, sink),
  };
}

/** The length of the ID3v1 or ID3v2 tag at `at`, 0 if there is none. */
function tagLength(bytes: Uint8Array, at: number): number {
  const text = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
  if (text === 0x54_41_47) return 128; // "TAG"
  if (text !== 0x49_44_33 || bytes[at + 3] === 0xff || bytes[at + 4] === 0xff) return 0; // "ID3", its version
  const size = bytes.subarray(at + 6, at + 10);
  if (size.some((byte) => byte > 0x7f)) return 0;
  const footer = (bytes[at + 5] & 0x10) !== 0 ? 10 : 0;
  const length = 10 + ((size[0] << 21) | (size[1] << 14) | (size[2] << 7) | size[3]) + footer;
  return length > maxTagBytes ? 0 : length;
}

/** Where a chain of `wanted` headers that begins at `from` leads. */
function follow(format: FrameFormat, start: Uint8Array, from: number, wanted: number): "yes" | "no" | "more" {
  let key = 0;
  for (let count = 0, at = from; count < wanted; count++) {
    if (at + headerBytes > start.length) return "more";
    const length = format.length(start, at);
    if (length === 0 || (count > 0 && format.key(start, at) !== key)) return "no";
    key = format.key(start, at);
    at += length;
  }
  return "yes";
}

class FrameDetector implements Detector {
  readonly info: StreamInfo;
  readonly #format: FrameFormat;
  readonly #sink: Sink;
  /** The offset of the next header, or of the next byte that may begin one. -1 before the first byte. */
  #next = -1;
  /** Whether a header must be at `#next`; else one is looked for from there on. */
  #aligned = true;
  /** Headers in a row that agreed, up to `chainLength`. */
  #chain = 0;
  #key = 0;
  /** Whether the damage since the last whole chain was counted. A stream may begin inside a frame. */
  #counted = true;
  #debt = 0;
  /** Joins of a chain that does not stand yet. */
  #pending: number[] = [];
  /** The `#key` that the header belongs to. */
  #believed = -1;
  #header: Header = noHeader;
  /** The header that was reported last. */
  #reported: Header | undefined;
  readonly #pace = new Pace();
  /** A frame that becomes the header once its chain stands. */
  #kept: Uint8Array | undefined;
  /** The frame on its way to `#kept`, filled up to `#frameBytes`; empty while there is none. */
  #frame = new Uint8Array(0);
  #frameBytes = 0;
  #frameFrom = 0;
  /** The bytes from `#next` on that were too few to read a header, and room for as many more. */
  readonly #carry = new Uint8Array(2 * headerBytes);
  #carried = 0;

  constructor(format: FrameFormat, sink: Sink) {
    this.#format = format;
    this.#sink = sink;
    this.info = { container: format.name, mediaType: "application/octet-stream", codecs: [], damaged: 0 };
  }

  get lost(): boolean {
    return this.#debt > maxDebtBytes;
  }

  feed(bytes: Uint8Array, offset: number): void {
    if (this.lost) return;
    if (this.#next < 0) this.#next = offset;
    if (this.#carried > 0) {
      const taken = Math.min(bytes.length, headerBytes - 1);
      this.#carry.set(bytes.subarray(0, taken), this.#carried);
      const joined = this.#carry.subarray(0, this.#carried + taken);
      const start = offset - this.#carried;
      this.#walk(joined, start);
      if (taken === bytes.length) return this.#keep(joined, start);
    }
    this.#walk(bytes, offset);
    this.#keep(bytes, offset);
  }

  #keep(bytes: Uint8Array, offset: number): void {
    if (this.lost) return;
    const at = this.#next - offset;
    this.#carried = Math.max(0, bytes.length - at);
    if (this.#carried > 0) this.#carry.set(bytes.subarray(at));
  }

  #walk(bytes: Uint8Array, offset: number): void {
    const last = bytes.length - headerBytes;
    this.#fill(bytes, offset);
    while (this.#next - offset <= last && !this.lost) {
      if (!this.#aligned) this.#seek(bytes, offset, last);
      else this.#read(bytes, offset);
    }
  }

  /** Moves on to the next byte that may begin a header. */
  #seek(bytes: Uint8Array, offset: number, last: number): void {
    const at = this.#next - offset;
    const found = bytes.indexOf(this.#format.sync, at);
    const to = found < 0 ? bytes.length : found;
    this.#next = offset + to;
    this.#debt += to - at;
    if (to <= last) this.#aligned = true;
  }

  /** Reads the header at `#next`. */
  #read(bytes: Uint8Array, offset: number): void {
    const format = this.#format;
    const frameFrom = this.#next;
    const at = frameFrom - offset;
    const length = format.length(bytes, at);
    if (length === 0) return this.#pass(tagLength(bytes, at));
    const key = format.key(bytes, at);
    if (this.#isStrange(key)) return this.#pass(0);
    if (key !== this.#key) this.#doubt(key);
    this.#next += length;
    if (this.#chain === chainLength) {
      this.#debt = Math.max(0, this.#debt - length);
      if (format.joins(bytes, at)) this.#join(frameFrom);
    } else {
      this.#debt += length;
      if (format.joins(bytes, at)) this.#pending.push(frameFrom);
      if (++this.#chain === chainLength) this.#believe(bytes, at);
    }
    if (format.keeps?.(bytes, at) !== true || !this.#pace.allows(frameFrom, keptCost)) return;
    this.#frame = new Uint8Array(length);
    this.#frameBytes = 0;
    this.#frameFrom = frameFrom;
    this.#fill(bytes, offset);
  }

  /**
   * Whether a header found after damage is not the stream's own. One that is believed by mistake costs all
   * the frames that it seems to span; another encoding can wait a little.
   */
  #isStrange(key: number): boolean {
    return (
      this.#chain === 0 && key !== this.#believed && this.#believed >= 0 && this.#debt < maxStrictDebtBytes
    );
  }

  /** Another encoding may follow at once: it is believed when it has a chain of its own. */
  #doubt(key: number): void {
    this.#key = key;
    this.#chain = 0;
    this.#pending = [];
    this.#kept = undefined;
  }

  #believe(bytes: Uint8Array, at: number): void {
    const { codec, mediaType } = this.#format.describe(bytes, at);
    this.info.codecs = [codec];
    this.info.mediaType = mediaType;
    this.#counted = false;
    if (this.#believed !== this.#key) {
      this.#believed = this.#key;
      const resume = this.#format.resume?.(bytes, at);
      this.#header = resume === undefined ? noHeader : { ...noHeader, resume, bytes: resume.length };
    }
    this.#adopt();
    for (const offset of this.#pending) this.#join(offset);
    this.#pending = [];
  }

  #join(offset: number): void {
    if (this.#reported !== this.#header) this.#sink.header(this.#header);
    this.#reported = this.#header;
    this.#sink.join(offset);
  }

  /** Adds what there is of the frame that becomes the header. */
  #fill(bytes: Uint8Array, offset: number): void {
    if (this.#frame.length === 0) return;
    const at = this.#frameFrom + this.#frameBytes - offset;
    const part = bytes.subarray(at, at + this.#frame.length - this.#frameBytes);
    this.#frame.set(part, this.#frameBytes);
    this.#frameBytes += part.length;
    if (this.#frameBytes < this.#frame.length) return;
    this.#kept = this.#frame;
    this.#frame = new Uint8Array(0);
    if (this.#chain === chainLength) this.#adopt();
  }

  #adopt(): void {
    const kept = this.#kept;
    if (kept !== undefined) this.#header = { ...noHeader, start: kept, resume: kept, bytes: kept.length };
    this.#kept = undefined;
  }

  /** There is no frame at `#next`, but perhaps a tag. */
  #pass(tag: number): void {
    if (tag > 0) {
      if (this.#chain === chainLength) this.#sink.unit(this.#next);
      this.#next += tag;
      return;
    }
    if (!this.#counted) {
      this.info.damaged++;
      this.#debt += breakBytes;
    }
    this.#counted = true;
    this.#chain = 0;
    this.#pending = [];
    this.#kept = undefined;
    this.#aligned = false;
    this.#next++;
    this.#debt++;
  }
}
