// What a movie box says (ISO/IEC 14496-12, 8.2 and 8.8): tracks, codecs, the defaults of their fragments. And
// two copies of it: without samples, for joiners that never get the bytes that the samples are in; and
// without what differs from run to run, to see whether two streams can follow each other.

import { hevcEnding } from "../annexb/hevcending.ts";
import { readNumber } from "../bytes.ts";
import { fingerprint } from "../fingerprint.ts";
import { type Box, boxes, boxOf, findBox, fourCc, fourCcText } from "./boxes.ts";

/** A track as its fragments need it. */
export interface Track {
  readonly id: number;
  readonly isVideo: boolean;
  readonly codec: string;
  /** Defaults from its `trex` box (8.8.3): a sample's flags, duration in the track's ticks, size in bytes. */
  readonly flags: number;
  readonly duration: number;
  readonly size: number;
  /** A sample that tells its decoder in mid-stream that a sequence has ended; empty where there is none. */
  readonly ending: Uint8Array;
  /** Its decoder configuration if it is H.264, else empty. */
  readonly avcC: Uint8Array;
  /** Ticks a second (`mdhd`, 8.4.2). */
  readonly timescale: number;
}

/** What a movie box says of a fragmented stream. */
export interface Movie {
  readonly tracks: readonly Track[];
  /** Pixels of the first video track; zero where unknown. */
  readonly width: number;
  readonly height: number;
  /** The box with no samples in it. */
  readonly moov: Uint8Array;
  /** A fingerprint that is the same for every run of the same encoder with the same settings. */
  readonly fixed: string;
}

/** Boxes of a movie that are looked at, and tracks. More than any muxer writes are taken for an attack. */
const maxBoxes = 4096;
const maxTracks = 64;

const codecs = new Map(
  Object.entries({
    avc1: "h264",
    avc3: "h264",
    hvc1: "hevc",
    hev1: "hevc",
    vvc1: "vvc",
    av01: "av1",
    vp08: "vp8",
    vp09: "vp9",
    mp4v: "mpeg4",
    mp4a: "aac",
    Opus: "opus",
    fLaC: "flac",
    "ac-3": "ac3",
    "ec-3": "eac3",
    ".mp3": "mp3",
    alac: "alac",
    wvtt: "webvtt",
    stpp: "ttml",
    tx3g: "mov_text",
  }),
);
/** Object types in `esds` (ISO/IEC 14496-1, 7.2.6.6) of codecs that share an entry's name with others. */
const objectTypes = new Map([
  [0x61, "mpeg2video"],
  [0x6a, "mpeg1video"],
  [0x6c, "mjpeg"],
  [0x69, "mp3"],
  [0x6b, "mp3"],
  [0xad, "opus"],
]);

/** The boxes on the way to what has to be changed, each inside of the one before. */
const path = ["moov", "trak", "mdia", "minf", "stbl"].map(fourCc);
const mvex = fourCc("mvex");
/** A configuration of sound begins in the first bytes of its sample entry. */
const maxEsdsBytes = 1024;
/** Sample tables: those that must be there keep no entries, the others go. */
const emptied = new Map([
  [fourCc("stts"), 16],
  [fourCc("stsc"), 16],
  [fourCc("stco"), 16],
  [fourCc("stsz"), 20],
]);
const dropped = new Set(
  ["ctts", "stss", "stsh", "stz2", "co64", "padb", "stdp", "sdtp", "sbgp", "subs", "saiz", "saio"].map(
    fourCc,
  ),
);

/**
 * Reads a whole `moov` box; undefined if it is not that of a fragmented stream, or has no tracks, or more of anything than
 * makes sense.
 */
export function readMovie(bytes: Uint8Array): Movie | undefined {
  const [moov] = boxes(bytes, 0, bytes.length);
  if (moov === undefined || countBoxes(bytes, moov, 0) > maxBoxes) return undefined;
  const extends_ = findBox(bytes, moov, "mvex");
  if (extends_ === undefined) return undefined;
  const tracks: Track[] = [];
  let width = 0;
  let height = 0;
  for (const trak of boxes(bytes, moov.body, moov.end)) {
    const header = findBox(bytes, trak, "tkhd");
    const handler = findBox(bytes, trak, "mdia", "hdlr");
    const entries = findBox(bytes, trak, "mdia", "minf", "stbl", "stsd");
    if (trak.type !== fourCc("trak") || header === undefined || handler === undefined) continue;
    const id = number(bytes, header, header.body + (bytes[header.body] === 1 ? 20 : 12));
    const isVideo = number(bytes, handler, handler.body + 8) === fourCc("vide");
    let codec = "unknown";
    let ending: Uint8Array = new Uint8Array(0);
    let avcC: Uint8Array = new Uint8Array(0);
    for (const entry of entries === undefined ? [] : boxes(bytes, entries.body + 8, entries.end)) {
      codec = codecOf(bytes, entry);
      if (codec === "hevc") ending = hevcEnding(configuration(bytes, entry, "hvcC"));
      if (codec === "h264") avcC = configuration(bytes, entry, "avcC");
      if (isVideo && width === 0 && entry.end - entry.body >= 28) {
        width = readNumber(bytes, entry.body + 24, 2);
        height = readNumber(bytes, entry.body + 26, 2);
      }
      break;
    }
    const defaults = defaultsOf(bytes, extends_, id);
    tracks.push({ id, isVideo, codec, ending, avcC, timescale: timescaleOf(bytes, trak), ...defaults });
    if (tracks.length > maxTracks) return undefined;
  }
  if (tracks.length === 0) return undefined;
  const empty = hasSamples(bytes, moov) ? rewrite(bytes, moov, 0) : bytes;
  return { tracks, width, height, moov: empty, fixed: fingerprint(timeless(empty)) };
}

