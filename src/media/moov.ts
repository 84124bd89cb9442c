// What a movie box says (ISO/IEC 14496-12, 8.2 and 8.8): tracks, codecs, the defaults of their fragments. And
// two copies of it: without samples, for joiners who will never get the bytes that the samples are in; and
// without what differs from run to run, to tell whether two streams can follow each other.

import { type Box, boxes, boxOf, findBox, fourCc, fourCcText } from "./boxes.ts";
import { readNumber } from "./gather.ts";
import { hevcEnding } from "./hevcending.ts";

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

/** What a movie box tells of a fragmented stream. */
export interface Movie {
  readonly tracks: readonly Track[];
  /** Pixels of the first video track; zero where unknown. */
  readonly width: number;
  readonly height: number;
  /** The box with no samples in it. */
  readonly moov: Uint8Array;
  /** The same for every run of the same encoder with the same settings. */
  readonly fixed: Uint8Array;
}

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

/** Boxes on the way to what has to be changed. */
const containers = new Set(["moov", "trak", "mdia", "minf", "stbl"].map(fourCc));
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

/** Reads a whole `moov` box; undefined if it is not that of a fragmented stream, or has no tracks. */
export function readMovie(bytes: Uint8Array): Movie | undefined {
  const [moov] = boxes(bytes, 0, bytes.length);
  const extends_ = moov === undefined ? undefined : findBox(bytes, moov, "mvex");
  if (moov === undefined || extends_ === undefined) return undefined;
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
  }
  if (tracks.length === 0) return undefined;
  const empty = rewrite(bytes, moov, hasSamples(bytes, moov));
  return { tracks, width, height, moov: empty, fixed: timeless(empty) };
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
  return box === undefined ? new Uint8Array(0) : bytes.slice(box.body, box.end);
}

function timescaleOf(bytes: Uint8Array, trak: Box): number {
  const box = findBox(bytes, trak, "mdia", "mdhd");
  return box === undefined ? 0 : number(bytes, box, box.body + (bytes[box.body] === 1 ? 20 : 12));
}

function codecOf(bytes: Uint8Array, entry: Box): string {
  const name = fourCcText(entry.type);
  const codec = codecs.get(name) ?? name;
  if (name !== "mp4a" && name !== "mp4v") return codec;
  const esds = fourCc("esds");
  for (let at = entry.body; at + 4 < entry.end; at++) {
    if (readNumber(bytes, at, 4) !== esds) continue;
    // its descriptors are tag and size; the decoder's configuration (tag 4) begins with the object type
    for (let i = at + 8; i + 1 < entry.end; i++) {
      if (bytes[i] !== 4) continue;
      do i++;
      while (bytes[i] >= 0x80 && i < entry.end);
      return objectTypes.get(bytes[i + 1]) ?? codec;
    }
  }
  return codec;
}

function hasSamples(bytes: Uint8Array, moov: Box): boolean {
  for (const trak of boxes(bytes, moov.body, moov.end)) {
    const sizes = findBox(bytes, trak, "mdia", "minf", "stbl", "stsz");
    if (sizes !== undefined && number(bytes, sizes, sizes.body + 8) > 0) return true;
  }
  return false;
}

/** A copy of `box`, without its sample tables' entries if `empty` says so. */
function rewrite(bytes: Uint8Array, box: Box, empty: boolean): Uint8Array {
  if (!empty || dropped.has(box.type)) return empty ? new Uint8Array(0) : bytes.slice(box.at, box.end);
  const size = emptied.get(box.type);
  if (size !== undefined) return boxOf(box.type, [new Uint8Array(size - 8)]);
  if (!containers.has(box.type)) return bytes.slice(box.at, box.end);
  return boxOf(
    box.type,
    [...boxes(bytes, box.body, box.end)].map((child) => rewrite(bytes, child, true)),
  );
}

/** A copy of a whole `moov` with the times of creation and the lengths so far set to zero. */
function timeless(moov: Uint8Array): Uint8Array {
  const copy = moov.slice();
  const blank = (box: Box, from: number, to: number) =>
    copy.fill(0, Math.min(box.body + from, box.end), Math.min(box.body + to, box.end));
  const walk = (parent: Box) => {
    for (const box of boxes(copy, parent.body, parent.end)) {
      const wide = copy[box.body] === 1;
      if (containers.has(box.type)) walk(box);
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
  if (top !== undefined) walk(top);
  return copy;
}
