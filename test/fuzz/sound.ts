// Sound by structure: FLAC, ADTS, MPEG audio and AC-3 as frames in a row, WAV as chunks. src/media/audio follows
// them.

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

function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ ((crc & 0x80) !== 0 ? 0x07 : 0)) & 0xff;
  }
  return crc;
}

/** A FLAC frame's number as UTF-8 codes one. */
function coded(value: number): number[] {
  if (value < 0x80) return [value];
  if (value < 0x800) return [0xc0 | (value >> 6), 0x80 | (value & 63)];
  return [0xe0 | ((value >> 12) & 15), 0x80 | ((value >> 6) & 63), 0x80 | (value & 63)];
}

const stream = (seed: number, isLast: boolean) =>
  joined(
    ascii("fLaC"),
    Uint8Array.of(isLast ? 0x80 : 0, 0, 0, 34),
    Uint8Array.of(2, 0x40, 2, 0x40, 0, 0, 1, 0, 2, 0, 0x0b, 0xb8 ^ seed, 0x02, 0xf0, 0, 0, 0, 0),
    new Uint8Array(16),
  );
const head: Part = { is: "stream", last: 1 };
const frame: Part = { is: "frame" };

export const flac: Family = {
  name: "flac",
  writer() {
    let next = 0;
    return (part) => {
      switch (part.is) {
        case "stream":
          next = 0;
          return stream(number(part, "seed"), number(part, "last") === 1);
        case "block":
          return joined(
            Uint8Array.of(number(part, "last") * 0x80 + 4),
            big(number(part, "claimed", number(part, "size")), 3),
            noise(number(part, "size"), 1),
          );
        case "frame": {
          const count = number(part, "number", next);
          next = (next + 1) % 0xffff;
          const start = Uint8Array.of(0xff, 0xf8, 0x2a, 0x18 - number(part, "other") * 0x10, ...coded(count));
          return joined(start, Uint8Array.of(crc8(start)), noise(number(part, "size", 10), 1));
        }
        default:
          return undefined;
      }
    };
  },
  patterns: {
    "streams that begin anew": (roll) => [
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { ...head, seed: roll(9) },
          { ...frame, size: roll(9), times: roll(4) },
          { ...head, seed: 9 + roll(9) },
          { ...frame, times: 1 + roll(2) },
        ],
      },
    ],
    "tiny frames": (roll) => [head, { ...frame, size: roll(3), times: 200_000 }],
    "blocks without end": (roll) => [
      { is: "stream" },
      { is: "block", size: size(roll, 100_000), times: size(roll, 100_000) },
      { is: "block", size: 4, last: 1 },
      { ...frame, times: 50 },
    ],
    "false frames": (roll) => [
      head,
      { ...frame, times: 5 },
      {
        is: "hex",
        hex: pick(roll, ["fff8", "fff82a18", "ff", "664c6143", "66"]),
        times: size(roll, 300_000),
      },
      { ...frame, times: 50 },
    ],
    "frames out of order": (roll) => [
      head,
      {
        is: "group",
        times: size(roll, 30_000),
        of: [
          { ...frame, size: roll(5) },
          { ...frame, number: roll(1000) },
          { ...frame, other: 1 },
        ],
      },
    ],
    "lengths that lie": (roll) => [
      {
        is: "group",
        times: size(roll, 2000),
        of: [
          { is: "stream" },
          { is: "block", size: roll(100), claimed: roll(2 ** pick(roll, [6, 12, 24])) },
          { is: "block", last: 1 },
          { ...frame, times: roll(20) },
        ],
      },
    ],
  },
};

/** A header for frames of a format, `bytes` long in all. */
const headers: Record<string, (bytes: number, part: Part) => Uint8Array> = {
  adts: (bytes, part) =>
    Uint8Array.of(
      0xff,
      0xf1,
      0x4c | (number(part, "profile") << 6),
      (number(part, "channels", 2) << 6) | (bytes >> 11),
      bytes >> 3,
      ((bytes & 7) << 5) | 0x1f,
      0xfc,
      number(part, "channels", 2) === 0 ? 0xa0 : 0x21,
    ),
  // MPEG-2.5 at 8 kbit/s, or MPEG-1: their lengths are what their bit rates make
  mp3: (_, part) =>
    Uint8Array.of(
      0xff,
      number(part, "old") === 1 ? 0xfb : 0xe3,
      number(part, "old") === 1 ? 0x90 : 0x10,
      number(part, "mode") << 6,
    ),
  ac3: (bytes, part) =>
    Uint8Array.of(
      0x0b,
      0x77,
      (number(part, "type") << 6) | ((bytes / 2 - 1) >> 8),
      bytes / 2 - 1,
      0x30 | (number(part, "rate") << 6),
      0x80,
    ),
};
const mp3Bytes = (part: Part) => (number(part, "old") === 1 ? 417 : 52);

