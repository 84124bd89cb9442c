// MPEG-TS by structure: tables of any number of programs and streams, PES packets, counters. src/media/mpegts follows it.

import { pps, ppsOf, slice, sps } from "./avc.ts";
import { big, type Family, joined, noise, number, type Part, pick, size } from "./parts.ts";

function crc(bytes: Uint8Array): Uint8Array {
  let value = 0xffff_ffff;
  for (const byte of bytes) {
    value ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c1_1db7 : value << 1;
  }
  return big(value >>> 0, 4);
}

/** A section in the long form: table, its own number, version, entries. */
function section(table: number, id: number, version: number, body: Uint8Array): Uint8Array {
  const length = body.length + 9;
  const head = Uint8Array.of(
    table,
    0xb0 | (length >> 8),
    length,
    id >> 8,
    id,
    0xc1 | ((version & 31) << 1),
    0,
    0,
  );
  const whole = joined(head, body);
  return joined(whole, crc(whole));
}

function pat(part: Part): Uint8Array {
  const programs = number(part, "programs", 1);
  const entries = Array.from({ length: programs }, (_, i) => {
    const pid = 0x1000 + (number(part, "apart", 1) === 1 ? i : 0);
    return joined(big(i + 1, 2), big(0xe000 | pid, 2));
  });
  return section(0, 1, number(part, "version"), joined(...entries));
}

function pmt(part: Part, program: number): Uint8Array {
  const streams = Array.from({ length: number(part, "streams", 1) }, (_, i) => {
    const about = noise(number(part, "about"), number(part, "version"));
    return joined(
      Uint8Array.of(number(part, "type", 0x1b)),
      big(0xe000 | (0x100 + (((program - 1) * 60 + i) % 0xe00)), 2),
      big(0xf000 | about.length, 2),
      about,
    );
  });
  return section(2, program, number(part, "version"), joined(big(0xe100, 2), big(0xf000, 2), ...streams));
}

/** The payload of a PES packet: access unit delimiter, parameter sets, a slice. */
function picture(part: Part, frame: number): Uint8Array {
  const start = Uint8Array.of(0, 0, 0, 1);
  const units: Uint8Array[] = [start, Uint8Array.of(9, 0xf0)];
  if (number(part, "sets") === 1) units.push(start, sps, start, pps);
  const count = number(part, "pps");
  for (let id = 0; id < count; id++)
    units.push(start, ppsOf(id, number(part, "setBytes"), number(part, "seed")));
  if (number(part, "recovery") === 1) units.push(start, Uint8Array.of(6, 6, 1, 0xc4, 0x80));
  units.push(start, number(part, "key", 1) === 1 ? Uint8Array.of(0x65, 0x88, 0x84, 0) : slice(frame, 4));
  return joined(...units, noise(number(part, "size"), 1));
}

const tables: Part[] = [{ is: "pat" }, { is: "pmt" }];
const first: Part = { is: "pes", sets: 1 };

