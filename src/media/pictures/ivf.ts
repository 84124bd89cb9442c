// IVF, the simple file format of VP8, VP9 and AV1. No standard has it; libvpx (ivfenc.c) defines it in fact:
// 32 bytes of header, and 12 before each frame, little endian.
//
//   DKIF version length fourcc width height rate scale frames 0 | size pts frame | size pts frame ...
//
// A key frame is a join point: VP8 RFC 6386, 9.1; VP9 bitstream specification 0.6, 6.2 and 7.2; AV1 bitstream
// specification, 5.3 (OBUs) and 5.9.2, where a sequence header comes before a key frame that is shown.
// There is no sync word: after damage the next bytes that make a credible frame header are taken for one.

import { concat, little, readNumber } from "../bytes.ts";
import { type Container, type Detector, noHeader, type Sink, type StreamInfo } from "../detector.ts";
import { ElementReader, type ElementSink } from "../elementreader.ts";
import { fingerprint } from "../fingerprint.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";

const headerBytes = 32;
const frameHeaderBytes = 12;
/** What it costs to read another file's header, in bytes of stream (pace.ts). */
const headerCost = 512;
/** Bytes of a frame that are looked at; AV1's OBUs before the first frame header are a few dozen. */
const peekBytes = 256;
/** A larger frame is taken as damage. */
const maxFrameBytes = 32 * 1024 * 1024;
/** Bytes without a credible frame header after which the stream is given up. */
const maxSearchBytes = 1024 * 1024;
/** A frame's time is at most so many ticks after the one before it; ticks may be nanoseconds. */
const maxGapTicks = 2 ** 40;
/**
 * After damage a frame's time is at most so many frames later. Bytes that are read one too early make the
 * time 256 times what it is, and must not be believed.
 */
const maxMissing = 200;

type IsKey = (frame: Uint8Array) => boolean;
const codecs = new Map<string, { name: string; isKey: IsKey }>([
  ["VP80", { name: "vp8", isKey: (frame) => (frame[0] & 1) === 0 }],
  ["VP90", { name: "vp9", isKey: isVp9Key }],
  ["AV01", { name: "av1", isKey: isAv1Key }],
]);

function isVp9Key(frame: Uint8Array): boolean {
  const profile = ((frame[0] >> 5) & 1) | ((frame[0] >> 3) & 2);
  // Profile 3 has a reserved bit before show_existing_frame and frame_type.
  const bits = profile === 3 ? frame[0] >> 1 : frame[0] >> 2;
  return frame[0] >> 6 === 2 && (bits & 3) === 0;
}

/** Whether a sequence header is followed by a key frame that is shown. */
function isAv1Key(frame: Uint8Array): boolean {
  let sequence = false;
  let reduced = false;
  for (let at = 0; at < frame.length; ) {
    const type = (frame[at] >> 3) & 15;
    const hasSize = (frame[at] & 2) !== 0;
    at += (frame[at] & 4) === 0 ? 1 : 2;
    let size = frame.length - at;
    if (hasSize) {
      // leb128
      size = 0;
      for (let shift = 0; shift < 28; shift += 7) {
        size |= (frame[at] & 0x7f) << shift;
        if (frame[at++] < 0x80) break;
      }
    }
    if (type === 1) {
      sequence = true;
      reduced = (frame[at] & 0x08) !== 0; // reduced_still_picture_header
    } else if (type === 3 || type === 6) {
      // show_existing_frame 0, frame_type 0 (KEY_FRAME), show_frame 1
      return sequence && (reduced || frame[at] >> 4 === 1);
    }
    at += size;
  }
  return false;
}

/** "DKIF", version 0, header length 32. */
const isHeader = (bytes: Uint8Array): boolean =>
  readNumber(bytes, 0, 4) === 0x44_4b_49_46 && readNumber(bytes, 4, 4) === 0x00_00_20_00;

/** Of the frame header at `at`: whether its size can be one, and the frame's time in ticks. */
const isFrameSize = (bytes: Uint8Array, at: number): boolean => {
  const size = little(bytes, at, 4);
  return size > 0 && size <= maxFrameBytes;
};
const frameTime = (bytes: Uint8Array, at: number): number => little(bytes, at + 4, 8);

const fourcc = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(8, 12));

