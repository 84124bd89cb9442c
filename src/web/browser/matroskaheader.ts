// The tracks of a Matroska or WebM stream (RFC 9559), from its first bytes: EBML head, Segment, and in it Tracks. Pure.

import { aacCodec, av1Codec, avcCodec, hevcCodec, type StreamHeader, type Track, vpCodec } from "./track.ts";

/** An element (RFC 8794): its id with the marker, and its body; `size` is infinite if it is unknown. */
interface Element {
  readonly id: number;
  readonly at: number;
  readonly size: number;
}

/** A track as a demuxer needs it. */
export interface MatroskaTrack extends Track {
  /** The number that its blocks have. */
  readonly number: number;
  /** The container's name of its codec, `V_MPEG4/ISO/AVC`. */
  readonly codecId: string;
  /** What the codec needs beforehand; may be empty. */
  readonly codecPrivate: Uint8Array;
  /** Hertz and channels, of audio. */
  readonly rate: number;
  readonly channels: number;
  /** Of one frame, nanoseconds; 0 if it is not said. */
  readonly frameNs: number;
}

export interface MatroskaHeader extends StreamHeader {
  readonly tracks: readonly MatroskaTrack[];
  /** Nanoseconds for each tick of its timestamps. */
  readonly tickNs: number;
  /** Whether the browser knows its codecs in WebM. */
  readonly isWebm: boolean;
  /** Where what follows the header begins. */
  readonly bytes: number;
}

const ebmlId = 0x1a45dfa3;
const segmentId = 0x18538067;
const infoId = 0x1549a966;
const tracksId = 0x1654ae6b;
const clusterId = 0x1f43b675;
const maxHeaderBytes = 8 * 1024 * 1024;

/**
 * Reads the header from the stream's first bytes. "more": it is not whole yet. Undefined: this is no Matroska, or it has no
 * header that makes sense.
 */
export function readMatroskaHeader(bytes: Uint8Array): MatroskaHeader | "more" | undefined {
  let tickNs = 1_000_000;
  if (bytes.length > 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) !== ebmlId)
    return undefined;
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at);
    if (element === "more") break;
    if (element === undefined || element.id === clusterId) return undefined;
    const end = element.at + element.size;
    if (element.id === segmentId) {
      at = element.at;
      continue;
    }
    if (end > bytes.length) break;
    const body = bytes.subarray(element.at, end);
    if (element.id === infoId) tickNs = uint(find(body, 0x2ad7b1)) || tickNs;
    if (element.id === tracksId) {
      const tracks = children(body, 0xae)
        .map(trackOf)
        .filter((track) => track !== undefined);
      return { tracks, tickNs, isWebm: tracks.every(({ codecId }) => webmCodecs.test(codecId)), bytes: end };
    }
    at = end;
  }
  return bytes.length > maxHeaderBytes ? undefined : "more";
}

const webmCodecs = /^(V_VP8|V_VP9|V_AV1|A_OPUS|A_VORBIS)$/;

/** The element whose id is at `at`. */
export function elementAt(bytes: Uint8Array, at: number): Element | "more" | undefined {
  const idLength = vintLength(bytes[at]);
  if (idLength > 4) return undefined;
  const sizeAt = at + idLength;
  if (sizeAt >= bytes.length) return "more";
  const sizeLength = vintLength(bytes[sizeAt]);
  if (sizeLength > 8) return undefined;
  if (sizeAt + sizeLength > bytes.length) return "more";
  const id = uint(bytes.subarray(at, sizeAt));
  let size = bytes[sizeAt] & (0xff >> sizeLength);
  let isUnknown = size === 0xff >> sizeLength;
  for (let i = 1; i < sizeLength; i++) {
    size = size * 256 + bytes[sizeAt + i];
    isUnknown &&= bytes[sizeAt + i] === 0xff;
  }
  return { id, at: sizeAt + sizeLength, size: isUnknown ? Number.POSITIVE_INFINITY : size };
}

/** How many bytes a number takes (RFC 8794, section 4), by its first; 9 if it is none. */
export function vintLength(first: number): number {
  return first === 0 ? 9 : Math.clz32(first) - 23;
}

/** The bodies of the elements of that id in a whole body. */
export function children(body: Uint8Array, id: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const element = elementAt(body, at);
    if (element === undefined || element === "more" || element.at + element.size > body.length) break;
    if (element.id === id) found.push(body.subarray(element.at, element.at + element.size));
    at = element.at + element.size;
  }
  return found;
}

function find(body: Uint8Array, id: number): Uint8Array {
  return children(body, id)[0] ?? new Uint8Array(0);
}

/** Big endian; exact up to 2^53. */
export function uint(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

function float(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.length === 4 ? view.getFloat32(0) : bytes.length === 8 ? view.getFloat64(0) : 0;
}

function trackOf(entry: Uint8Array): MatroskaTrack | undefined {
  const kind = ({ 1: "video", 2: "audio" } as const)[uint(find(entry, 0x83))];
  if (kind === undefined) return undefined;
  const codecId = new TextDecoder().decode(find(entry, 0x86)).replace(/\0+$/, "");
  const codecPrivate = find(entry, 0x63a2);
  const video = find(entry, 0xe0);
  const audio = find(entry, 0xe1);
  const size = kind === "video" ? { width: uint(find(video, 0xb0)), height: uint(find(video, 0xba)) } : {};
  return {
    kind,
    codec: codecOf(codecId, codecPrivate),
    ...size,
    number: uint(find(entry, 0xd7)),
    codecId,
    codecPrivate,
    rate: float(find(audio, 0xb5)) || 8000,
    channels: uint(find(audio, 0x9f)) || 1,
    frameNs: uint(find(entry, 0x23e383)),
  };
}

/** From the name and the private data of its codec (RFC 9559's codec registry). */
function codecOf(id: string, data: Uint8Array): string {
  switch (id) {
    case "V_VP8":
      return "vp8";
    case "V_VP9":
      return vp9Codec(data);
    case "V_AV1":
      return av1Codec(data);
    case "V_MPEG4/ISO/AVC":
      return avcCodec("avc1", data);
    case "V_MPEGH/ISO/HEVC":
      return hevcCodec("hvc1", data);
    case "A_OPUS":
      return "opus";
    case "A_VORBIS":
      return "vorbis";
    case "A_FLAC":
      return "flac";
    case "A_MPEG/L3":
      return "mp3";
    case "A_AC3":
      return "ac-3";
    case "A_EAC3":
      return "ec-3";
    default:
      return id.startsWith("A_AAC") ? aacCodec(data) : id;
  }
}

/** VP9's private data are features: id, length, value (WebM's codec private data for VP9). Most muxers write none. */
function vp9Codec(data: Uint8Array): string {
  const features = new Map<number, number>();
  for (let at = 0; at + 2 < data.length; at += 2 + data[at + 1]) features.set(data[at], data[at + 2]);
  const profile = features.get(1);
  if (profile === undefined) return "vp9";
  return vpCodec("vp09", profile, features.get(2) ?? 10, features.get(3) ?? 8);
}
