// WAV: "Multimedia Programming Interface and Data Specifications 1.0" (Microsoft, 1991), RIFF and WAVE, and
// for RF64 EBU Tech 3306. A stream's data chunk has no end, whatever its size says (a pipe's writer can't
// know), unless it ends in fact, after which more chunks or another file may follow.
//
//   RIFF size WAVE [fmt ][LIST]... [data size | block block block block ...
//
// Joiners get a header made of the fmt chunk alone, of unlimited size. Any block (block align: one sample of
// each channel) would do as a join point; one is reported each fiftieth of a second.

import { concat, little, readNumber } from "../bytes.ts";
import { type Container, type Detector, noHeader, type Sink, type StreamInfo } from "../detector.ts";
import { fingerprint } from "../fingerprint.ts";
import { Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";

const riffBytes = 12;
const chunkHeaderBytes = 8;
/** Of a longer fmt chunk only so much would be known; there is none. */
const maxFormatBytes = 128;
/** What it costs to read a format, in bytes of stream (pace.ts). */
const formatCost = 256;
/** Join points a second of sound, and how far apart they are at the least, bytes. */
const joinsPerSecond = 50;
const minStepBytes = 64;
/** A size from here on stands for "unknown". ffmpeg writes 0xffffffff, others 0 or nearly 2 GiB. */
const unknownSize = 0x7fff_0000;

/** wFormatTag of codecs whose blocks stand for themselves, and their names. */
const formats = new Map([
  [0x0001, "pcm"],
  [0x0002, "adpcm_ms"],
  [0x0003, "pcm_float"],
  [0x0006, "pcm_alaw"],
  [0x0007, "pcm_mulaw"],
  [0x0011, "adpcm_ima_wav"],
]);
/** WAVE_FORMAT_EXTENSIBLE: the tag is at the beginning of the SubFormat. */
const extensible = 0xfffe;

const riffId = 0x5249_4646;
const rf64Id = 0x5246_3634;
const waveId = 0x5741_5645;
const formatId = 0x666d_7420;
const dataId = 0x6461_7461;

const isRiff = (bytes: Uint8Array, at: number): boolean => {
  const id = readNumber(bytes, at, 4);
  return (id === riffId || id === rf64Id) && readNumber(bytes, at + 8, 4) === waveId;
};

/** Chunk names are four printable characters. */
function isChunkName(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 4; i++) if (bytes[i] < 0x20 || bytes[i] >= 0x7f) return false;
  return true;
}

interface Format {
  codec: string;
  /** Bytes from one join point to the next, a multiple of the block align. */
  step: number;
}

/** What a fmt chunk says; undefined where blocks can't be decoded on their own, or it is no fmt chunk. */
function readFormat(chunk: Uint8Array): Format | undefined {
  if (chunk.length < 16) return undefined;
  const outer = little(chunk, 0, 2);
  const tag = outer === extensible && chunk.length >= 26 ? little(chunk, 24, 2) : outer;
  const name = formats.get(tag);
  const byteRate = little(chunk, 8, 4);
  const blockAlign = little(chunk, 12, 2);
  if (name === undefined || blockAlign === 0 || byteRate === 0) return undefined;
  const bits = little(chunk, 14, 2);
  const codec = tag === 1 ? `pcm_${bits === 8 ? "u8" : `s${bits}le`}` : tag === 3 ? `pcm_f${bits}le` : name;
  const blocks = Math.max(
    1,
    Math.ceil(minStepBytes / blockAlign),
    Math.floor(byteRate / joinsPerSecond / blockAlign),
  );
  return { codec, step: blockAlign * blocks };
}

const text = (value: string) => new TextEncoder().encode(value);

/** A header of `format`, and data without an end. */
function headerOf(format: Uint8Array): Uint8Array {
  const endless = new Uint8Array(4).fill(0xff);
  const size = Uint8Array.of(format.length, 0, 0, 0);
  return concat([text("RIFF"), endless, text("WAVEfmt "), size, format, text("data"), endless]);
}

