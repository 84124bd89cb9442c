// MPEG audio, layers I to III: ISO/IEC 11172-3, 2.4.1 and 2.4.2.3 (header), ISO/IEC 13818-3, 2.4.2.3 (the
// lower sampling rates), and the common extension of those to a quarter ("MPEG-2.5"). Frames of the free
// format, whose length no header gives, are not followed.
//
// Each frame is a join point, although layer III lets a frame's data begin in the frames before it (the bit
// reservoir, main_data_begin): decoders play the few frames whose data they miss as silence, without a word.
// In mid-stream they would take the data of frames before the gap for it, which is a burst of noise. So a
// watcher that skips is given a short silent frame, after which the reservoir is empty.

import type { Container } from "../detector.ts";
import { cut, type FrameFormat, whole } from "./frames.ts";

/** kbit/s by bitrate_index; 0 is the free format, 15 forbidden. ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3. */
const rates = {
  one: [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
  ],
  two: [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
  ],
};

/** Samples a second of MPEG-1 by sampling_frequency; MPEG-2 has half of it, MPEG-2.5 a quarter. */
const samplingRates = [44_100, 48_000, 32_000];

/** I, II or III as 1, 2, 3; 4 is reserved. */
const layerOf = (bytes: ArrayLike<number>, at: number): number => 4 - ((bytes[at + 1] >> 1) & 3);

/** The length of a frame in bytes, 0 if there is no valid header. */
function lengthOf(bytes: ArrayLike<number>, at: number): number {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xe0) !== 0xe0) return 0;
  const version = (bytes[at + 1] >> 3) & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5, 1: reserved
  const layer = layerOf(bytes, at);
  const sampling = (bytes[at + 2] >> 2) & 3;
  if (version === 1 || layer === 4 || sampling === 3 || (bytes[at + 3] & 3) === 2) return 0;
  const rate = (version === 3 ? rates.one : rates.two)[layer - 1][bytes[at + 2] >> 4] * 1000;
  if (rate === 0) return 0;
  const samplingRate = samplingRates[sampling] >> (version === 3 ? 0 : version === 2 ? 1 : 2);
  const padding = (bytes[at + 2] >> 1) & 1;
  if (layer === 1) return 4 * (Math.floor((12 * rate) / samplingRate) + padding);
  // A layer III frame at the lower rates is one granule, not two.
  const slots = layer === 3 && version !== 3 ? 72 : 144;
  return Math.floor((slots * rate) / samplingRate) + padding;
}

/**
 * A layer III frame of silence with the parameters of the one at `at`, whose data leave the reservoir empty:
 * all of them belong to the first channel of the first granule (part2_3_length), where ones are zeros of the
 * spectrum (ISO/IEC 11172-3, 2.4.1.7 and table 3-B.7 A), and there is not one bit of anything else.
 */
function silence(bytes: Uint8Array, at: number): Uint8Array {
  // No CRC, the lowest bit rate, no padding.
  const header = [0xff, bytes[at + 1] | 1, 0x10 | (bytes[at + 2] & 0x0c), bytes[at + 3] & 0xcf];
  const frame = new Uint8Array(lengthOf(header, 0)).fill(0xff);
  frame.set(header);
  const mono = header[3] >> 6 === 3;
  const first = (header[1] & 8) !== 0; // MPEG-1
  const sideBytes = first ? (mono ? 17 : 32) : mono ? 9 : 17;
  frame.fill(0, 4, 4 + sideBytes);
  // Before part2_3_length are main_data_begin, private_bits and, in MPEG-1, scfsi.
  const bit = first ? (mono ? 9 + 5 + 4 : 9 + 3 + 8) : mono ? 8 + 1 : 8 + 2;
  const partBits = 8 * (frame.length - 4 - sideBytes);
  for (let i = 0; i < 12; i++) {
    if (((partBits >> (11 - i)) & 1) !== 0) frame[4 + ((bit + i) >> 3)] |= 0x80 >> ((bit + i) & 7);
  }
  return frame;
}

const format: FrameFormat = {
  name: "mp3",
  sync: 0xff,
  // MPEG-2.5 layer II at 160 kbit/s and 8 kHz.
  maxFrameBytes: 2881,
  tagged: true,
  length: lengthOf,
  // version, layer, protection_bit, sampling_frequency, and whether there is one channel
  key: (bytes, at) =>
    (bytes[at + 1] << 16) | ((bytes[at + 2] & 0x0c) << 8) | (bytes[at + 3] >> 6 === 3 ? 1 : 0),
  joins: () => true,
  resume: (bytes, at) => (layerOf(bytes, at) === 3 ? silence(bytes, at) : new Uint8Array(0)),
  describe: (bytes, at) => ({ codec: `mp${layerOf(bytes, at)}`, mediaType: "audio/mpeg" }),
};

/** MPEG audio frames: MP3, MP2 and MP1. */
export const mp3: Container = whole(format);

/** The same of a stream that begins inside a frame. */
export const cutMp3: Container = cut(format);