/** How many boxes there are in `box`, which is at `depth` of `path`, as far as they are looked at; no more than enough are counted. */
function countBoxes(bytes: Uint8Array, box: Box, depth: number): number {
  let count = 0;
  for (const child of boxes(bytes, box.body, box.end)) {
    const isRead = leadsOn(child, depth + 1) || child.type === mvex;
    count += 1 + (isRead ? countBoxes(bytes, child, depth + 1) : 0);
    if (count > maxBoxes) break;
  }
  return count;
}

/** Whether `box`, at `depth`, is one on the path. */
function leadsOn(box: Box, depth: number): boolean {
  return depth < path.length && box.type === path[depth];
}

/** Four bytes at `at`, or zero if they are not in the box. */
function number(bytes: Uint8Array, box: Box, at: number): number {
  return at + 4 <= box.end ? readNumber(bytes, at, 4) : 0;
}

function defaultsOf(bytes: Uint8Array, mvex: Box, id: number) {
  for (const trex of boxes(bytes, mvex.body, mvex.end)) {
    if (trex.type !== fourCc("trex") || number(bytes, trex, trex.body + 4) !== id) continue;
    const field = (index: number) => number(bytes, trex, trex.body + 4 + 4 * index);
    return { duration: field(2), size: field(3), flags: field(4) };
  }
  return { duration: 0, size: 0, flags: 0 };
}

/** The content of the box in a visual sample entry, behind the 78 bytes that all of these have (12.1.3). */
function configuration(bytes: Uint8Array, entry: Box, type: string): Uint8Array {
  const box = findBox(bytes, { ...entry, body: entry.body + 78 }, type);
  return box === undefined ? new Uint8Array(0) : bytes.subarray(box.body, box.end);
}

function timescaleOf(bytes: Uint8Array, trak: Box): number {
  const box = findBox(bytes, trak, "mdia", "mdhd");
  return box === undefined ? 0 : number(bytes, box, box.body + (bytes[box.body] === 1 ? 20 : 12));
}

function codecOf(bytes: Uint8Array, entry: Box): string {
  const name = fourCcText(entry.type);
  const codec = codecs.get(name) ?? name;
  if (name !== "mp4a" && name !== "mp4v") return codec;
  const end = Math.min(entry.end, entry.body + maxEsdsBytes);
  const esds = find(bytes, entry.body, end, [0x65, 0x73, 0x64, 0x73]);
  if (esds < 0) return codec;
  // its descriptors are tag and size; the decoder's configuration (tag 4) begins with the object type
  let at = find(bytes, esds + 8, end, [4]);
  if (at < 0) return codec;
  do at++;
  while (bytes[at] >= 0x80 && at < end);
  return objectTypes.get(bytes[at + 1]) ?? codec;
}

/** Where `wanted` first is from `at` on, before `end`; -1 if nowhere. */
function find(bytes: Uint8Array, at: number, end: number, wanted: readonly number[]): number {
  for (let from = at; from + wanted.length < end; from++) {
    if (wanted.every((byte, i) => bytes[from + i] === byte)) return from;
  }
  return -1;
}

function hasSamples(bytes: Uint8Array, moov: Box): boolean {
  for (const trak of boxes(bytes, moov.body, moov.end)) {
    const sizes = findBox(bytes, trak, "mdia", "minf", "stbl", "stsz");
    if (sizes !== undefined && number(bytes, sizes, sizes.body + 8) > 0) return true;
  }
  return false;
}

/** A copy of `box`, which is at `depth` of `path`, without its sample tables' entries. */
function rewrite(bytes: Uint8Array, box: Box, depth: number): Uint8Array {
  if (dropped.has(box.type)) return new Uint8Array(0);
  const size = emptied.get(box.type);
  if (size !== undefined) return boxOf(box.type, [new Uint8Array(size - 8)]);
  if (!leadsOn(box, depth)) return bytes.subarray(box.at, box.end);
  const children = [...boxes(bytes, box.body, box.end)];
  return boxOf(
    box.type,
    children.map((child) => rewrite(bytes, child, depth + 1)),
  );
}

/** A copy of a whole `moov` with the times of creation and the lengths so far set to zero. */
function timeless(moov: Uint8Array): Uint8Array {
  const copy = moov.slice();
  const blank = (box: Box, from: number, to: number) =>
    copy.fill(0, Math.min(box.body + from, box.end), Math.min(box.body + to, box.end));
  const walk = (parent: Box, depth: number) => {
    for (const box of boxes(copy, parent.body, parent.end)) {
      const wide = copy[box.body] === 1;
      if (leadsOn(box, depth)) walk(box, depth + 1);
      else if (box.type === fourCc("tkhd")) {
        blank(box, 4, wide ? 20 : 12);
        blank(box, wide ? 28 : 20, wide ? 36 : 24);
      } else if (box.type === fourCc("mvhd") || box.type === fourCc("mdhd")) {
        blank(box, 4, wide ? 20 : 12);
        blank(box, wide ? 24 : 16, wide ? 32 : 20);
      }
    }
  };
  const [top] = boxes(copy, 0, copy.length);
  if (top !== undefined) walk(top, 1);
  return copy;
}
