// Streams that once cost a server seconds and gigabytes, for a few kilobytes: each as small as it was.

import { familyOf } from "./families.ts";
import { type Part, render } from "./parts.ts";

const maxBytes = 8 * 1024 * 1024;

const ftyp: Part = { is: "box", type: "ftyp", of: [{ is: "hex", hex: "69736f360000000069736f36" }] };
const moov = (...of: Part[]): Part => ({
  is: "box",
  type: "moov",
  of: [...of, { is: "box", type: "mvex", of: [{ is: "trex", id: 1 }] }],
});
const filler: Part = { is: "fill", size: 900_000, byte: 1 };
/** A stream that is known as MP4 by a small moov, and then begins anew with this one. */
const again = (second: Part, ...rest: Part[]): Part[] => [
  ftyp,
  moov({ is: "track" }),
  { is: "moof" },
  { is: "mdat" },
  ftyp,
  second,
  ...rest,
];
const fragments = (times: number): Part => ({
  is: "group",
  times,
  of: [{ is: "moof" }, { is: "mdat", size: 8 }],
});
const matroska = (setup: number, ...rest: Part[]): Part[] => [
  { is: "ebml" },
  { is: "el", id: "18538067", claimed: -1 },
  { is: "el", id: "1654ae6b", of: [{ is: "track", codec: "V_MPEG4/ISO/AVC", setup }] },
  ...rest,
];
const toggled = (is: string, times: number): Part => ({
  is: "group",
  times,
  of: [
    { is: "pps", id: 1, seed: 1, size: 3 },
    { is, size: 2 },
    { is: "pps", id: 1, seed: 2, size: 3 },
    { is, size: 2 },
  ],
});
const pat: Part = { is: "pat" };
const pmt: Part = { is: "pmt" };

/** What is given to the relay, by what is hostile about it. */
export const attacks: Record<string, { container: string; parts: Part[] }> = {
  "an mp4a entry full of esds": {
    container: "fmp4",
    parts: again(
      moov({ is: "track", video: 0, codec: "mp4a", of: [{ is: "esds", size: 300_000 }] }),
      fragments(10),
    ),
  },
  "a moov of 1 MB, and tiny fragments": {
    container: "fmp4",
    parts: again(
      moov(
        { is: "track", codec: "vp09" },
        { is: "box", type: "udta", of: [{ is: "fill", size: 1_000_000 }] },
      ),
      fragments(4000),
    ),
  },
  "3,000 boxes inside of each other": {
    container: "fmp4",
    parts: again(
      moov(
        { is: "track", samples: 1 },
        { is: "nest", type: "trak", depth: 3000, of: [{ is: "box", type: "udta", of: [filler] }] },
      ),
      fragments(10),
    ),
  },
  "100,000 boxes inside of each other": {
    container: "fmp4",
    parts: again(
      moov({ is: "track", samples: 1 }, { is: "nest", type: "trak", depth: 100_000 }),
      fragments(10),
    ),
  },
  "a configuration of 1.5 MB, and thousands of keyframes": {
    container: "flv",
    parts: [
      { is: "head" },
      { is: "sound", size: 5, config: 1 },
      { is: "config", size: 1_500_000, seed: 1 },
      { is: "key", size: 11, times: 2400 },
    ],
  },
  "a parameter set that changes at each keyframe, beside many others": {
    container: "h264",
    parts: [{ is: "sets" }, { is: "key" }, { is: "pps", id: 2, ids: 250, size: 3000 }, toggled("key", 600)],
  },
  "the same with recovery points": {
    container: "h264",
    parts: [
      { is: "sets" },
      { is: "key" },
      { is: "pps", id: 2, ids: 250, size: 3000 },
      toggled("recovery", 600),
    ],
  },
  "keyframes without their parameter sets, which are large": {
    container: "mpegts",
    parts: [
      pat,
      pmt,
      { is: "pes", sets: 1 },
      { is: "pes", sets: 1, pps: 250, setBytes: 3900 },
      { is: "pes", times: 2000 },
    ],
  },
  "a program map that changes a thousand times, of 250 programs": {
    container: "mpegts",
    parts: [
      { is: "pat", programs: 250 },
      { is: "pmt", programs: 250, streams: 2 },
      { is: "pes", sets: 1 },
      {
        is: "group",
        times: 500,
        of: [
          { is: "pmt", program: 1, version: 1, about: 2 },
          { is: "pmt", program: 1, version: 2, about: 2 },
          { is: "pes", sets: 1 },
        ],
      },
    ],
  },
  "large Tracks, and tiny clusters": {
    container: "matroska",
    parts: matroska(1_000_000, {
      is: "group",
      times: 3000,
      of: [{ is: "el", id: "1f43b675", of: [{ is: "time" }, { is: "block", size: 3 }] }],
    }),
  },
  "information that comes again and again, after large Tracks": {
    container: "matroska",
    parts: matroska(1_000_000, {
      is: "group",
      times: 3000,
      of: [
        { is: "el", id: "1549a966" },
        { is: "el", id: "1f43b675", of: [{ is: "time" }, { is: "block", size: 3 }] },
      ],
    }),
  },
  "a stream that begins anew ten thousand times": {
    container: "flac",
    parts: [
      {
        is: "group",
        times: 5000,
        of: [
          { is: "stream", last: 1, seed: 1 },
          { is: "frame", size: 4 },
          { is: "stream", last: 1, seed: 2 },
          { is: "frame", size: 4 },
        ],
      },
    ],
  },
};

/** The bytes of one of them. */
export function streamOf(name: string): Uint8Array {
  const { container, parts } = attacks[name];
  return render(familyOf(container), parts, maxBytes);
}
