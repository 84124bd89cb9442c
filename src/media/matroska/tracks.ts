// What Matroska's header elements say (RFC 9559, sections 5.1.2 and 5.1.4; the codec ids of the Matroska
// codec specification): the tracks, and the part of them that decides whether a decoder that was set up
// with one header can go on with another. Ids, names and dates, which differ from run to run, are no part.

import { hevcEnding } from "../annexb/hevcending.ts";
import { concat } from "../bytes.ts";
import { noHeader, sniffLimit } from "../detector.ts";
import { fingerprint } from "../fingerprint.ts";
import { type Element, elements, readElement, readText, readUint } from "./ebml.ts";
import { clusterId, segmentId, topIds, tracksId } from "./ids.ts";

/** Container.sniff: the EBML head's document type, and a chain of elements that may be there up to Tracks. */
export function sniffMatroska(start: Uint8Array): "yes" | "no" | "more" {
  const magic = [0x1a, 0x45, 0xdf, 0xa3];
  if (magic.some((byte, i) => i < start.length && start[i] !== byte)) return "no";
  const more = start.length < sniffLimit ? "more" : "no";
  const head = readElement(start, 0, start.length);
  if (head === undefined) return start.length < 12 ? "more" : "no";
  if (head.end > 4096) return "no";
  if (head.end > start.length) return more;
  const docType = readDocType(start.subarray(0, head.end));
  if (docType !== "matroska" && docType !== "webm") return "no";
  const segment = readElement(start, head.end, start.length);
  if (segment === undefined) return start.length < head.end + 12 ? "more" : "no";
  if (segment.id !== segmentId) return "no";
  let at = segment.body;
  while (at + 12 <= start.length) {
    const child = readElement(start, at, start.length);
    if (child === undefined || !topIds.has(child.id)) return "no";
    if (child.id === tracksId || child.id === clusterId) return "yes";
    at = child.end;
  }
  return more;
}

/** What Tracks say. */
export interface Tracks {
  readonly codecs: string[];
  /** Number of the first video track, 0 if there is none. */
  readonly video: number;
  readonly width: number;
  readonly height: number;
  /**
   * A packet that tells the video's decoder in mid-stream that a sequence has ended; empty where there is none.
   * HEVC's (ITU-T H.265, 7.3.2.5): without it a keyframe that is no IDR is counted on from what was before.
   */
  readonly ending: Uint8Array;
  /** The video's decoder configuration if it is H.264, else empty. */
  readonly avcC: Uint8Array;
  /** A fingerprint that is the same for every run of the same encoder with the same settings. */
  readonly fixed: string;
}

/** Tracks, and elements in all of them. More than any muxer writes are taken for an attack. */
const maxTracks = 64;
const maxElements = 4096;
/** Nanoseconds a tick where it is not said (section 5.1.2.9). */
const usualTimestampScale = 1_000_000;

const timestampScaleId = 0x2a_d7b1;
const docTypeId = 0x4282;
const trackEntryId = 0xae;
const trackNumberId = 0xd7;
const trackTypeId = 0x83;
const codecIdId = 0x86;
const codecPrivateId = 0x63a2;
const videoId = 0xe0;
const pixelWidthId = 0xb0;
const pixelHeightId = 0xba;
/** TrackUID, Name, CRC-32, Void: what says nothing to a decoder. */
const irrelevant = new Set([0x73c5, 0x536e, 0xbf, 0xec]);

