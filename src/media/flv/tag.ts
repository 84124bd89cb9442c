// What an FLV tag is, from its head and its first payload bytes: configuration, keyframe, sound, metadata.
// FLV 10.1, E.4.1 to E.4.4, with the HEVC and AV1 codec numbers that encoders had agreed on before Enhanced
// RTMP v2 gave each codec a FourCC, several tracks and "ModEx" prefixes.

import { h264Size } from "../annexb/h264.ts";
import { hevcSize } from "../annexb/hevc.ts";
import { readNumber } from "../bytes.ts";
import { fourCc } from "../mp4/boxes.ts";

/** A tag's head: type, payload size, timestamp, stream id. */
export const tagHeadBytes = 11;
/** How much of the payload decides what a tag is: enough for Enhanced RTMP's usual prefixes. */
export const peekBytes = 16;
/** No encoder makes frames this large; a size beyond it is taken for damage. */
const maxPayloadBytes = 8 * 1024 * 1024;

const audioTag = 8;
const videoTag = 9;
const scriptTag = 18;

const videoCodecs = new Map<number, string>([
  [2, "flv1"],
  [3, "flashsv"],
  [4, "vp6f"],
  [5, "vp6a"],
  [6, "flashsv2"],
  [7, "h264"],
  [12, "hevc"],
  [13, "av1"],
]);
const audioCodecs = new Map<number, string>([
  [0, "pcm_s16le"],
  [1, "adpcm_swf"],
  [2, "mp3"],
  [3, "pcm_s16le"],
  [4, "nellymoser"],
  [5, "nellymoser"],
  [6, "nellymoser"],
  [7, "pcm_alaw"],
  [8, "pcm_mulaw"],
  [10, "aac"],
  [11, "speex"],
  [14, "mp3"],
]);
/** FourCCs of Enhanced RTMP, as numbers. */
const fourCcs = new Map<number, string>(
  Object.entries({
    avc1: "h264",
    hvc1: "hevc",
    vvc1: "vvc",
    vp08: "vp8",
    vp09: "vp9",
    av01: "av1",
    mp4a: "aac",
    Opus: "opus",
    fLaC: "flac",
    "ac-3": "ac3",
    "ec-3": "eac3",
    ".mp3": "mp3",
  }).map(([name, codec]) => [fourCc(name), codec]),
);
/** Codecs that can't be decoded before a configuration tag came. */
const configured = new Set(["h264", "hevc", "vvc", "av1", "vp9", "aac"]);

/** "onMetaData" as an AMF0 string, which is how a metadata tag's payload begins. */
const onMetaData = [0x02, 0x00, 0x0a, ...new TextEncoder().encode("onMetaData")];

/** Whether the bytes at `at` (eleven at least) can be the head of a tag. Chance: one in a billion. */
export function isPlausibleTag(bytes: Uint8Array, at: number): boolean {
  const type = bytes[at];
  return (
    (type === audioTag || type === videoTag || type === scriptTag) &&
    bytes[at + 8] === 0 &&
    bytes[at + 9] === 0 &&
    bytes[at + 10] === 0 &&
    readNumber(bytes, at + 1, 3) <= maxPayloadBytes
  );
}

/** One tag's facts, read again for each tag so that nothing is allocated on the way. */
export class Tag {
  role: "metadata" | "config" | "video" | "audio" | "other" = "other";
  /** ffmpeg's short name, or empty where unknown. */
  codec = "";
  /** Audio tracks count from 0, video tracks from 256. */
  track = 0;
  keyframe = false;
  timestampMs = 0;

  /** Whether a decoder needs the track's configuration tag first. */
  get needsConfig(): boolean {
    return configured.has(this.codec);
  }

  /** Reads the tag whose head and first payload bytes, at most `peekBytes`, are the first `length` of `bytes`. */
  read(bytes: Uint8Array, length: number): void {
    this.role = "other";
    this.codec = "";
    this.keyframe = false;
    this.timestampMs = bytes[7] * 0x100_0000 + readNumber(bytes, 4, 3);
    if (length < tagHeadBytes + 2) return;
    if (bytes[0] === scriptTag) {
      if (isMetadata(bytes, length)) this.role = "metadata";
    } else if (bytes[0] === videoTag) {
      this.track = 256;
      this.#video(bytes, length);
    } else {
      this.track = 0;
      this.#audio(bytes, length);
    }
  }

