// Motion JPEG: JPEG images one after the other (ISO/IEC 10918-1, annex B), each of them a join point once its data begin.
//
//   SOI [FF xx length ...]... SOS length ... entropy-coded bytes with FF 00 and RSTn ... EOI | SOI ...
//
// Segments are passed over by their lengths, entropy-coded bytes are searched for the next marker. Zeros
// between images, with which some cameras pad, are let pass; anything else is damage.

import { readNumber } from "../bytes.ts";
import { type Container, type Detector, noHeader, type Sink, type StreamInfo } from "../detector.ts";
import { Gather } from "../gather.ts";

/** Bytes of one image, and bytes outside of images with no whole one between, at which a stream is given up. */
const maxImageBytes = 32 * 1024 * 1024;
const maxGapBytes = 1024 * 1024;

const soi = 0xd8;
const eoi = 0xd9;
const sos = 0xda;
const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;
/** SOF0 to SOF15: the frame header, with the image's size; DHT, JPG and DAC lie among them. */
const isFrameHeader = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
/** Markers that a length follows; those below are reserved. */
const isSegment = (marker: number): boolean => marker >= 0xc0 && !isRestart(marker);

class MjpegDetector implements Detector {
  readonly info: StreamInfo = {
    container: "mjpeg",
    mediaType: "video/x-motion-jpeg",
    codecs: ["mjpeg"],
    damaged: 0,
  };
  readonly #sink: Sink;
  lost = false;
  /** Between images, in a marker or what must be known of its segment, the segment's rest, in the data. */
  #state: "gap" | "marker" | "segment" | "data" | "escape" = "gap";
  /** FF, marker, length, and of a frame header precision, height and width. */
  readonly #gather = new Gather(9);
  #left = 0;
  #inImage = false;
  #imageBytes = 0;
  /** Where the image began whose data are still to come; -1 if there is none. */
  #imageOffset = -1;
  /** Bytes outside of images since one was whole. */
  #gapBytes = 0;
  #clean = true;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.header(noHeader);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      const to = this.#step(bytes, at, offset);
      if (this.#inImage) this.#imageBytes += to - at;
      else this.#gapBytes += to - at;
      at = to;
      this.lost = this.#imageBytes > maxImageBytes || this.#gapBytes > maxGapBytes;
    }
  }

  /** Reads on from `from`, and returns how far it came: at least one byte, or into another state. */
  #step(bytes: Uint8Array, from: number, offset: number): number {
    if (this.#state === "gap") return this.#gap(bytes, from);
    if (this.#state === "marker") {
      const at = this.#gather.take(bytes, from);
      if (this.#gather.full) this.#marker(offset + at);
      return at;
    }
    if (this.#state === "segment") {
      const to = Math.min(bytes.length, from + this.#left);
      this.#left -= to - from;
      if (this.#left === 0) this.#segmentEnd();
      return to;
    }
    if (this.#state === "data") {
      let found = bytes.indexOf(0xff, from);
      // Zeros behind an FF are part of the data, however many there are.
      while (found >= 0 && bytes[found + 1] === 0) {
        const next = found + 2;
        found = bytes[next] === 0xff ? next : bytes.indexOf(0xff, next);
      }
      if (found >= 0) this.#state = "escape";
      return found < 0 ? bytes.length : found + 1;
    }
    const byte = bytes[from];
    if (byte === 0xff) return from + 1; // a fill byte
    if (byte === 0 || isRestart(byte)) {
      this.#state = "data";
      return from + 1;
    }
    this.#markerAfterFf();
    return from;
  }

  /** Between images: on to the next FF. */
  #gap(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && bytes[at] === 0) at++;
    if (at === bytes.length) return at;
    if (bytes[at] === 0xff) {
      this.#markerAfterFf();
      return at + 1;
    }
    this.#damage();
    const found = bytes.indexOf(0xff, at);
    return found < 0 ? bytes.length : found;
  }

  #markerAfterFf(): void {
    this.#state = "marker";
    this.#gather.start(2);
    this.#gather.bytes[0] = 0xff;
    this.#gather.length = 1;
  }

  /** Judges what is gathered of a marker and its segment, `end` being the offset behind it. */
  #marker(end: number): void {
    const gathered = this.#gather.bytes;
    const marker = gathered[1];
    const length = this.#gather.length > 2 ? readNumber(gathered, 2, 2) : 0;
    if (gathered[0] !== 0xff) {
      this.#damage();
    } else if (marker === 0xff) {
      this.#gather.length = 1; // a fill byte
    } else if (marker === soi) {
      this.#image(end - 2);
    } else if (!this.#inImage || !isSegment(marker)) {
      this.#damage();
    } else if (marker === eoi) {
      this.#sink.unit(end);
      this.#clean = true;
      this.#gapBytes = 0;
      this.#enterGap();
    } else if (this.#gather.length === 2) {
      this.#gather.want = 4;
    } else if (length < 2) {
      this.#damage();
    } else if (this.#gather.length === 4 && isFrameHeader(marker) && length >= 7) {
      this.#gather.want = 9;
    } else {
      if (this.#gather.length === 9) this.#frameHeader();
      this.#left = length + 2 - this.#gather.length;
      this.#state = "segment";
      if (this.#left === 0) this.#segmentEnd();
    }
  }

  #image(offset: number): void {
    // An image that was not ended is cut short; the new one is as good as any.
    if (this.#inImage) this.#damage();
    this.#imageOffset = offset;
    this.#inImage = true;
    this.#imageBytes = 0;
    this.#nextMarker();
  }

  #frameHeader(): void {
    this.info.height = readNumber(this.#gather.bytes, 5, 2);
    this.info.width = readNumber(this.#gather.bytes, 7, 2);
  }

  #segmentEnd(): void {
    if (this.#gather.bytes[1] !== sos) return this.#nextMarker();
    this.#state = "data";
    if (this.#imageOffset >= 0) this.#sink.join(this.#imageOffset);
    this.#imageOffset = -1;
  }

  #nextMarker(): void {
    this.#state = "marker";
    this.#gather.start(2);
  }

  #damage(): void {
    if (this.#clean) this.info.damaged++;
    this.#clean = false;
    this.#enterGap();
  }

  #enterGap(): void {
    this.#state = "gap";
    this.#inImage = false;
  }
}

/** JPEG images in a row. */
export const mjpeg: Container = {
  name: "mjpeg",
  /** An image's beginning up to its data is proof enough: the next image may be far beyond what a sniffer sees. */
  sniff(start) {
    let frame = false;
    for (let at = 0; at + 4 <= start.length; ) {
      const marker = start[at + 1];
      if (start[at] !== 0xff) return "no";
      if (at === 0) {
        if (marker !== soi) return "no";
        at += 2;
        continue;
      }
      const length = readNumber(start, at + 2, 2);
      if (!isSegment(marker) || marker === soi || marker === eoi || marker === 0xff || length < 2)
        return "no";
      if (marker === sos) return frame ? "yes" : "no";
      frame ||= isFrameHeader(marker);
      at += 2 + length;
    }
    return "more";
  },
  create: (sink) => new MjpegDetector(sink),
};
