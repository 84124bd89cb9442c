// Matroska by structure: elements in elements, sizes unknown or false, tracks, blocks. src/media/matroska follows it.

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

const unknown = Uint8Array.of(0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

/** An element; its size in eight bytes, or unknown if that is negative. */
function element(id: string, body: Uint8Array, claimed = body.length): Uint8Array {
  const length =
    claimed < 0
      ? unknown
      : claimed < 127
        ? Uint8Array.of(0x80 | claimed)
        : joined(Uint8Array.of(1), big(claimed, 7));
  return joined(Uint8Array.fromHex(id), length, body);
}

function track(part: Part, inside: Uint8Array): Uint8Array {
  const isVideo = number(part, "video", 1) === 1;
  const codec = text(part, "codec", isVideo ? "V_VP9" : "A_OPUS");
  const setup = codec === "V_MPEG4/ISO/AVC" ? avcC : new Uint8Array(0);
  return element(
    "ae",
    joined(
      element("d7", big(number(part, "id", 1), 1)),
      element("83", big(isVideo ? 1 : 2, 1)),
      element("86", joined(ascii(codec), noise(number(part, "name"), 1))),
      element("63a2", joined(setup, noise(number(part, "setup"), number(part, "seed")))),
      inside,
    ),
  );
}

function block(part: Part, frame: number): Uint8Array {
  const head = Uint8Array.of(
    0x80 | number(part, "id", 1),
    number(part, "time") >> 8,
    number(part, "time"),
    number(part, "key", 1) * 0x80,
  );
  const bytes = number(part, "size", 4);
  const unit = slice(frame, Math.max(0, bytes - 7));
  const body = number(part, "slices") === 1 ? joined(big(unit.length, 4), unit) : noise(bytes, 1);
  return element("a3", joined(head, body), number(part, "claimed", head.length + body.length));
}

/** Elements of one id inside each other, all of unknown size or of their true one. */
function nest(id: string, depth: number, isKnown: boolean, inside: Uint8Array): Uint8Array {
  const head = Uint8Array.fromHex(id);
  const step = head.length + 8;
  const whole = new Uint8Array(step * depth + inside.length);
  for (let at = 0; at < step * depth; at += step) {
    whole.set(head, at);
    whole.set(
      isKnown ? joined(Uint8Array.of(1), big(whole.length - at - step, 7)) : unknown,
      at + head.length,
    );
  }
  whole.set(inside, step * depth);
  return whole;
}

const ids = {
  ebml: "1a45dfa3",
  segment: "18538067",
  info: "1549a966",
  tracks: "1654ae6b",
  cluster: "1f43b675",
  void: "ec",
  group: "a0",
  cues: "1c53bb6b",
};
const head: Part = { is: "ebml" };
const segment: Part = { is: "el", id: ids.segment, claimed: -1 };
const tracks = (...of: Part[]): Part => ({ is: "el", id: ids.tracks, of });
const cluster = (...of: Part[]): Part => ({ is: "el", id: ids.cluster, of: [{ is: "time" }, ...of] });
const key: Part = { is: "block" };
const filler = (id: string, bytes: number): Part => ({ is: "el", id, of: [{ is: "fill", size: bytes }] });
const clusters = (roll: Roll, times = size(roll, 20_000)): Part => ({
  ...cluster({ ...key, size: roll(10) }),
  times,
});

export const matroska: Family = {
  name: "matroska",
  writer() {
    let time = 0;
    let frame = 0;
    return (part, inside) => {
      switch (part.is) {
        case "ebml":
          return element(ids.ebml, joined(element("4282", ascii(text(part, "type", "matroska"))), inside));
        case "el":
          return element(text(part, "id", ids.void), inside, number(part, "claimed", inside.length));
        case "track":
          return track(part, inside);
        case "time":
          return element("e7", big((time += number(part, "ms", 600)), 4));
        case "block":
          return block(part, frame++);
        case "nest":
          return nest(
            text(part, "id", ids.void),
            number(part, "depth", 1),
            number(part, "known") === 1,
            inside,
          );
        default:
          return undefined;
      }
    };
  },
  patterns: {
    "a large codec setup": (roll) => [
      head,
      segment,
      tracks({
        is: "track",
        codec: pick(roll, ["V_VP9", "V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC"]),
        setup: pick(roll, [1_000_000, 300_000, size(roll, 1_000_000)]),
      }),
      clusters(roll),
    ],
    "keyframes in the middle": (roll) => [
      head,
      segment,
      tracks({ is: "track", codec: pick(roll, ["V_VP9", "V_MPEG4/ISO/AVC"]), setup: size(roll, 1_000_000) }),
      {
        is: "group",
        times: size(roll, 1000),
        of: [
          { is: "el", id: ids.cluster, claimed: -1 },
          { is: "time" },
          {
            is: "group",
            times: 1 + roll(200),
            of: [
              { ...key, time: roll(20_000), size: roll(20) },
              { ...key, time: 20_000 + roll(12_000) },
              { ...key, key: 0 },
            ],
          },
        ],
      },
    ],
    "recovery points": (roll) => [
      head,
      segment,
      tracks({ is: "track", codec: "V_MPEG4/ISO/AVC", setup: size(roll, 100_000) }),
      {
        ...cluster({ ...key, size: 30, slices: 1 }, { ...key, size: 30, slices: 1, key: 0, times: roll(5) }),
        times: size(roll, 20_000),
      },
    ],
    "many tracks": (roll) => [
      head,
      segment,
      tracks(
        ...Array.from(
          { length: 1 + roll(100) },
          (_, i): Part => ({ is: "track", id: i + 1, video: roll(2), name: size(roll, 30_000) }),
        ),
        { is: "track", id: 2, times: size(roll, 50_000) },
      ),
      clusters(roll, 1000),
    ],
    "streams that begin anew": (roll) => [
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          head,
          segment,
          tracks({ is: "track", setup: size(roll, 300_000), seed: 1 }),
          clusters(roll, 1 + roll(3)),
          tracks({ is: "track", setup: size(roll, 300_000), seed: 2 }),
          clusters(roll, 1 + roll(3)),
        ],
      },
    ],
    "nested elements": (roll) => {
      const nested: Part = {
        is: "nest",
        id: pick(roll, Object.values(ids)),
        known: roll(2),
        depth: size(roll, 200_000),
        of: [key],
      };
      return [
        head,
        segment,
        tracks({ is: "track" }),
        clusters(roll, 2),
        nested,
        clusters(roll, 20),
        cluster(nested),
        { ...head, of: [{ ...nested, depth: 300 }] },
        tracks({ is: "track", of: [nested] }),
        clusters(roll, 5),
      ];
    },
    "empty elements": (roll) => [
      head,
      segment,
      tracks({ is: "track" }),
      {
        is: "el",
        id: pick(roll, Object.values(ids)),
        times: size(roll, 300_000),
        claimed: pick(roll, [0, -1, 1]),
      },
      cluster({ is: "el", id: pick(roll, ["e7", "a3", "a0", "ec", "ab"]), times: size(roll, 300_000) }),
      cluster({
        is: "el",
        id: ids.group,
        times: size(roll, 100_000),
        of: [{ is: "hex", hex: "a18481000080" }],
      }),
    ],
    "sound alone": (roll) => [
      head,
      segment,
      tracks({ is: "track", video: 0, setup: size(roll, 1_000_000) }),
      { is: "el", id: ids.cluster, claimed: -1 },
      { is: "time" },
      { ...key, size: roll(3), times: 100_000 },
      clusters(roll, 50_000),
    ],
    "lengths that lie": (roll) => [
      head,
      segment,
      tracks({ is: "track" }),
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          { ...cluster({ ...key, claimed: roll(300) }, key), claimed: roll(300) },
          { ...key, claimed: roll(2 ** 30) },
          { ...filler(pick(roll, Object.values(ids)), roll(50)), claimed: roll(2 ** pick(roll, [4, 8, 31])) },
        ],
      },
    ],
    "information without end": (roll) => [
      head,
      segment,
      { ...filler(ids.info, size(roll, 500_000)), times: 1 + roll(40) },
      tracks({ is: "track" }, filler("536e", size(roll, 500_000))),
      {
        is: "group",
        times: size(roll, 3000),
        of: [clusters(roll, 2), filler(ids.info, size(roll, 100_000)), tracks({ is: "track" })],
      },
    ],
  },
};