class WavDetector implements Detector {
  readonly info: StreamInfo = { container: "wav", mediaType: "audio/wav", codecs: [], damaged: 0 };
  readonly #sink: Sink;
  lost = false;
  #state: "riff" | "chunk" | "format" | "skip" | "data" = "riff";
  readonly #gather = new Gather(maxFormatBytes);
  readonly #pace = new Pace();
  /** Bytes of this chunk that are still to come, with the padding to an even size. */
  #left = 0;
  #step = 0;
  #nextJoin = 0;
  /** Of the data that have come. */
  #end = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(riffBytes);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#state === "data" || this.#state === "skip") {
        const to = Math.min(bytes.length, at + this.#left);
        this.#left -= to - at;
        at = to;
        if (this.#state === "data") this.#data(offset + to);
        if (this.#left === 0) this.#enter("chunk", chunkHeaderBytes);
      } else {
        at = this.#gather.take(bytes, at);
        if (this.#gather.full) this.#gathered(this.#gather.bytes, offset + at);
      }
    }
  }

  padding(): readonly Uint8Array[] {
    return zeros(this.#state === "data" ? Math.min(this.#left, this.#nextJoin - this.#end) : 0);
  }

  #enter(state: "riff" | "chunk" | "format", bytes: number): void {
    this.#state = state;
    this.#gather.start(bytes);
  }

  /** Reports the join points before `end`: a block is there when it has begun. */
  #data(end: number): void {
    this.#end = end;
    for (; this.#nextJoin < end; this.#nextJoin += this.#step) this.#sink.join(this.#nextJoin);
  }

  #gathered(bytes: Uint8Array, end: number): void {
    if (this.#state === "riff") {
      if (isRiff(bytes, 0)) this.#enter("chunk", chunkHeaderBytes);
      else this.lost = true;
    } else if (this.#state === "format") {
      if (this.#pace.allows(end, formatCost)) this.#format(bytes.slice(0, this.#gather.length));
      else this.#giveUp();
    } else {
      this.#chunk(bytes, end);
    }
  }

  #chunk(bytes: Uint8Array, end: number): void {
    const name = readNumber(bytes, 0, 4);
    const size = little(bytes, 4, 4);
    this.#left = size + (size & 1);
    if (name === riffId || name === rf64Id) {
      // Another file. The gathered bytes are the beginning of its header.
      this.#state = "riff";
      this.#gather.want = riffBytes;
    } else if (name === formatId) {
      if (size > maxFormatBytes) this.lost = true;
      else this.#enter("format", this.#left);
    } else if (name === dataId && this.#step > 0) {
      if (size === 0 || size >= unknownSize) this.#left = Number.POSITIVE_INFINITY;
      this.#state = "data";
      this.#nextJoin = end;
      this.#end = end;
    } else if (!isChunkName(bytes, 0) || name === dataId) {
      this.lost = true;
    } else {
      this.#state = "skip";
      if (this.#left === 0) this.#enter("chunk", chunkHeaderBytes);
    }
  }

  #giveUp(): void {
    this.lost = true;
    this.info.problem = "constantly repeated headers";
  }

  #format(chunk: Uint8Array): void {
    const format = readFormat(chunk);
    if (format === undefined) {
      this.lost = true;
      return;
    }
    this.#step = format.step;
    this.info.codecs = [format.codec];
    const start = headerOf(chunk);
    this.#sink.header({ ...noHeader, start, fixed: fingerprint(chunk), bytes: start.length });
    this.#enter("chunk", chunkHeaderBytes);
  }
}

/** WAV and RF64 with PCM or another codec of blocks that stand for themselves. */
export const wav: Container = {
  name: "wav",
  sniff(start) {
    if (start.length < riffBytes) return "more";
    if (!isRiff(start, 0)) return "no";
    // Only a fmt chunk says whether it can be followed.
    for (let at = riffBytes; at + chunkHeaderBytes <= start.length; ) {
      const size = little(start, at + 4, 4);
      const name = readNumber(start, at, 4);
      const body = at + chunkHeaderBytes;
      if (name === formatId) {
        if (size > maxFormatBytes) return "no";
        if (body + size > start.length) return "more";
        return readFormat(start.subarray(body, body + size)) === undefined ? "no" : "yes";
      }
      if (!isChunkName(start, at) || name === dataId) return "no";
      at = body + size + (size & 1);
    }
    return "more";
  },
  create: (sink) => new WavDetector(sink),
};
