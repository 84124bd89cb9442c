// Ogg by structure: logical streams, pages, packets over many pages, chains. src/media/ogg follows it.

import { ascii, type Family, joined, noise, number, type Part, pick, size, small, text } from "./parts.ts";

const crcTable = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  return crc;
});

/** A page (RFC 3533, 6): `flags` are 1 continued, 2 first, 4 last; `lacing` its table of segments. */
function page(
  flags: number,
  serial: number,
  sequence: number,
  lacing: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  const head = joined(
    ascii("OggS"),
    Uint8Array.of(0, flags),
    small(sequence * 960, 8),
    small(serial, 4),
    small(sequence, 4),
    new Uint8Array(4),
    Uint8Array.of(lacing.length),
  );
  const whole = joined(head, lacing, body);
  let crc = 0;
  for (const byte of whole) crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ byte];
  whole.set(small(crc >>> 0, 4), 22);
  return whole;
}

/** The segments of packets of these sizes; `isOpen`: the last goes on in the next page. */
function lace(bytes: number, isOpen: boolean): Uint8Array {
  if (isOpen) return new Uint8Array(Math.min(255, Math.ceil(bytes / 255))).fill(255);
  return Uint8Array.from({ length: Math.min(255, Math.floor(bytes / 255) + 1) }, (_, i) =>
    i < Math.floor(bytes / 255) ? 255 : bytes % 255,
  );
}

const heads: Record<string, Uint8Array> = {
  opus: joined(ascii("OpusHead"), Uint8Array.of(1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0)),
  vorbis: joined(Uint8Array.of(1), ascii("vorbis"), new Uint8Array(23)),
  theora: joined(
    Uint8Array.of(0x80),
    ascii("theora"),
    Uint8Array.of(3, 2, 1, 0, 8, 0, 6, 0, 0, 128, 0, 0, 96),
    new Uint8Array(20),
  ),
  flac: joined(
    Uint8Array.of(0x7f),
    ascii("FLAC"),
    Uint8Array.of(1, 0, 0, 0),
    ascii("fLaC"),
    new Uint8Array(38),
  ),
  speex: joined(ascii("Speex   "), new Uint8Array(72)),
  none: ascii("whatever"),
};

const begin = (codec: string, serial = 1): Part => ({ is: "begin", codec, serial });
const comment = (bytes: number, serial = 1): Part => ({ is: "page", size: bytes, serial });
const opus: Part[] = [begin("opus"), comment(60)];

export const ogg: Family = {
  name: "ogg",
  writer() {
    const sequences = new Map<number, number>();
    let random = 1;
    return (part) => {
      const serial = number(part, "fresh") === 1 ? 1000 + random++ : number(part, "serial", 1);
      const sequence = sequences.get(serial) ?? 0;
      sequences.set(serial, sequence + 1);
      if (part.is === "begin") {
        const head = heads[text(part, "codec", "opus")] ?? heads.none;
        const body = joined(head, noise(number(part, "size"), 1));
        return page(2, serial, sequence, lace(body.length, false), body.subarray(0, 255 * 255));
      }
      if (part.is !== "page") return undefined;
      const isOpen = number(part, "open") === 1;
      const lacing =
        number(part, "segments") > 0
          ? new Uint8Array(number(part, "segments") & 255).fill(number(part, "segment"))
          : lace(number(part, "size"), isOpen);
      const bytes = lacing.reduce((sum, length) => sum + length, 0);
      const body = noise(bytes, 1);
      if (bytes > 0) body[0] = number(part, "first", 0x10);
      return page(
        number(part, "flags"),
        serial,
        sequence,
        lacing,
        body.subarray(0, number(part, "body", bytes)),
      );
    };
  },
  patterns: {
    "many streams": (roll) => [
      {
        is: "group",
        times: size(roll, 3000),
        of: [
          ...Array.from({ length: 1 + roll(70) }, (_, i) => begin(pick(roll, Object.keys(heads)), i + 1)),
          { is: "page", serial: 1 + roll(64), size: roll(500), times: roll(100) },
        ],
      },
    ],
    "streams without end": (roll) => [
      begin("opus"),
      {
        is: "begin",
        codec: pick(roll, Object.keys(heads)),
        fresh: 1,
        size: size(roll, 60_000),
        times: size(roll, 50_000),
      },
    ],
    "a large comment": (roll) => [
      begin(pick(roll, ["opus", "vorbis", "theora", "flac"])),
      { is: "page", size: 65_000, open: 1, times: size(roll, 100) },
      comment(roll(100)),
      { is: "page", size: roll(20), times: size(roll, 50_000) },
    ],
    "headers without end": (roll) => [
      begin(pick(roll, ["vorbis", "theora", "flac", "speex"])),
      { is: "page", size: roll(20), times: size(roll, 100_000), flags: roll(2) },
    ],
    "chained streams": (roll) => [
      {
        is: "group",
        times: size(roll, 3000),
        of: [
          begin("opus", 1),
          comment(size(roll, 60_000)),
          { is: "page", size: roll(20), times: 1 + roll(3) },
          begin("opus", 2),
          comment(size(roll, 60_000), 2),
          { is: "page", serial: 2, size: roll(20) },
        ],
      },
    ],
    "large chained streams": (roll) => [
      {
        is: "group",
        times: 1 + roll(20),
        of: [
          begin("opus", 1),
          { is: "page", size: 65_000, open: 1, times: 1 + roll(60) },
          comment(60),
          { is: "page", size: roll(20), times: size(roll, 1000) },
        ],
      },
    ],
    "empty pages": (roll) => [
      ...opus,
      {
        is: "page",
        segments: pick(roll, [1, 255, 256]),
        segment: pick(roll, [0, 1, 255]),
        size: 0,
        times: size(roll, 100_000),
      },
    ],
    keyframes: (roll) => [
      begin("theora"),
      { is: "page", size: size(roll, 60_000), times: 2 },
      { is: "page", size: roll(10), first: roll(2) * 0x10, times: size(roll, 100_000) },
    ],
    "packets that stay open": (roll) => [
      ...opus,
      { is: "page", size: 255 * (1 + roll(250)), open: 1, flags: 1, times: size(roll, 3000) },
    ],
    "lengths that lie": (roll) => [
      ...opus,
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "page", size: size(roll, 2000), body: roll(300) },
          { is: "page", serial: 7, size: 30 },
          { is: "page", size: 30, flags: roll(256) },
        ],
      },
    ],
    "false captures": (roll) => [
      ...opus,
      { is: "page", size: 100, times: 4 },
      {
        is: "hex",
        hex: pick(roll, ["4f", "4f6767", "4f67675300", "4f6767530002"]),
        times: size(roll, 300_000),
      },
    ],
  },
  elements(bytes) {
    const at: number[] = [];
    for (let next = bytes.indexOf(0x4f); next >= 0; next = bytes.indexOf(0x4f, next + 1)) {
      if (bytes[next + 1] === 0x67 && bytes[next + 2] === 0x67 && bytes[next + 3] === 0x53) at.push(next);
    }
    return at;
  },
};
