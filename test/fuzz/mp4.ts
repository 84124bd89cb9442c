// Fragmented MP4 by structure: boxes in boxes, tracks, fragments, sizes that lie. src/media/mp4 follows it.

import { avcC, slice } from "./avc.ts";
import {
  ascii,
  big,
  type Family,
  joined,
  noise,
  number,
  type Part,
  pick,
  type Roll,
  size,
  text,
} from "./parts.ts";

/** A box of `type`; `claimed` in place of its true size. */
function box(type: string, body: Uint8Array, claimed = body.length + 8): Uint8Array {
  return joined(big(claimed % 2 ** 32, 4), ascii(type), body);
}

/** A box of a version, flags and 32-bit numbers. */
function full(type: string, flags: number, ...words: readonly number[]): Uint8Array {
  return box(type, joined(big(flags, 4), ...words.map((word) => big(word % 2 ** 32, 4))));
}

/** A sample entry: what `codec` calls for, and `inside`. */
function entry(codec: string, isVideo: boolean, inside: Uint8Array): Uint8Array {
  const body = new Uint8Array(isVideo ? 78 : 28);
  if (isVideo) body.set([0, 128, 0, 96], 24);
  return box(codec, joined(body, codec === "avc1" ? box("avcC", avcC) : new Uint8Array(0), inside));
}

function track(part: Part, inside: Uint8Array): Uint8Array {
  const id = number(part, "id", 1);
  const isVideo = number(part, "video", 1) === 1;
  const codec = text(part, "codec", isVideo ? "vp09" : "mp4a");
  const samples = number(part, "samples");
  const tables = joined(
    box("stsd", joined(big(0, 4), big(1, 4), entry(codec, isVideo, inside))),
    full("stts", 0, 0),
    box("stsz", joined(big(0, 4), big(0, 4), big(samples, 4), new Uint8Array(4 * samples))),
  );
  const handler = joined(big(0, 8), ascii(isVideo ? "vide" : "soun"), new Uint8Array(12));
  const media = joined(
    full("mdhd", 0, 0, 0, 1000, 0, 0),
    box("hdlr", handler),
    box("minf", box("stbl", tables)),
  );
  return box("trak", joined(full("tkhd", 7, 0, 0, id, 0, 0), box("mdia", media)));
}

/** Boxes of one type inside each other. */
function nest(type: string, depth: number, inside: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 * depth + inside.length);
  const view = new DataView(whole.buffer);
  for (let at = 0; at < 8 * depth; at += 8) {
    view.setUint32(at, whole.length - at);
    whole.set(ascii(type), at + 4);
  }
  whole.set(inside, 8 * depth);
  return whole;
}

const keyFlags = 0x200_0000;
const otherFlags = 0x101_0000;

/** A fragment: `parts` tracks of `samples` each, the sample `key` a keyframe. */
function fragment(part: Part, inside: Uint8Array, offset: number, time: number): Uint8Array {
  const samples = number(part, "samples", 1);
  const sampleBytes = number(part, "sample", 8);
  const key = number(part, "key");
  const isAbsolute = number(part, "absolute") === 1;
  const trailing = new Uint8Array(number(part, "trailing")).fill(1);
  const parts = number(part, "parts", 1);
  const make = (dataOffset: number) => {
    const entries = new Uint8Array(8 * samples);
    const view = new DataView(entries.buffer);
    for (let i = 0; i < samples; i++) {
      view.setUint32(8 * i, sampleBytes);
      view.setUint32(8 * i + 4, i === key ? keyFlags : otherFlags);
    }
    const head = joined(big(0x601, 4), big(number(part, "count", samples), 4), big(dataOffset, 4), entries);
    const run = box("trun", head);
    const address = isAbsolute ? [0, offset] : [];
    const trafs = Array.from({ length: parts }, (_, i) =>
      box(
        "traf",
        joined(
          full("tfhd", isAbsolute ? 1 : 0x2_0000, 1 + (i % number(part, "ids", 1)), ...address),
          full("tfdt", 0, time),
          ...Array.from({ length: number(part, "runs", 1) }, () => run),
          trailing,
        ),
      ),
    );
    return box("moof", joined(full("mfhd", 0, 1), ...trafs, inside));
  };
  return make(make(0).length + 8);
}

function data(part: Part, frame: number): Uint8Array {
  const bytes = number(part, "size", 8);
  const claimed = number(part, "claimed", bytes + 8);
  if (number(part, "slices") === 0) return box("mdat", noise(bytes, 1), claimed);
  const unit = slice(frame, Math.max(0, bytes - 7));
  return box("mdat", joined(big(unit.length, 4), unit), claimed);
}

