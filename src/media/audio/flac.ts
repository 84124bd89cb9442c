// FLAC as a bare stream: RFC 9639, 8 (metadata blocks) and 9.1 (frame header). A joiner gets the STREAMINFO
// as header, and every frame is a join point.
//
//   fLaC [STREAMINFO][VORBIS_COMMENT][...] [frame 0][frame 1][frame 2] ...
//
// A frame does not give its length, so all bytes are searched for the next header. One is believed when its
// CRC-8 is right, it agrees with the STREAMINFO and its number is the one that must follow; where frames are
// missing, when another one follows it as it should. Another "fLaC" with its STREAMINFO begins anew.

import { type Container, type Detector, noHeader, type Sink, type StreamInfo } from "../detector.ts";
import { fingerprint } from "../fingerprint.ts";
import { Gather } from "../gather.ts";
import { Pace } from "../pace.ts";

/** "fLaC" and the header of the STREAMINFO block, but for the bit that marks the last block. */
const magic = [0x66, 0x4c, 0x61, 0x43, 0x00, 0x00, 0x00, 0x22];
const streamInfoBytes = 34;
const blockHeaderBytes = 4;
/** A frame header is at most this long: 4 fixed, number 7, block size 2, sampling rate 2, CRC 1. */
const maxFrameHeaderBytes = 16;
/** Beyond three frames of the largest size, bytes in which no frame was found and the stream is given up. */
const minSearchBytes = 65_536;

/** What it costs to begin anew, in bytes of stream (pace.ts). */
const startCost = 256;
/** Bits a sample by their code in the frame header; 0: as in the STREAMINFO, -1: reserved. */
const sampleBits = [0, 8, 12, -1, 16, 20, 24, 32];

/** CRC-8 with the polynomial x^8 + x^2 + x + 1 (9.1.8). */
const crcTable = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ ((crc & 0x80) !== 0 ? 0x07 : 0)) & 0xff;
  return crc;
});

function hasMagic(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < magic.length; i++) {
    if ((i === 4 ? bytes[at + i] & 0x7f : bytes[at + i]) !== magic[i]) return false;
  }
  return true;
}