/** A family of nothing but frames. */
function frames(name: string, least: number, most: number): Family {
  return {
    name,
    writer: () => (part) => {
      if (part.is === "id3")
        return joined(
          ascii("ID3"),
          Uint8Array.of(4, 0, 0),
          Uint8Array.of(
            0,
            (number(part, "claimed", number(part, "size")) >> 14) & 127,
            (number(part, "claimed", number(part, "size")) >> 7) & 127,
            number(part, "claimed", number(part, "size")) & 127,
          ),
          noise(number(part, "size"), 1),
        );
      if (part.is !== "frame") return undefined;
      const bytes = name === "mp3" ? mp3Bytes(part) : Math.max(least, number(part, "size", least)) & ~1;
      const header = headers[name](bytes, part);
      return joined(header, noise(Math.max(0, bytes - header.length), 3));
    },
    patterns: {
      "tiny frames": () => [{ ...frame, times: 300_000 }],
      "frames that toggle": (roll) => [
        { ...frame, times: 10 },
        {
          is: "group",
          times: size(roll, 50_000),
          of: [
            { ...frame, times: 1 + roll(4), profile: 1, channels: roll(2), old: 1, rate: 1 },
            { ...frame, times: 1 + roll(4), mode: 3, size: roll(most) },
          ],
        },
      ],
      "frames kept as headers": (roll) => [
        { ...frame, times: 10 },
        {
          is: "group",
          times: size(roll, 20_000),
          of: [
            { ...frame, channels: 0, size: size(roll, most), times: 3 },
            { ...frame, channels: 0, size: least + 8, times: roll(3) },
          ],
        },
      ],
      tags: (roll) => [
        { ...frame, times: 10 },
        {
          is: "group",
          times: size(roll, 50_000),
          of: [
            { is: "id3", size: roll(20), times: roll(5) },
            { ...frame, times: roll(4) },
            { is: "id3", size: roll(20), claimed: roll(2 ** 20) },
          ],
        },
      ],
      "false frames": (roll) => [
        { ...frame, times: 10 },
        {
          is: "group",
          times: size(roll, 5000),
          of: [
            {
              is: "hex",
              hex: pick(roll, ["ff", "fff1", "0b77", "0b", "fffb90", "494433"]),
              times: size(roll, 2000),
            },
            { ...frame, times: roll(60), size: roll(most) },
          ],
        },
      ],
      "frames cut short": (roll) => [
        { ...frame, times: 10 },
        {
          is: "group",
          times: size(roll, 20_000),
          of: [
            { is: "cut", size: 1 + roll(40), of: [{ ...frame, size: roll(most) }] },
            { ...frame, times: roll(10) },
          ],
        },
      ],
      "in the middle of one": (roll) => [
        { is: "noise", size: roll(2000) },
        { ...frame, size: roll(most), times: size(roll, 20_000) },
      ],
    },
  };
}

export const adts = frames("adts", 10, 2000);
export const mp3 = frames("mp3", 4, 400);
export const ac3 = frames("ac3", 12, 2000);

export const wav: Family = {
  name: "wav",
  writer: () => (part) => {
    switch (part.is) {
      case "riff":
        return joined(
          ascii(text(part, "id", "RIFF")),
          small(number(part, "claimed", 2 ** 32 - 1), 4),
          ascii("WAVE"),
        );
      case "fmt": {
        const step = number(part, "step", 1);
        const body = joined(
          small(1, 2),
          small(1, 2),
          small(number(part, "rate", step * 50), 4),
          small(number(part, "rate", step * 50), 4),
          small(step, 2),
          small(8, 2),
          noise(number(part, "size"), 1),
        );
        return joined(ascii("fmt "), small(number(part, "claimed", body.length), 4), body);
      }
      case "chunk":
        return joined(
          ascii(text(part, "id", "LIST")),
          small(number(part, "claimed", number(part, "size")), 4),
          noise(number(part, "size"), 1),
        );
      default:
        return undefined;
    }
  },
  patterns: {
    "a join point each byte": (roll) => [
      { is: "riff" },
      { is: "fmt", step: 1, rate: pick(roll, [1, 50, 8000]) },
      { is: "chunk", id: "data", claimed: 2 ** 32 - 1, size: 1_500_000 },
    ],
    "chunks without end": (roll) => [
      { is: "riff" },
      { is: "fmt" },
      { is: "chunk", size: roll(4) * 2, times: size(roll, 200_000) },
      { is: "chunk", id: "data", claimed: 0, size: 1000 },
    ],
    "streams that begin anew": (roll) => [
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "riff" },
          { is: "fmt", step: 1 + roll(9), size: roll(50) * 2 },
          { is: "chunk", id: "data", size: roll(60) * 2 },
          { is: "fmt", step: 10 },
          { is: "chunk", id: "data", size: 20 },
        ],
      },
    ],
    "lengths that lie": (roll) => [
      { is: "riff" },
      { is: "fmt" },
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          {
            is: "chunk",
            id: pick(roll, ["data", "LIST"]),
            size: roll(50),
            claimed: roll(2 ** pick(roll, [6, 16, 32])),
          },
          { is: "fmt", claimed: roll(200) },
        ],
      },
    ],
  },
};
