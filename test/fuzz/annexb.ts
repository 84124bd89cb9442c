// H.264 and HEVC in Annex B form by structure: parameter sets of any id and size, pictures, start codes. src/media/annexb
// follows them.

import { golomb, pps, ppsOf, slice, sps } from "./avc.ts";
import {
  type Family,
  joined,
  noise,
  number,
  type Part,
  pick,
  type Roll,
  size,
  text,
  type Writer,
} from "./parts.ts";

const start = Uint8Array.of(0, 0, 0, 1);
const unit = (...parts: Uint8Array[]) => joined(start, ...parts);

/** HEVC's own parameter sets. */
const vpsH = Uint8Array.fromHex("40010c01ffff01600000030090000003000003001e959809");
const spsH = Uint8Array.fromHex(
  "42010101600000030090000003000003001ea030810596566924caf0168080000003008000000c84",
);
const ppsH = Uint8Array.fromHex("4401c172b42240");

/** What both have: units of any first bytes. */
function bare(part: Part): Uint8Array | undefined {
  if (part.is === "unit")
    return unit(Uint8Array.fromHex(text(part, "head")), noise(number(part, "size"), number(part, "seed")));
  if (part.is === "short") return joined(Uint8Array.of(0, 0, 1), Uint8Array.fromHex(text(part, "head")));
  return undefined;
}

function avcWriter(): Writer {
  let frame = 0;
  return (part) => {
    switch (part.is) {
      case "sets":
        return joined(unit(sps), unit(pps));
      case "pps": {
        const from = number(part, "id");
        const ids = Array.from({ length: number(part, "ids", 1) }, (_, i) => from + i);
        return joined(...ids.map((id) => unit(ppsOf(id, number(part, "size"), number(part, "seed")))));
      }
      case "key":
        return unit(Uint8Array.of(0x65, 0x88, 0x84), noise(number(part, "size"), 1));
      case "recovery":
        return joined(
          unit(Uint8Array.of(9, 0xf0)),
          unit(Uint8Array.of(6, 6, 1, 0xc4, 0x80)),
          unit(slice(frame++, number(part, "size"))),
        );
      case "picture":
        return unit(slice(frame++, number(part, "size")));
      default:
        return bare(part);
    }
  };
}

function hevcWriter(): Writer {
  return (part) => {
    switch (part.is) {
      case "sets":
        return joined(unit(vpsH), unit(spsH), unit(ppsH));
      case "pps": {
        const from = number(part, "id");
        const ids = Array.from({ length: number(part, "ids", 1) }, (_, i) => from + i);
        const body = noise(number(part, "size") + 2, number(part, "seed"));
        return joined(...ids.map((id) => unit(Uint8Array.of(0x44, 1), golomb(id, 0), body)));
      }
      case "key":
        return unit(Uint8Array.of(0x28, 1, 0xaf), noise(number(part, "size"), 1));
      // a CRA picture, which wants an end of sequence before it
      case "recovery":
        return unit(Uint8Array.of(0x2a, 1, 0xaf), noise(number(part, "size"), 1));
      case "picture":
        return unit(Uint8Array.of(0x02, 1, 0xd0), noise(number(part, "size"), 1));
      default:
        return bare(part);
    }
  };
}

function patterns(ids: number, delimiter: string, sei: string): Record<string, (roll: Roll) => Part[]> {
  const sets: Part = { is: "sets" };
  const many = (roll: Roll): Part => ({
    is: "pps",
    id: 1,
    ids: pick(roll, [1, ids - 1, roll(ids) + 1]),
    size: pick(roll, [3, 300, 4070]),
  });
  return {
    "large parameter sets": (roll) => [
      sets,
      { is: "key" },
      many(roll),
      { is: pick(roll, ["key", "recovery"]), size: roll(9), times: size(roll, 60_000) },
    ],
    "toggled parameter sets": (roll) => [
      sets,
      { is: "key" },
      many(roll),
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          { is: "pps", id: 1, seed: 1 },
          { is: pick(roll, ["key", "recovery"]), size: roll(5) },
          { is: "pps", id: 1, seed: 2 },
          { is: pick(roll, ["key", "recovery"]), times: 1 + roll(3) },
        ],
      },
    ],
    "all ids taken": (roll) => [
      sets,
      { is: "key" },
      { is: "pps", id: 0, ids, size: roll(30) },
      { is: "picture", times: 3 },
      { is: "recovery", times: size(roll, 3000) },
      { is: "picture", times: 3 },
    ],
    "recovery points": (roll) => [
      sets,
      { is: "key" },
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "picture", size: roll(9), times: roll(4) },
          { is: "recovery", size: roll(9), times: 1 + roll(2) },
        ],
      },
    ],
    "start codes": (roll) => [
      sets,
      { is: "key" },
      {
        is: "short",
        head: pick(roll, ["", "00", delimiter, "65", "0c", "80", "67", "68", "4001", "4201", "4401"]),
        times: size(roll, 500_000),
      },
      { is: "key" },
    ],
    "delimiters alone": (roll) => [
      sets,
      { is: "key" },
      {
        is: "group",
        times: size(roll, 100_000),
        of: [
          { is: "unit", head: delimiter },
          { is: "unit", head: sei, size: roll(4) },
        ],
      },
      { is: "key", times: 100 },
    ],
    "long messages": (roll) => [
      sets,
      { is: "key" },
      {
        is: "group",
        times: size(roll, 2000),
        of: [
          { is: "unit", head: sei, size: size(roll, 8000) },
          { is: "hex", hex: `00000001${sei}${"ff".repeat(1 + roll(4000))}` },
          { is: "key" },
        ],
      },
    ],
    "sets again and again": (roll) => [
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          sets,
          { is: "pps", id: roll(ids), ids: 1 + roll(3), size: roll(100) },
          { is: "key", times: roll(3) },
        ],
      },
    ],
    zeros: (roll) => [
      sets,
      { is: "key" },
      {
        is: "group",
        times: size(roll, 1000),
        of: [
          { is: "fill", size: size(roll, 100_000) },
          { is: "short", head: "65" },
          { is: "fill", byte: 1, size: roll(1000) },
        ],
      },
    ],
  };
}

export const h264: Family = {
  name: "h264",
  writer: avcWriter,
  patterns: patterns(256, "09f0", "06"),
};
export const hevc: Family = {
  name: "hevc",
  writer: hevcWriter,
  patterns: patterns(64, "460150", "4e01"),
};