  #video(bytes: Uint8Array, length: number): void {
    const first = bytes[tagHeadBytes];
    const extended = (first & 0x80) !== 0;
    const frameType = (first >> 4) & 7;
    if (frameType === 5) return; // a command to the player, no frame
    this.keyframe = frameType === 1 || frameType === 4;
    if (extended) {
      const packet = this.#extended(bytes, length, 6);
      if (packet === 0 || packet === 5) this.role = "config";
      else if (packet === 1 || packet === 3) this.role = "video";
    } else {
      const codec = first & 15;
      const packet = codec === 7 || codec === 12 || codec === 13 ? bytes[tagHeadBytes + 1] : 1;
      this.codec = videoCodecs.get(codec) ?? "";
      if (packet < 2) this.role = packet === 0 ? "config" : "video";
    }
  }

  #audio(bytes: Uint8Array, length: number): void {
    const format = bytes[tagHeadBytes] >> 4;
    if (format === 9) {
      const packet = this.#extended(bytes, length, 5);
      if (packet === 0) this.role = "config";
      else if (packet === 1) this.role = "audio";
    } else {
      this.codec = audioCodecs.get(format) ?? "";
      this.role = format === 10 && bytes[tagHeadBytes + 1] === 0 ? "config" : "audio";
    }
  }

  /** Reads the extended tag's prefix: sets codec and track; the packet type, or -1 if it is cut short. */
  #extended(bytes: Uint8Array, length: number, multitrack: number): number {
    let packet = bytes[tagHeadBytes] & 15;
    let at = tagHeadBytes + 1;
    while (packet === 7 && at + 1 < length) {
      // ModEx: a size less one (255: two more bytes have it), as many bytes, then the type of the rest
      const wide = bytes[at] === 255;
      at += (wide ? 3 + readNumber(bytes, at + 1, 2) : 1 + bytes[at]) + 1;
      if (at >= length) return -1;
      packet = bytes[at++] & 15;
    }
    const several = packet === multitrack;
    if (several) packet = bytes[at++] & 15;
    if (at + 5 > length) return -1;
    this.codec = fourCcs.get(readNumber(bytes, at, 4)) ?? "";
    if (several) this.track += bytes[at + 4];
    return packet;
  }
}

function isMetadata(bytes: Uint8Array, length: number): boolean {
  if (length < tagHeadBytes + onMetaData.length) return false;
  return onMetaData.every((byte, i) => bytes[tagHeadBytes + i] === byte);
}

/** Pixels of the picture that an H.264 or HEVC configuration tag describes, where it can be read. */
export function configSize(tag: Uint8Array, codec: string): { width: number; height: number } | undefined {
  // a legacy tag has five bytes before the record, an extended one has codec type and FourCC
  const record = tag.subarray(tagHeadBytes + 5);
  if (codec === "h264" && record.length > 8 && (record[5] & 31) > 0) {
    return h264Size(record.subarray(8, 8 + readNumber(record, 6, 2)));
  }
  if (codec !== "hevc") return undefined;
  let at = 23;
  for (let arrays = record[22] ?? 0; arrays > 0 && at + 5 <= record.length; arrays--) {
    const size = readNumber(record, at + 3, 2);
    if ((record[at] & 63) === 33) return hevcSize(record.subarray(at + 5, at + 5 + size));
    for (let nals = readNumber(record, at + 1, 2), from = (at += 3); nals > 0; nals--) {
      if (from + 2 > record.length) return undefined;
      from += 2 + readNumber(record, from, 2);
      at = from;
    }
  }
  return undefined;
}

/** Pixels of the picture, as onMetaData has them (AMF0, an array or object with "width" and "height"). */
export function metadataSize(tag: Uint8Array): { width: number; height: number } | undefined {
  const view = new DataView(tag.buffer, tag.byteOffset, tag.byteLength);
  let at = tagHeadBytes + onMetaData.length;
  if (tag[at] === 8) at += 5;
  else if (tag[at] === 3) at += 1;
  else return undefined;
  let width = 0;
  let height = 0;
  while (at + 3 <= tag.length) {
    const nameBytes = view.getUint16(at);
    const isWidth = isText(tag, at + 2, nameBytes, "width");
    const isHeight = isText(tag, at + 2, nameBytes, "height");
    at += 2 + nameBytes;
    const type = tag[at++];
    if (type === 0 && at + 8 <= tag.length) {
      if (isWidth) width = view.getFloat64(at);
      if (isHeight) height = view.getFloat64(at);
      at += 8;
    } else if (type === 1) at += 1;
    else if (type === 2 && at + 2 <= tag.length) at += 2 + view.getUint16(at);
    else if (type === 11) at += 10;
    else if (type !== 5 && type !== 6) break;
  }
  return isSize(width) && isSize(height) ? { width, height } : undefined;
}

/** Whether the `length` bytes at `at` are `text`, of ASCII. */
function isText(bytes: Uint8Array, at: number, length: number, text: string): boolean {
  if (length !== text.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function isSize(pixels: number): boolean {
  return Number.isInteger(pixels) && pixels > 0 && pixels < 65_536;
}
