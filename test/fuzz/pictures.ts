// IVF, Y4M and Motion JPEG by structure. src/media/pictures follows them.

import {
  ascii,
  big,
  type Family,
  joined,
  noise,
  number,
  type Part,
  pick,
  size,
  small,
  text,
} from "./parts.ts";

const frame: Part = { is: "frame" };

export const ivf: Family = {
  name: "ivf",
  writer() {
    let time = 0;
    return (part) => {
      if (part.is === "head") {
        return joined(
          ascii("DKIF"),
          small(0, 2),
          small(32, 2),
          ascii(text(part, "codec", "VP80")),
          small(64, 2),
          small(48, 2),
          small(25, 4),
          small(1, 4),
          new Uint8Array(8),
        );
      }
      if (part.is !== "frame") return undefined;
      const body = noise(number(part, "size", 1), 1);
      if (body.length > 0) body[0] = number(part, "first", 0x82);
      time += number(part, "ticks", 1);
      return joined(small(number(part, "claimed", body.length), 4), small(time, 8), body);
    };
  },
  patterns: {
    "tiny frames": (roll) => [
      { is: "head", codec: pick(roll, ["VP80", "VP90", "AV01"]) },
      { ...frame, first: pick(roll, [0x82, 0x12, 0x0a]), size: 1 + roll(3), times: 200_000 },
    ],
    "streams that begin anew": (roll) => [
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "head", codec: "VP80" },
          { ...frame, times: roll(3) },
          { is: "head", codec: "VP90" },
          { ...frame, times: roll(3) },
        ],
      },
    ],
    "units without end": (roll) => [
      { is: "head", codec: "AV01" },
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          {
            is: "hex",
            hex: `00020000${"00".repeat(8)}${pick(roll, ["12000a010a0101", "1200", "0a00"]).repeat(128).slice(0, 1024)}`,
          },
          frame,
        ],
      },
    ],
    "lengths that lie": (roll) => [
      { is: "head" },
      { ...frame, times: 3 },
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { ...frame, size: 1 + roll(50), claimed: roll(2 ** pick(roll, [6, 16, 32])), times: 1 + roll(2) },
          { ...frame, ticks: roll(2 ** 20), times: roll(9) },
        ],
      },
    ],
    "nothing to go by": (roll) => [
      { is: "head" },
      { ...frame, times: 3 },
      { is: "fill", byte: roll(256), size: 2_000_000 },
    ],
  },
};

export const y4m: Family = {
  name: "y4m",
  writer: () => (part) => {
    if (part.is === "head")
      return ascii(
        `YUV4MPEG2 W${number(part, "width", 1)} H1 F25:1 C${text(part, "colour", "mono")}${" X".repeat(number(part, "fields"))}\n`,
      );
    if (part.is === "frame")
      return joined(
        ascii(`FRAME${" I".repeat(number(part, "fields"))}\n`),
        noise(number(part, "size", 1), 3),
      );
    return undefined;
  },
  patterns: {
    "tiny frames": () => [{ is: "head" }, { ...frame, times: 200_000 }],
    "streams that begin anew": (roll) => [
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "head", fields: roll(480) },
          { ...frame, times: roll(3) },
          { is: "head", width: 2, fields: roll(480) },
          { ...frame, size: 2 },
        ],
      },
    ],
    "long lines": (roll) => [
      { is: "head" },
      {
        is: "group",
        times: size(roll, 10_000),
        of: [
          { ...frame, fields: roll(600) },
          { is: "fill", byte: 0x46, size: roll(3000) },
        ],
      },
    ],
    "false frames": (roll) => [
      { is: "head" },
      {
        is: "group",
        times: size(roll, 50_000),
        of: [{ is: "hex", hex: pick(roll, ["46", "4652", "4652414d45", "0a"]), times: roll(500) }, frame],
      },
    ],
    "large pictures": (roll) => [
      { is: "head", width: 65_535, colour: "444" },
      { ...frame, size: size(roll, 400_000), times: 20 },
    ],
  },
};

const segment = (marker: number, bytes: number): Part => ({ is: "segment", marker, size: bytes });
const image = (bytes: number): Part[] => [
  { is: "marker", marker: 0xd8 },
  { is: "sof" },
  segment(0xda, 6),
  { is: "noise", size: bytes },
  { is: "marker", marker: 0xd9 },
];

export const mjpeg: Family = {
  name: "mjpeg",
  writer: () => (part) => {
    switch (part.is) {
      case "marker":
        return Uint8Array.of(0xff, number(part, "marker"));
      case "segment":
        return joined(
          Uint8Array.of(0xff, number(part, "marker")),
          big(number(part, "claimed", number(part, "size") + 2), 2),
          noise(number(part, "size"), 1),
        );
      case "sof":
        return Uint8Array.of(0xff, 0xc0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0);
      default:
        return undefined;
    }
  },
  patterns: {
    "tiny images": (roll) => [{ is: "group", times: 100_000, of: image(roll(3)) }],
    "segments without end": (roll) => [
      { is: "marker", marker: 0xd8 },
      { is: "sof", times: size(roll, 3) },
      segment(0xda, 6),
      { is: "marker", marker: 0xd9 },
      { is: "marker", marker: 0xd8 },
      { ...segment(pick(roll, [0xc0, 0xe0, 0xfe, 0xda]), roll(20)), times: 200_000 },
    ],
    "markers alone": (roll) => [
      ...image(4),
      { is: "marker", marker: pick(roll, [0xff, 0xd8, 0xd9, 0x00, 0xd0, 0x01]), times: 500_000 },
    ],
    "images cut short": (roll) => [
      ...image(4),
      {
        is: "group",
        times: size(roll, 50_000),
        of: [{ is: "cut", size: roll(40), of: image(9) }, ...image(roll(9))],
      },
    ],
    "lengths that lie": (roll) => [
      ...image(4),
      {
        is: "group",
        times: size(roll, 30_000),
        of: [
          { is: "marker", marker: 0xd8 },
          { ...segment(0xe0, roll(50)), claimed: roll(65_536) },
          ...image(2),
        ],
      },
    ],
    "data without end": (roll) => [
      ...image(4),
      { is: "marker", marker: 0xd8 },
      { is: "sof" },
      segment(0xda, 6),
      { is: "hex", hex: pick(roll, ["ff00", "ffd0", "ffff"]), times: 1_000_000 },
    ],
  },
};
