// What the first packet of a logical Ogg stream says (RFC 3533, section 4: it names the codec): Vorbis I,
// section 4.2; Opus, RFC 7845; FLAC, RFC 9639, section 10.1; Theora, section 6.2; Speex; VP8 as ffmpeg has it;
// Skeleton 3 and 4.

import { readNumber } from "../bytes.ts";

/** A logical stream's codec. */
export interface OggCodec {
  /** ffmpeg's short name; empty if unknown or nothing to play (Skeleton). */
  readonly name: string;
  /** How many packets are headers, the first one included; Infinity where a packet says that it is the last. */
  readonly headers: number;
  /** Whether a packet with this first byte is a keyframe; undefined for sound, where any packet will do. */
  readonly isKeyframe: ((first: number) => boolean) | undefined;
  readonly width?: number;
  readonly height?: number;
}

/** The codec that a stream's first packet, at `at` to `end` of `bytes`, names. */
export function readCodec(bytes: Uint8Array, at: number, end: number): OggCodec {
  const head = String.fromCharCode(...bytes.subarray(at, Math.min(at + 8, end)));
  const begins = (magic: string) => head.startsWith(magic);
  if (begins("\x01vorbis")) return sound("vorbis", 3);
  if (begins("OpusHead")) return sound("opus", 2);
  if (begins("Speex   ")) return sound("speex", 2 + (at + 72 <= end ? bytes[at + 68] : 0));
  if (begins("\x7fFLAC") && at + 9 <= end) {
    const others = readNumber(bytes, at + 7, 2);
    return sound("flac", others === 0 ? Number.POSITIVE_INFINITY : 1 + others);
  }
  if (begins("\x80theora") && at + 20 <= end) {
    const width = readNumber(bytes, at + 14, 3);
    const height = readNumber(bytes, at + 17, 3);
    return { name: "theora", headers: 3, isKeyframe: (first) => (first & 0xc0) === 0, width, height };
  }
  if (begins("OVP80") && at + 12 <= end) {
    const width = readNumber(bytes, at + 8, 2);
    const height = readNumber(bytes, at + 10, 2);
    return { name: "vp8", headers: 2, isKeyframe: (first) => (first & 1) === 0, width, height };
  }
  return sound("", 1);
}

function sound(name: string, headers: number): OggCodec {
  return { name, headers, isKeyframe: undefined };
}