export const mpegts: Family = {
  name: "mpegts",
  writer() {
    const counters = new Map<number, number>();
    let pts = 0;
    let frame = 0;
    const packets = (pid: number, payload: Uint8Array, isStuffed: boolean, flagged: boolean): Uint8Array => {
      const all: Uint8Array[] = [];
      for (let at = 0; at < payload.length; ) {
        const counter = counters.get(pid) ?? 0;
        counters.set(pid, (counter + 1) & 15);
        const flags = flagged && at === 0;
        const part = payload.subarray(at, at + (flags ? 182 : 184));
        const packet = new Uint8Array(188).fill(0xff);
        const isShort = part.length < 184;
        packet.set([
          0x47,
          (at === 0 ? 0x40 : 0) | (pid >> 8),
          pid,
          (isShort && isStuffed ? 0x30 : 0x10) | counter,
        ]);
        if (isShort && isStuffed) packet[4] = 183 - part.length;
        if (isShort && isStuffed && part.length < 183) packet[5] = flags ? 0x40 : 0;
        packet.set(part, isStuffed ? 188 - part.length : 4);
        all.push(packet);
        at += part.length;
      }
      return joined(...all);
    };
    const table = (pid: number, bytes: Uint8Array) =>
      packets(pid, joined(Uint8Array.of(0), bytes), false, false);
    return (part) => {
      const pid = number(part, "pid", 0x100);
      switch (part.is) {
        case "pat":
          return table(0, pat(part));
        case "pmt": {
          const from = number(part, "program", 1);
          const maps = Array.from({ length: number(part, "programs", 1) }, (_, i) =>
            table(0x1000 + from - 1 + i, pmt(part, from + i)),
          );
          return joined(...maps);
        }
        case "pes": {
          pts += 3600;
          const time = Uint8Array.of(
            0x21 | ((pts >> 29) & 14),
            pts >> 22,
            (pts >> 14) | 1,
            pts >> 7,
            (pts << 1) | 1,
          );
          const payload = number(part, "raw") === 1 ? noise(number(part, "size"), 1) : picture(part, frame++);
          const claimed = number(part, "claimed", 0);
          const head = joined(
            Uint8Array.of(0, 0, 1, 0xe0),
            big(claimed, 2),
            Uint8Array.of(0x80, 0x80, 5),
            time,
          );
          return packets(pid, joined(head, payload), true, number(part, "flagged") === 1);
        }
        case "packet":
          return packets(pid, noise(184, number(part, "seed")), true, false);
        default:
          return undefined;
      }
    };
  },
  patterns: {
    "large parameter sets": (roll) => [
      ...tables,
      first,
      { is: "pes", sets: 1, pps: pick(roll, [1, 50, 255]), setBytes: pick(roll, [5, 300, 4000]) },
      { is: "pes", times: size(roll, 20_000), key: roll(4) === 0 ? 0 : 1, recovery: 1 },
    ],
    "toggled parameter sets": (roll) => [
      ...tables,
      first,
      { is: "pes", sets: 1, pps: pick(roll, [1, 50, 255]), setBytes: pick(roll, [5, 300, 4000]) },
      {
        is: "group",
        times: size(roll, 2000),
        of: [
          { is: "pes", pps: 1, seed: 1, setBytes: 9, times: 1 + roll(3) },
          { is: "pes", pps: 1, seed: 2, setBytes: 9 },
          { is: "pes", times: roll(4) },
        ],
      },
    ],
    "many programs": (roll) => {
      const programs = 1 + roll(250);
      return [
        { is: "pat", programs, apart: roll(2) },
        { is: "pmt", streams: 1 + roll(2) },
        {
          is: "pmt",
          program: 2,
          programs: programs - 1,
          streams: 1 + roll(60),
          type: pick(roll, [0x0f, 0x1b, 6]),
        },
        {
          is: "group",
          times: size(roll, 1000),
          of: [
            { is: "pmt", program: 1, version: 1, about: roll(3) },
            { is: "pmt", program: 1, version: 2, about: roll(3) },
            { is: "pes", sets: 1, times: roll(5) },
          ],
        },
      ];
    },
    "changing tables": (roll) => [
      ...tables,
      first,
      {
        is: "group",
        times: size(roll, 5000),
        of: [
          { is: "pat", programs: 1 + roll(200), version: 1 },
          {
            is: "pmt",
            programs: 1 + roll(200),
            version: roll(32),
            streams: roll(100),
            type: pick(roll, [0x1b, 0x24, 0x0f, 6]),
          },
          { is: "pat", programs: 1 + roll(200), version: 2 },
          { is: "pes", times: roll(10) },
        ],
      },
    ],
    "recovery points": (roll) => [
      ...tables,
      first,
      {
        is: "group",
        times: size(roll, 10_000),
        of: [
          { is: "pes", key: 0, recovery: 1, sets: roll(2) },
          { is: "pes", key: 0, times: roll(5) },
        ],
      },
    ],
    "tiny packets": (roll) => [
      ...tables,
      first,
      { is: "pes", raw: roll(2), size: roll(3), times: 40_000, flagged: roll(2), claimed: roll(300) },
    ],
    "no alignment": (roll) => [
      ...tables,
      { ...first, times: 8 },
      {
        is: "group",
        times: size(roll, 3000),
        of: [
          { is: "fill", byte: 0x47, size: size(roll, 20_000) },
          { is: "noise", size: roll(300) },
          { is: "packet", times: roll(12) },
          { is: "pes", times: roll(3) },
        ],
      },
    ],
    "units without end": (roll) => [
      ...tables,
      { is: "pes", sets: 1, pps: 255, setBytes: roll(20) },
      { is: "pes", sets: 1, pps: 255, setBytes: roll(4), times: size(roll, 2000), key: roll(2) },
    ],
    "many streams": (roll) => [
      { is: "pat" },
      { is: "pmt", streams: 1 + roll(180), type: pick(roll, [0x1b, 0x24, 0x0f, 0x03]) },
      ...Array.from(
        { length: 64 },
        (_, i): Part => ({ is: "pes", pid: 0x100 + i, sets: 1, size: roll(300) }),
      ),
      {
        is: "group",
        times: size(roll, 500),
        of: Array.from(
          { length: 64 },
          (_, i): Part => ({ is: "pes", pid: 0x100 + i, sets: roll(2), key: roll(2) }),
        ),
      },
    ],
  },
  elements: (bytes) => Array.from({ length: Math.floor(bytes.length / 188) }, (_, i) => 188 * i),
};
