// Y4M, uncompressed video: yuv4mpeg(5) of mjpegtools; the colour spaces are those that ffmpeg writes as well.
// The stream header is one line that gives every frame's size, and every frame is a join point.
//
//   YUV4MPEG2 W640 H360 F25:1 C420jpeg\n | FRAME\n pixels | FRAME\n pixels | ...
//
// After damage the next "FRAME" is looked for. Another header line between frames replaces the first.

import { type Container, type Detector, noHeader, type Sink, type StreamInfo } from "../detector.ts";
import { fingerprint } from "../fingerprint.ts";
import { Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";

const magic = "YUV4MPEG2 ";
const frameMagic = "FRAME";
/** A longer line is no header of ours, and between frames is damage. */
const maxLineBytes = 1024;
/** Bytes without a frame, beyond two of them, after which the stream is given up. */
const minSearchBytes = 1024 * 1024;
const newline = 0x0a;
/** What it costs to read a byte of a stream header, in bytes of stream (pace.ts). */
const headerCost = 4;

/** Samples of each plane but the first to those of the first, across and down, and how many such planes. */
const colours: Record<string, { across: number; down: number; planes: number }> = {
  "420": { across: 2, down: 2, planes: 2 },
  "411": { across: 4, down: 1, planes: 2 },
  "410": { across: 4, down: 4, planes: 2 },
  "422": { across: 2, down: 1, planes: 2 },
  "440": { across: 1, down: 2, planes: 2 },
  "444": { across: 1, down: 1, planes: 2 },
  "444alpha": { across: 1, down: 1, planes: 3 },
  mono: { across: 1, down: 1, planes: 0 },
};

interface Format {
  width: number;
  height: number;
  frameBytes: number;
}

/** What a stream header line says, without its newline; undefined if it is none or has an unknown colour space. */
function readHeader(line: string): Format | undefined {
  if (!line.startsWith(magic)) return undefined;
  const [, ...fields] = line.split(" ");
  const value = (tag: string) => fields.find((field) => field.startsWith(tag))?.slice(1);
  const width = Number(value("W"));
  const height = Number(value("H"));
  const [, colour, , depth] =
    /^(444alpha|mono|4\d\d)(jpeg|paldv|mpeg2)?(?:p?(9|1[0246]))?$/.exec(value("C") ?? "420") ?? [];
  const planes = colours[colour ?? ""];
  const known = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!known || width > 65_535 || height > 65_535 || planes === undefined) return undefined;
  const chroma = Math.ceil(width / planes.across) * Math.ceil(height / planes.down);
  const samples = width * height + planes.planes * chroma;
  return { width, height, frameBytes: samples * (depth === undefined ? 1 : 2) };
}

const latin1 = new TextDecoder("latin1");
const text = (bytes: Uint8Array): string => latin1.decode(bytes);

class Y4mDetector implements Detector {
  readonly info: StreamInfo = {
    container: "y4m",
    mediaType: "video/x-yuv4mpeg",
    codecs: ["rawvideo"],
    damaged: 0,
  };
  readonly #sink: Sink;
  #state: "line" | "pixels" | "search" | "lost" = "line";
  readonly #line = new Gather(maxLineBytes);
  readonly #pace = new Pace();
  #frameBytes = 0;
  #left = 0;
  #searched = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#line.start(maxLineBytes);
  }

  get lost(): boolean {
    return this.#state === "lost";
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && this.#state !== "lost") {
      if (this.#state === "line") at = this.#readLine(bytes, at, offset);
      else if (this.#state === "search") at = this.#search(bytes, at);
      else {
        const to = Math.min(bytes.length, at + this.#left);
        this.#left -= to - at;
        at = to;
        if (this.#left === 0) this.#nextLine();
      }
    }
  }

  padding(): readonly Uint8Array[] {
    if (this.#state === "pixels") return zeros(this.#left);
    const line = text(this.#line.bytes.subarray(0, this.#line.length));
    if (this.#state !== "line" || this.#frameBytes === 0 || line === "") return zeros(0);
    const rest = new TextEncoder().encode(`${frameMagic}\n`.slice(line.length));
    return [rest, ...zeros(this.#frameBytes)];
  }

  #nextLine(): void {
    this.#state = "line";
    this.#line.start(maxLineBytes);
  }

  #readLine(bytes: Uint8Array, from: number, offset: number): number {
    const limit = Math.min(bytes.length, from + this.#line.want - this.#line.length);
    let end = from;
    while (end < limit && bytes[end] !== newline) end++;
    const isWhole = end < limit;
    const at = this.#line.take(bytes, from, isWhole ? end + 1 : end);
    if (isWhole) this.#judge(offset + at - this.#line.length);
    else if (this.#line.full) this.#damage();
    return at;
  }

  /** Judges the line that began at `offset`. */
  #judge(offset: number): void {
    if (this.#frameBytes > 0 && this.#isFrame()) {
      this.#searched = 0;
      this.#left = this.#frameBytes;
      this.#state = "pixels";
      this.#sink.join(offset);
      return;
    }
    const isDue = this.#pace.allows(offset, headerCost * this.#line.length);
    const format = isDue ? readHeader(text(this.#line.bytes.subarray(0, this.#line.length - 1))) : undefined;
    if (format === undefined) return this.#damage();
    if (this.#frameBytes > 0) this.#sink.unit(offset);
    this.#frameBytes = format.frameBytes;
    this.info.width = format.width;
    this.info.height = format.height;
    const start = this.#line.bytes.slice(0, this.#line.length);
    this.#sink.header({ ...noHeader, start, fixed: fingerprint(start), bytes: start.length });
    this.#nextLine();
  }

  /** Whether the line is that of a frame: its magic alone, or with fields behind it. */
  #isFrame(): boolean {
    const { bytes, length } = this.#line;
    for (let i = 0; i < frameMagic.length; i++) if (bytes[i] !== frameMagic.charCodeAt(i)) return false;
    const next = bytes[frameMagic.length];
    return length > frameMagic.length && (next === newline || next === 0x20);
  }

  #damage(): void {
    if (this.#frameBytes === 0) {
      this.#state = "lost";
      return;
    }
    if (this.#searched === 0) this.info.damaged++;
    this.#searched += this.#line.length;
    this.#state = "search";
    this.#line.start(maxLineBytes);
  }

  /** Looks for the next "FRAME", of which `#line` has what is matched already. */
  #search(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#line.length < frameMagic.length) {
      const wanted = frameMagic.charCodeAt(this.#line.length);
      if (bytes[at] === wanted) {
        this.#line.bytes[this.#line.length++] = wanted;
        at++;
      } else if (this.#line.length > 0) {
        // No part of "FRAME" repeats: what was matched can't be the beginning of another.
        this.#line.length = 0;
      } else {
        const next = bytes.indexOf(wanted, at);
        at = next < 0 ? bytes.length : next;
      }
    }
    this.#searched += at - from;
    if (this.#line.length === frameMagic.length) this.#state = "line";
    if (this.#searched > minSearchBytes + 2 * this.#frameBytes) this.#state = "lost";
    return at;
  }
}

/** Y4M of any colour space that ffmpeg reads. */
export const y4m: Container = {
  name: "y4m",
  sniff(start) {
    const beginning = text(start.subarray(0, magic.length));
    if (!magic.startsWith(beginning)) return "no";
    const end = start.subarray(0, maxLineBytes).indexOf(newline);
    if (end < 0) return start.length < maxLineBytes ? "more" : "no";
    return readHeader(text(start.subarray(0, end))) === undefined ? "no" : "yes";
  },
  create: (sink) => new Y4mDetector(sink),
};