const ftyp: Part = { is: "box", type: "ftyp", of: [{ is: "hex", hex: "69736f360000000069736f36" }] };
const trex: Part = { is: "trex", id: 1 };
const mvex = (tracks = 1): Part => ({
  is: "box",
  type: "mvex",
  of: Array.from({ length: tracks }, (_, i) => ({ ...trex, id: i + 1 })),
});
const moov = (...of: Part[]): Part => ({ is: "box", type: "moov", of: [...of, mvex()] });
const plain = moov({ is: "track" });
const fragments = (roll: Roll, times = size(roll, 20_000)): Part => ({
  is: "group",
  times,
  of: [{ is: "moof" }, { is: "mdat", size: roll(40) }],
});
/** A second moov, as a stream that begins anew has it: the sniffer looks at the first alone. */
const later = (second: Part, ...rest: Part[]): Part[] => [
  ftyp,
  plain,
  { is: "moof" },
  { is: "mdat" },
  ftyp,
  second,
  ...rest,
];

export const mp4: Family = {
  name: "fmp4",
  writer() {
    let offset = 0;
    let time = 0;
    let frame = 0;
    const make = (part: Part, inside: Uint8Array) => {
      switch (part.is) {
        case "box":
          return box(text(part, "type"), inside, number(part, "claimed", inside.length + 8));
        case "track":
          return track(part, inside);
        case "nest":
          return nest(text(part, "type", "trak"), number(part, "depth", 1), inside);
        case "trex":
          return full("trex", 0, number(part, "id", 1), 1, 40, 8, otherFlags);
        case "esds":
          return noise(number(part, "size"), 1).map((_, i) => "esds".charCodeAt(i % 4));
        case "moof":
          return fragment(part, inside, offset, (time += 40));
        case "mdat":
          return data(part, frame++);
        default:
          return undefined;
      }
    };
    return (part, inside) => {
      const made = make(part, inside);
      if (part.is === "box" || part.is === "moof" || part.is === "mdat") offset += made?.length ?? 0;
      return made;
    };
  },
  patterns: {
    "an entry full of esds": (roll) => {
      const track: Part = {
        is: "track",
        video: 0,
        codec: "mp4a",
        of: [{ is: "esds", size: size(roll, 1_000_000) }],
      };
      return roll(2) === 0
        ? [ftyp, moov(track), fragments(roll, 10)]
        : later(moov(track), fragments(roll, 10));
    },
    "nested boxes": (roll) => {
      const nested: Part = {
        is: "nest",
        type: pick(roll, ["trak", "mdia", "minf", "stbl", "moov"]),
        depth: size(roll, 120_000),
        of: [{ is: "box", type: "udta", of: [{ is: "fill", size: size(roll, 900_000), byte: 1 }] }],
      };
      return later(moov({ is: "track", samples: 1 }, nested), fragments(roll, 10));
    },
    "a large moov": (roll) =>
      later(
        moov(
          { is: "track", codec: pick(roll, ["vp09", "avc1"]) },
          {
            is: "box",
            type: "udta",
            of: [{ is: "fill", size: pick(roll, [1_100_000, 300_000, size(roll, 1_000_000)]) }],
          },
        ),
        fragments(roll),
      ),
    "moovs again and again": (roll) => [
      ftyp,
      plain,
      {
        is: "group",
        times: size(roll, 2000),
        of: [
          { is: "moof" },
          { is: "mdat" },
          moov(
            { is: "track", id: 1, samples: roll(3) },
            { is: "box", type: "udta", of: [{ is: "fill", size: size(roll, 200_000) }] },
          ),
          { is: "moof", times: roll(3) },
          { is: "mdat" },
          moov(
            { is: "track", id: 1, codec: "avc1" },
            { is: "box", type: "udta", of: [{ is: "fill", size: size(roll, 200_000), byte: 2 }] },
          ),
        ],
      },
    ],
    "many tracks": (roll) => {
      const tracks = size(roll, 10_000);
      return later(
        {
          is: "box",
          type: "moov",
          of: [
            ...Array.from(
              { length: Math.min(tracks, 3000) },
              (_, i): Part => ({
                is: "track",
                id: i + 1,
                codec: pick(roll, ["vp09", "mp4a", "avc1", "\x01\x02\x03\x04"]),
              }),
            ),
            { ...mvex(0), of: [{ is: "trex", id: 9, times: tracks }] },
          ],
        },
        { is: "moof", parts: size(roll, 5000), ids: size(roll, 5000), times: 1 + roll(4) },
        { is: "mdat" },
      );
    },
    "bytes behind a fragment's boxes": (roll) => {
      const moof: Part = {
        is: "moof",
        samples: 2 + roll(5),
        key: 1,
        runs: 1 + roll(2),
        trailing: roll(4) === 0 ? roll(20) : 0,
      };
      const mdat: Part = { is: "mdat", size: 100 };
      // what the fragment before had in that place is still in a buffer that is used again
      const before: Part = {
        is: "box",
        type: pick(roll, ["mfhd", "traf", "free"]),
        of: [{ is: "fill", size: roll(40) }],
      };
      return [
        ftyp,
        plain,
        {
          is: "group",
          times: 1 + roll(50),
          of: [
            { ...moof, of: [before] },
            mdat,
            ...Array.from({ length: 8 }, (): Part[] => [
              { ...moof, of: [{ is: "fill", size: roll(12) }] },
              mdat,
            ]).flat(),
          ],
        },
      ];
    },
    "runs without end": (roll) => [
      ftyp,
      plain,
      {
        is: "group",
        times: size(roll, 200),
        of: [
          {
            is: "moof",
            samples: size(roll, 60_000),
            key: pick(roll, [-1, 1, 50_000]),
            runs: 1 + roll(5),
            count: pick(roll, [2 ** 32 - 1, 60_000, 3]),
            sample: roll(20),
          },
          { is: "mdat", size: size(roll, 100_000) },
        ],
      },
    ],
    "empty boxes": (roll) => [
      ftyp,
      plain,
      {
        is: "box",
        type: pick(roll, ["free", "styp", "emsg", "moof", "mdat", "sidx"]),
        times: size(roll, 400_000),
      },
      { is: "moof" },
      { is: "mdat" },
      {
        is: "box",
        type: pick(roll, ["free", "emsg", "moof"]),
        of: [{ is: "box", type: "free", times: size(roll, 100_000) }],
        times: 3,
      },
    ],
    "absolute addresses": (roll) => [
      ftyp,
      plain,
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "moof", absolute: 1, parts: 1 + roll(3), samples: 1 + roll(4) },
          { is: "mdat", size: roll(60) },
        ],
      },
    ],
    "recovery points": (roll) => [
      ftyp,
      moov({ is: "track", codec: "avc1" }),
      {
        is: "group",
        times: size(roll, 10_000),
        of: [
          { is: "moof", sample: 30 },
          { is: "mdat", size: 30, slices: 1 },
          { is: "moof", sample: 30, key: 1 },
          { is: "mdat", size: 30, slices: 1, times: 1 },
        ],
      },
    ],
    "keyframes in the middle": (roll) => [
      ftyp,
      moov({ is: "track" }, { is: "box", type: "udta", of: [{ is: "fill", size: size(roll, 60_000) }] }),
      {
        is: "group",
        times: size(roll, 3000),
        of: [
          { is: "moof", samples: 2 + size(roll, 2000), key: 1 + roll(3), sample: 1 + roll(4) },
          { is: "mdat", size: size(roll, 20_000) },
        ],
      },
    ],
    "lengths that lie": (roll) => [
      ftyp,
      plain,
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          { is: "moof", samples: roll(20), count: roll(2 ** 31), sample: roll(2 ** 31) },
          { is: "mdat", size: roll(60), claimed: pick(roll, [0, 1, 7, 8, roll(300), 2 ** 31]) },
          { is: "box", type: pick(roll, ["moof", "free", "moov", "ftyp", "abcd"]), claimed: roll(200) },
        ],
      },
    ],
    "many descriptions": (roll) =>
      later(
        moov(
          ...Array.from(
            { length: 1 + roll(60) },
            (_, i): Part => ({
              is: "track",
              id: i + 1,
              video: roll(2),
              codec: pick(roll, ["avc1", "hvc1", "mp4a"]),
              of: [
                {
                  is: "box",
                  type: pick(roll, ["hvcC", "avcC", "esds"]),
                  of: [{ is: "fill", size: size(roll, 60_000), byte: roll(256) }],
                },
              ],
            }),
          ),
        ),
        fragments(roll, 100),
      ),
  },
  elements(bytes) {
    const at: number[] = [];
    for (let next = 0; next + 8 <= bytes.length; ) {
      at.push(next);
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(next);
      if (length < 8) break;
      next += length;
    }
    return at;
  },
};