class FlacDetector implements Detector {
  readonly info: StreamInfo = { container: "flac", mediaType: "audio/flac", codecs: ["flac"], damaged: 0 };
  readonly #sink: Sink;
  readonly #pace = new Pace();
  lost = false;
  /** What the bytes at `#next` are. `skip` is the body of a block that is not kept. */
  #state: "magic" | "streaminfo" | "block" | "skip" | "frames" = "magic";
  #gather = new Gather(magic.length + streamInfoBytes);
  #last = false;
  #skip = 0;
  /** The stream's: channels, bits a sample, and the most bytes that may pass without a frame. */
  #channels = 0;
  #bits = 0;
  #maxSearchBytes = minSearchBytes;
  /** The number that the next frame must have; -1 where any will do, since a block has just ended there. */
  #expected = -1;
  /** The number that would follow a header that was not expected; -1 if there was none. */
  #unsure = -1;
  #searched = 0;
  /** Of the header read last: the frame's number, or its first sample's, and the number that must follow. */
  #number = 0;
  #following = 0;
  #tail = new Uint8Array(2 * maxFrameHeaderBytes);
  #tailBytes = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(magic.length + streamInfoBytes);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#state === "frames") at = this.#search(bytes, at, offset);
      else at = this.#metadata(bytes, at);
    }
  }

  #metadata(bytes: Uint8Array, from: number): number {
    if (this.#state === "skip") {
      const to = Math.min(bytes.length, from + this.#skip);
      this.#skip -= to - from;
      if (this.#skip === 0) this.#nextBlock();
      return to;
    }
    const at = this.#gather.take(bytes, from);
    if (!this.#gather.full) return at;
    const gathered = this.#gather.bytes;
    if (this.#state === "block") {
      this.#last = (gathered[0] & 0x80) !== 0;
      this.#skip = this.#gather.number(1, 3);
      this.#state = "skip";
      if (this.#skip === 0) this.#nextBlock();
    } else if (hasMagic(gathered, 0)) {
      this.#streamInfo(gathered.slice(0, magic.length + streamInfoBytes));
      this.#nextBlock();
    } else {
      this.lost = true;
    }
    return at;
  }

  #nextBlock(): void {
    this.#state = this.#last ? "frames" : "block";
    this.#gather.start(blockHeaderBytes);
    this.#expected = -1;
    this.#unsure = -1;
    this.#searched = 0;
  }

  #streamInfo(start: Uint8Array): void {
    this.#last = (start[4] & 0x80) !== 0;
    const block = start.subarray(magic.length);
    this.#channels = ((block[12] >> 1) & 7) + 1;
    this.#bits = (((block[12] & 1) << 4) | (block[13] >> 4)) + 1;
    const maxFrameBytes = ((block[2] << 8) | block[3]) * this.#channels * Math.ceil((this.#bits + 1) / 8);
    this.#maxSearchBytes = minSearchBytes + 3 * maxFrameBytes;
    // No other block follows; a joiner's frame sizes, number of samples and MD5 are unknown.
    start[4] |= 0x80;
    block.fill(0, 4, 10);
    block[13] &= 0xf0;
    block.fill(0, 14);
    const fixed = fingerprint(block.subarray(10, 14));
    this.#sink.header({ ...noHeader, start, fixed, bytes: start.length });
  }

  /** Searches for frame headers. The bytes that may be the beginning of one are kept for the next piece. */
  #search(bytes: Uint8Array, from: number, offset: number): number {
    const kept = this.#tailBytes;
    if (kept > 0) {
      const taken = Math.min(bytes.length - from, maxFrameHeaderBytes - 1);
      this.#tail.set(bytes.subarray(from, from + taken), kept);
      const joined = this.#tail.subarray(0, kept + taken);
      const at = this.#scan(joined, 0, kept, offset + from - kept);
      this.#tailBytes = 0;
      if (at >= kept || this.lost) return from + at - kept;
      if (this.#state !== "frames") {
        this.#gather.take(joined, at);
        return from + taken;
      }
      this.#tail.copyWithin(0, at, joined.length);
      this.#tailBytes = joined.length - at;
      return bytes.length;
    }
    const at = this.#scan(bytes, from, bytes.length, offset);
    if (this.#state !== "frames" || this.lost) return at;
    this.#tail.set(bytes.subarray(at));
    this.#tailBytes = bytes.length - at;
    return bytes.length;
  }

  /** Looks for headers that begin in `bytes[from .. to)`; returns the first place that it could not judge. */
  #scan(bytes: Uint8Array, from: number, to: number, offset: number): number {
    const end = Math.min(to, bytes.length - maxFrameHeaderBytes + 1);
    let counted = from;
    let at = from;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte !== 0xff && byte !== 0x66) continue;
      if (byte === 0x66) {
        if (!hasMagic(bytes, at)) continue;
        if (!this.#pace.allows(offset + at, startCost)) {
          this.lost = true;
          this.info.problem = "streams that restart constantly";
          return at;
        }
        this.#sink.unit(offset + at);
        this.#state = "magic";
        this.#gather.start(magic.length + streamInfoBytes);
        return at;
      }
      if (!this.#isHeader(bytes, at)) continue;
      this.#searched += at - counted;
      counted = at;
      if (this.#searched > this.#maxSearchBytes) break;
      if (this.#follows()) this.#sink.join(offset + at);
    }
    this.#searched += Math.max(0, at - counted);
    this.lost = this.#searched > this.#maxSearchBytes;
    return Math.max(at, from);
  }

  /** Whether the header read last stands where it should. */
  #follows(): boolean {
    const expected = this.#expected === -1 ? this.#searched === 0 : this.#number === this.#expected;
    if (!expected && this.#number !== this.#unsure) {
      this.#unsure = this.#following;
      return false;
    }
    if (!expected) this.info.damaged++;
    this.#expected = this.#following;
    this.#unsure = -1;
    this.#searched = 0;
    return true;
  }

  /** Whether a frame header of this stream is at `at`; its number is then in `#number`. */
  #isHeader(bytes: Uint8Array, at: number): boolean {
    if (bytes[at + 1] >> 1 !== 0x7c) return false; // the rest of the sync code
    const blockCode = bytes[at + 2] >> 4;
    const rateCode = bytes[at + 2] & 0xf;
    const channels = bytes[at + 3] >> 4;
    const bits = sampleBits[(bytes[at + 3] >> 1) & 7];
    if (blockCode === 0 || rateCode === 15 || channels > 10 || (bytes[at + 3] & 1) !== 0) return false;
    if ((channels < 8 ? channels + 1 : 2) !== this.#channels) return false;
    if (bits !== 0 && bits !== this.#bits) return false;
    let end = at + 4;
    const first = bytes[end++];
    const more = Math.clz32(~(first << 24)) - 1; // continuation bytes; -1: none
    if (more === 0 || more > 6) return false;
    let number = more < 0 ? first : first & (0x3f >> more);
    for (let i = 0; i < more; i++) {
      if (bytes[end] >> 6 !== 2) return false;
      number = number * 64 + (bytes[end++] & 0x3f);
    }
    let samples = blockCode < 6 ? 576 << (blockCode - 2) : 256 << (blockCode - 8);
    if (blockCode === 1) samples = 192;
    if (blockCode === 6) samples = bytes[end++] + 1;
    if (blockCode === 7) samples = ((bytes[end++] << 8) | bytes[end++]) + 1;
    if (rateCode === 12) end += 1;
    if (rateCode > 12) end += 2;
    let crc = 0;
    for (let i = at; i < end; i++) crc = crcTable[crc ^ bytes[i]];
    if (crc !== bytes[end]) return false;
    this.#number = number;
    // With blocks of one size frames are counted, else samples.
    this.#following = number + ((bytes[at + 1] & 1) === 0 ? 1 : samples);
    return true;
  }
}

/** FLAC without a container. */
export const flac: Container = {
  name: "flac",
  sniff(start) {
    for (let i = 0; i < Math.min(4, start.length); i++) if (start[i] !== magic[i]) return "no";
    if (start.length < magic.length) return "more";
    return hasMagic(start, 0) ? "yes" : "no";
  },
  create: (sink) => new FlacDetector(sink),
};