class IvfDetector implements Detector, ElementSink {
  readonly info: StreamInfo = { container: "ivf", mediaType: "video/x-ivf", codecs: [], damaged: 0 };
  readonly #sink: Sink;
  readonly #reader = new ElementReader(this, frameHeaderBytes + peekBytes, headerBytes, maxSearchBytes);
  /** What is gathered: the file's header, a frame's, or also the frame's first bytes. */
  #part: "header" | "frame" | "peek" = "header";
  readonly #pace = new Pace();
  #isKey: IsKey = () => false;
  #frameBytes = 0;
  /** Time of the frame before, in ticks; -1 if there was none. */
  #time = -1;
  /** Ticks from one frame to the next, as of late. */
  #ticks = 1;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get lost(): boolean {
    return this.#reader.lost;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#reader.feed(bytes, offset);
  }

  padding(): readonly Uint8Array[] {
    const { stage, left, gather } = this.#reader;
    if (stage === "body") return zeros(left);
    if (stage === "search" || this.#part === "header" || gather.length === 0) return [];
    const head = new Uint8Array(frameHeaderBytes);
    head.set(gather.bytes.subarray(0, Math.min(gather.length, frameHeaderBytes)));
    return zeros(frameHeaderBytes + little(head, 0, 4) - gather.length);
  }

  #expectFrame(): void {
    this.#part = "frame";
    this.#reader.expect(frameHeaderBytes);
  }

  gathered(end: number): void {
    const { bytes } = this.#reader.gather;
    if (this.#part === "header") this.#header(bytes.slice(0, headerBytes));
    else if (this.#part === "peek") this.#frame(end);
    else if (this.begins(bytes, 0)) this.#frameHeader();
    else if (this.#reader.stage === "head" && isHeader(bytes)) this.#another(end);
    else this.#search();
  }

  ended(): void {
    this.#expectFrame();
  }

  #header(start: Uint8Array): void {
    const codec = codecs.get(fourcc(start));
    if (!isHeader(start) || codec === undefined) return this.#lose();
    this.#isKey = codec.isKey;
    this.#time = -1;
    this.info.codecs = [codec.name];
    this.info.width = little(start, 12, 2);
    this.info.height = little(start, 14, 2);
    // A key frame may change the size, but nothing the codec or what a tick is.
    const fixed = fingerprint(concat([start.subarray(8, 12), start.subarray(16, 24)]));
    this.#sink.header({ ...noHeader, start, fixed, bytes: start.length });
    this.#expectFrame();
  }

  /** Another file follows; the gathered bytes are the beginning of its header. */
  #another(end: number): void {
    if (!this.#pace.allows(end, headerCost)) {
      this.info.problem = "streams that restart constantly";
      return this.#lose();
    }
    this.#sink.unit(end - frameHeaderBytes);
    this.#part = "header";
    this.#reader.want(headerBytes);
  }

  readonly begins = (bytes: Uint8Array, at: number): boolean => {
    // Times of 2^48 ticks and more are out of the question: a short no for most of what a search meets.
    if (bytes[at + 10] !== 0 || bytes[at + 11] !== 0 || !isFrameSize(bytes, at)) return false;
    const gap = frameTime(bytes, at) - Math.max(0, this.#time);
    const maxGap = this.#reader.stage === "search" ? maxMissing * this.#ticks : maxGapTicks;
    return gap >= 0 && gap <= maxGap;
  };

  #frameHeader(): void {
    const { bytes } = this.#reader.gather;
    const time = frameTime(bytes, 0);
    if (this.#time >= 0 && this.#reader.stage === "head") this.#ticks = Math.max(1, time - this.#time);
    this.#time = time;
    this.#frameBytes = little(bytes, 0, 4);
    this.#part = "peek";
    this.#reader.searched = 0;
    this.#reader.want(frameHeaderBytes + Math.min(this.#frameBytes, peekBytes));
  }

  /** A frame's first bytes are there. */
  #frame(end: number): void {
    const { bytes, length } = this.#reader.gather;
    if (this.#isKey(bytes.subarray(frameHeaderBytes, length))) this.#sink.join(end - length);
    else this.#sink.unit(end - length);
    this.#reader.enter(frameHeaderBytes + this.#frameBytes - length, end);
  }

  /** There is no frame header here: one is looked for from the next byte on. */
  #search(): void {
    if (this.#time < 0) return this.#lose(); // nothing to go by
    this.info.damaged++;
    this.#reader.search(frameHeaderBytes, 1);
  }

  #lose(): void {
    this.#reader.lost = true;
  }
}

/** IVF with VP8, VP9 or AV1. */
export const ivf: Container = {
  name: "ivf",
  sniff(start) {
    if (start.length < 12) return "more";
    if (!isHeader(start) || !codecs.has(fourcc(start))) return "no";
    if (start.length < headerBytes + frameHeaderBytes) return "more";
    return isFrameSize(start, headerBytes) && frameTime(start, headerBytes) <= maxGapTicks ? "yes" : "no";
  },
  create: (sink) => new IvfDetector(sink),
};