const codecNames = new Map([
  ["V_VP8", "vp8"],
  ["V_VP9", "vp9"],
  ["V_AV1", "av1"],
  ["V_MPEG4/ISO/AVC", "h264"],
  ["V_MPEGH/ISO/HEVC", "hevc"],
  ["V_MPEGI/ISO/VVC", "vvc"],
  ["V_MPEG4/ISO/ASP", "mpeg4"],
  ["V_MPEG1", "mpeg1video"],
  ["V_MPEG2", "mpeg2video"],
  ["V_MJPEG", "mjpeg"],
  ["V_THEORA", "theora"],
  ["V_FFV1", "ffv1"],
  ["V_PRORES", "prores"],
  ["V_UNCOMPRESSED", "rawvideo"],
  ["A_OPUS", "opus"],
  ["A_VORBIS", "vorbis"],
  ["A_AAC", "aac"],
  ["A_FLAC", "flac"],
  ["A_ALAC", "alac"],
  ["A_MPEG/L3", "mp3"],
  ["A_MPEG/L2", "mp2"],
  ["A_AC3", "ac3"],
  ["A_EAC3", "eac3"],
  ["A_DTS", "dts"],
  ["A_TRUEHD", "truehd"],
  ["A_PCM/INT/LIT", "pcm_s16le"],
  ["A_PCM/INT/BIG", "pcm_s16be"],
  ["A_PCM/FLOAT/IEEE", "pcm_f32le"],
  ["S_TEXT/UTF8", "subrip"],
  ["S_TEXT/ASS", "ass"],
  ["S_TEXT/WEBVTT", "webvtt"],
  ["D_WEBVTT/SUBTITLES", "webvtt"],
]);

/** The document type in a whole EBML head: "matroska" or "webm" for what is ours. */
export function readDocType(head: Uint8Array): string {
  const found = inside(head).find((element) => element.id === docTypeId);
  return found === undefined ? "" : readText(head, found.body, Math.min(found.end, found.body + 16));
}

/** Nanoseconds a tick of the clusters' and blocks' timestamps (section 5.1.2.9), by a whole Info element. */
export function readTimestampScale(info: Uint8Array): number {
  const found = inside(info).find((element) => element.id === timestampScaleId);
  return (found && readUint(info, found.body, found.end)) || usualTimestampScale;
}

/** The tracks in a whole Tracks element; undefined if there are more, or more of their elements, than make sense. */
export function readTracks(tracks: Uint8Array): Tracks | undefined {
  const codecs: string[] = [];
  const fixed: Uint8Array[] = [];
  let video = 0;
  let ending: Uint8Array = noHeader.start;
  let avcC: Uint8Array = noHeader.start;
  let width = 0;
  let height = 0;
  let count = 0;
  for (const entry of inside(tracks)) {
    if (entry.id !== trackEntryId) continue;
    let number = 0;
    let isVideo = false;
    let codec = "";
    let codecPrivate: Uint8Array = noHeader.start;
    for (const field of elements(tracks, entry.body, entry.end)) {
      if (++count > maxElements) return undefined;
      if (!irrelevant.has(field.id)) fixed.push(tracks.subarray(field.at, field.end));
      if (field.id === trackNumberId) number = readUint(tracks, field.body, field.end);
      if (field.id === trackTypeId) isVideo = readUint(tracks, field.body, field.end) === 1;
      if (field.id === codecIdId) codec = codecName(readText(tracks, field.body, field.end));
      if (field.id === codecPrivateId) codecPrivate = tracks.subarray(field.body, field.end);
      if (field.id !== videoId || width > 0) continue;
      for (const pixels of elements(tracks, field.body, field.end)) {
        if (++count > maxElements) return undefined;
        if (pixels.id === pixelWidthId) width = readUint(tracks, pixels.body, pixels.end);
        if (pixels.id === pixelHeightId) height = readUint(tracks, pixels.body, pixels.end);
      }
    }
    codecs.push(codec);
    if (codecs.length > maxTracks) return undefined;
    if (!isVideo || video !== 0) continue;
    video = number;
    if (codec === "hevc") ending = hevcEnding(codecPrivate);
    if (codec === "h264") avcC = codecPrivate;
  }
  return { codecs, video, width, height, ending, avcC, fixed: fingerprint(concat(fixed)) };
}

/** The elements inside of a whole one, no more of them than make sense. */
function inside(whole: Uint8Array): Element[] {
  const [outer] = elements(whole, 0, whole.length);
  const found: Element[] = [];
  if (outer === undefined) return found;
  for (const element of elements(whole, outer.body, outer.end)) {
    if (found.push(element) === maxElements) break;
  }
  return found;
}

function codecName(id: string): string {
  // before 2003 AAC's profile was part of its id
  return codecNames.get(id) ?? (id.startsWith("A_AAC/") ? "aac" : id.slice(0, 32).toLowerCase());
}
