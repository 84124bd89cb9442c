// MPEG-TS: tables as headers, keyframes as joins, whole PES packets as units; damage.

import { describe, expect, test } from "bun:test";
import { mpegts } from "../../../src/media/mpegts/mpegts.ts";
import { readPes, videoPes } from "../../../src/media/mpegts/pes.ts";
import { packetise, sectionIsWhole } from "../../../src/media/mpegts/psi.ts";
import { capture } from "../capture.ts";
import { concat, feed, fixture, noise, Recorder } from "../recorder.ts";

const size = 188;
const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

/** A section with its length and CRC. */
function section(table: number, id: number, version: number, body: Uint8Array): Uint8Array {
  const length = body.length + 9;
  const bytes = new Uint8Array(length + 3);
  bytes.set([table, 0xb0 | (length >> 8), length, id >> 8, id, 0xc1 | (version << 1), 0, 0]);
  bytes.set(body, 8);
  let crc = 0xffff_ffff;
  for (const byte of bytes.subarray(0, length - 1))
    for (let bit = 7; bit >= 0; bit--) {
      const carry = (crc >>> 31) ^ ((byte >> bit) & 1);
      crc = ((crc << 1) ^ (carry === 1 ? 0x04c1_1db7 : 0)) >>> 0;
    }
  new DataView(bytes.buffer).setUint32(length - 1, crc);
  return bytes;
}

const pat = (programs: Record<number, number>, version = 0) =>
  section(
    0,
    1,
    version,
    new Uint8Array(
      Object.entries(programs).flatMap(([number, pid]) => [0, Number(number), 0xe0 | (pid >> 8), pid & 255]),
    ),
  );

const pmt = (
  program: number,
  streams: readonly (readonly [type: number, pid: number])[],
  { version = 0, descriptors = 0 } = {},
) => {
  const info = new Uint8Array(descriptors).fill(0);
  if (descriptors > 0) info.set([0xfe, descriptors - 2]);
  const head = [0xe1, 0x00, 0xf0 | (descriptors >> 8), descriptors & 255];
  const list = streams.flatMap(([type, pid]) => [type, 0xe0 | (pid >> 8), pid & 255, 0xf0, 0]);
  return section(2, program, version, new Uint8Array([...head, ...info, ...list]));
};

interface Options {
  start?: boolean;
  randomAccess?: boolean;
  scrambled?: boolean;
}

/** A packet with this payload, stuffed to its size. */
function packet(pid: number, payload: Uint8Array, options: Options = {}): Uint8Array {
  const bytes = new Uint8Array(size).fill(0xff);
  const { start = false, randomAccess = false, scrambled = false } = options;
  const room = size - 4 - payload.length;
  bytes.set([0x47, (start ? 0x40 : 0) | (pid >> 8), pid, (scrambled ? 0x80 : 0) | (room > 0 ? 0x30 : 0x10)]);
  if (room > 0) bytes[4] = room - 1;
  if (room > 1) bytes[5] = randomAccess ? 0x40 : 0;
  bytes.set(payload, size - payload.length);
  return bytes;
}

/** The start of a PES packet with a time stamp; without a length unless `bytes` follow its header. */
function pes(id: number, content: Uint8Array, bytes = 0): Uint8Array {
  const length = bytes === 0 ? 0 : bytes + 8;
  return concat(new Uint8Array([0, 0, 1, id, length >> 8, length, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1]), content);
}

const video = 0x100;
const audio = 0x101;
const tables = (type: number) =>
  concat(
    packetise(0, [pat({ 1: 0x1000 })]),
    packetise(0x1000, [
      pmt(1, [
        [type, video],
        [0x0f, audio],
      ]),
    ]),
  );
const key = (content = new Uint8Array(20)) =>
  packet(video, pes(0xe0, content), { start: true, randomAccess: true });
const other = () => packet(video, pes(0xe0, new Uint8Array(20)), { start: true });
const second = (randomAccess: boolean) =>
  packet(0x200, pes(0xe0, new Uint8Array(9)), { start: true, randomAccess });
const scrambled = (randomAccess: boolean) =>
  packet(video, noise(170, 1), { start: true, randomAccess, scrambled: true });
/** A video codec whose payload is not looked into. */
const mpeg4 = 0x10;

describe("the tables", () => {
  test("in front of a join are the newest PAT and all PMTs, in whole packets", async () => {
    const { joins, headers, info } = capture(mpegts, await fixture("mpegts-programs.mpegts"));
    const { header } = joins[0];
    expect(header.start.length).toBe(3 * size);
    expect(header.resume).toEqual(header.start);
    expect(header.fixed).toHaveLength(0);
    expect([0, 1, 2].map((index) => header.start[index * size])).toEqual([0x47, 0x47, 0x47]);
    expect(headers.at(-1)).toBe(header);
    expect(info).toEqual({
      container: "mpegts",
      mediaType: "video/mp2t",
      codecs: ["h264", "mp2", "h264", "mp2"],
      damaged: 0,
      width: 96,
      height: 64,
    });
  });

  test("may be longer than a packet", () => {
    const long = pmt(1, [[mpeg4, video]], { descriptors: 250 });
    const packets = packetise(0x1000, [long]);
    expect(packets.length).toBe(2 * size);
    expect(sectionIsWhole(long, long.length)).toBe(true);
    const head = concat(packetise(0, [pat({ 1: 0x1000 })]), packets);
    const { joins } = capture(mpegts, concat(head, key(), other(), other(), other()));
    expect(joins.map(({ offset }) => offset)).toEqual([head.length]);
    expect(joins[0].header.start.toHex()).toBe(head.toHex());
  });

  test("that change replace the header for what comes after", () => {
    const first = tables(mpeg4);
    const second = concat(
      packetise(0, [pat({ 1: 0x1000 })]),
      packetise(0x1000, [pmt(1, [[mpeg4, video]], { version: 1 })]),
    );
    const { joins, info, headers } = capture(
      mpegts,
      concat(first, key(), other(), first, key(), second, key(), key()),
    );
    expect(joins.map(({ header }) => header.start.toHex())).toEqual(
      [first, first, second, second].map((packets) => packets.toHex()),
    );
    expect(headers).toHaveLength(2);
    expect(info.codecs).toEqual(["mpeg4"]);
  });

  test("with a wrong CRC are not believed", () => {
    const bad = tables(mpeg4);
    bad[size + 15] ^= 1;
    const { joins, headers } = capture(mpegts, concat(bad, key(), other(), other(), other()));
    expect(joins).toEqual([]);
    expect(headers).toEqual([]);
  });
});

describe("joins", () => {
  test("are at keyframes whether or not the stream says so itself", async () => {
    for (const file of ["mpegts-h264-aac", "mpegts-hevc-opus", "mpegts-mpeg2-mp2"]) {
      const bytes = await fixture(`${file}.mpegts`);
      const flagged = [];
      const silent = bytes.slice();
      for (let at = 0; at < bytes.length; at += size) {
        const isVideo = (((bytes[at + 1] & 31) << 8) | bytes[at + 2]) === video;
        const hasField = (bytes[at + 3] & 0x20) !== 0 && bytes[at + 4] > 0;
        if (isVideo && hasField && (bytes[at + 5] & 0x40) !== 0) flagged.push(at);
        if (hasField) silent[at + 5] &= ~0x40;
      }
      expect(flagged.length).toBeGreaterThan(2);
      expect(capture(mpegts, bytes).joins.map(({ offset }) => offset)).toEqual(flagged);
      expect(capture(mpegts, silent).joins.map(({ offset }) => offset)).toEqual(flagged);
    }
  });

  test("of several programs are where all of them have a keyframe", async () => {
    const bytes = await fixture("mpegts-programs.mpegts");
    const { joins } = capture(mpegts, bytes);
    expect(joins.length).toBeGreaterThan(2);
    const two = concat(
      packetise(0, [pat({ 1: 0x1000, 2: 0x1001 })]),
      packetise(0x1000, [pmt(1, [[mpeg4, video]])]),
      packetise(0x1001, [pmt(2, [[mpeg4, 0x200]])]),
    );
    const none = concat(key(), second(false), other(), second(true), other(), second(false));
    const both = concat(second(true), key(), other(), second(false));
    const offsets = capture(mpegts, concat(two, none, both)).joins.map(({ offset }) => offset);
    expect(offsets).toEqual([two.length + none.length]);
  });

  test("of programs whose keyframes never meet are those of the first", () => {
    const two = concat(
      packetise(0, [pat({ 1: 0x1000, 2: 0x1001 })]),
      packetise(0x1000, [pmt(1, [[mpeg4, video]])]),
      packetise(0x1001, [pmt(2, [[mpeg4, 0x200]])]),
    );
    const gop = concat(key(), second(false), other(), second(false));
    const { joins } = capture(mpegts, concat(two, gop, gop, gop, gop, gop));
    expect(joins.map(({ offset }) => offset)).toEqual(
      [2, 3, 4].map((count) => two.length + count * gop.length),
    );
  });

  test("without video are at audio frames", async () => {
    const bytes = await fixture("mpegts-aac.mpegts");
    const { joins, units, info } = capture(mpegts, bytes);
    expect(joins.length).toBeGreaterThan(4);
    expect(units).toEqual(joins.map(({ offset }) => offset));
    expect(info.codecs).toEqual(["aac"]);
    const head = concat(packetise(0, [pat({ 1: 0x1000 })]), packetise(0x1000, [pmt(1, [[0x0f, audio]])]));
    const frame = packet(audio, pes(0xc0, hex("fff15080 0203 0405"), 8), { start: true });
    const rest = packet(audio, pes(0xc0, hex("0123456789abcdef"), 8), { start: true });
    const offsets = capture(mpegts, concat(head, rest, frame, rest, frame)).joins.map(({ offset }) => offset);
    expect(offsets).toEqual([head.length + size, head.length + 3 * size]);
  });

  test("of scrambled video are where the random access indicator is", () => {
    const clear = tables(0x1b);
    const bytes = concat(clear, scrambled(false), scrambled(true), scrambled(false), scrambled(true));
    const { joins, units } = capture(mpegts, bytes);
    expect(joins.map(({ offset }) => offset)).toEqual([3, 5].map((count) => count * size));
    expect(units).toHaveLength(4);
  });

  test("of streams that never say where come about all the same, each 250 pictures", () => {
    const { joins } = capture(mpegts, concat(tables(mpeg4), ...Array.from({ length: 600 }, other)));
    expect(joins).toHaveLength(2);
  });

  test("get the parameter sets that only stood at the very start", async () => {
    const bytes = await fixture("mpegts-h264-aac.mpegts");
    const whole = capture(mpegts, bytes);
    const once = bytes.slice();
    // Filler data, NAL unit type 12, in place of every set after the first access unit.
    for (let at = whole.units[1]; at + 4 < once.length; at++)
      if (once[at] === 0 && once[at + 1] === 0 && once[at + 2] === 1 && [0x67, 0x68].includes(once[at + 3]))
        once[at + 3] = 12;
    const { joins } = capture(mpegts, once);
    expect(joins.map(({ offset }) => offset)).toEqual(whole.joins.map(({ offset }) => offset));
    expect(joins[0].header.start.length).toBe(2 * size);
    for (const { offset, header } of joins.slice(1)) {
      expect(header.start.length).toBe(3 * size);
      expect(header.resume).toEqual(header.start);
      // A PES packet that leads up to the keyframe's: its time, and the continuity counter before.
      const own = header.start.subarray(2 * size);
      const payload = 5 + own[4];
      const keyframe = 5 + once[offset + 4];
      const times = readPes(once, offset + keyframe, offset + size);
      expect(times?.pts).toBeGreaterThan(0);
      expect(readPes(own, payload, size)).toMatchObject({ pts: times?.pts, dts: times?.dts });
      expect(((own[3] & 15) + 1) & 15).toBe(once[offset + 3] & 15);
      expect(own.toHex()).toContain("0000000167");
    }
  });

  test("at H.264 recovery points and HEVC CRA pictures have what they need in front", async () => {
    const open = capture(mpegts, await fixture("mpegts-h264-open.mpegts")).joins;
    expect(open[0].header.start.length).toBe(2 * size);
    for (const { header } of open.slice(1)) {
      expect(header.start.length).toBeGreaterThan(3 * size);
      expect(header.start.length % size).toBe(0);
      expect(header.resume).toEqual(header.start);
    }
    const cra = capture(mpegts, await fixture("mpegts-hevc-opus.mpegts")).joins;
    for (const { header } of cra.slice(1)) {
      expect(header.start.length).toBe(2 * size);
      expect(header.resume.length).toBe(3 * size);
      expect(header.resume.toHex()).toEndWith("000000014801");
    }
  });
});

describe("units", () => {
  test("end where no stream is inside a PES packet", () => {
    const head = tables(mpeg4);
    const begun = packet(audio, pes(0xc0, new Uint8Array(100), 150), { start: true });
    const ended = packet(audio, new Uint8Array(50));
    const bytes = concat(head, key(), begun, other(), ended, other(), begun, ended, other());
    expect(capture(mpegts, bytes).units).toEqual([2, 6, 9].map((count) => count * size));
  });

  test("come about all the same when the streams never pause together", () => {
    const begun = packet(audio, pes(0xc0, new Uint8Array(100), 5000), { start: true });
    const { units } = capture(mpegts, concat(tables(mpeg4), begun, ...Array.from({ length: 200 }, other)));
    expect(units).toHaveLength(3);
  });

  test("are not between the parts of one access unit", () => {
    const part = packet(video, hex("000001e0 0000 800000 0102030405"), { start: true });
    const { units } = capture(mpegts, concat(tables(mpeg4), key(), part, other(), part, part, other()));
    expect(units).toEqual([2, 4, 7].map((count) => count * size));
  });
});

describe("damage", () => {
  test("is got over at the next packets, and counted", async () => {
    const bytes = await fixture("mpegts-h264-aac.mpegts");
    const whole = capture(mpegts, bytes);
    const last = whole.joins[whole.joins.length - 1].offset;
    for (const garbage of [noise(100, 1), new Uint8Array(5000), new Uint8Array(187).fill(0x47)]) {
      const at = whole.units[8] + size;
      const recorder = new Recorder();
      const detector = mpegts.create(recorder);
      feed(detector, concat(bytes.subarray(0, at), garbage, bytes.subarray(at)), () => 1000);
      expect(detector.info.damaged).toBe(1);
      expect(recorder.joins.at(-1)).toBe(last + garbage.length);
      expect(recorder.joins).toHaveLength(whole.joins.length);
    }
  });

  test("in the beginning, up to the first whole packet, is none", async () => {
    const bytes = await fixture("mpegts-h264-aac.mpegts");
    const { joins, info } = capture(mpegts, bytes.subarray(100));
    expect(joins.map(({ offset }) => (offset + 100) % size)).toEqual(joins.map(() => 0));
    expect(joins.length).toBeGreaterThan(3);
    expect(info.damaged).toBe(0);
  });

  test("without an end is given up after a mebibyte", async () => {
    const bytes = await fixture("mpegts-h264-aac.mpegts");
    expect(capture(mpegts, concat(bytes, noise(1_040_000, 2))).lost).toBe(false);
    expect(capture(mpegts, concat(bytes, noise(1_060_000, 2))).lost).toBe(true);
  });
});

describe("the sniffer", () => {
  test("wants packets and a PAT", async () => {
    const bytes = await fixture("mpegts-h264-aac.mpegts");
    expect(mpegts.sniff(bytes.subarray(0, 5 * size))).toBe("more");
    expect(mpegts.sniff(bytes.subarray(0, 6 * size))).toBe("yes");
    expect(mpegts.sniff(concat(...Array.from({ length: 30 }, other)))).toBe("more");
    expect(mpegts.sniff(bytes.subarray(100))).toBe("yes");
  });

  test("takes 64 KiB of packets without one", () => {
    const packets = concat(...Array.from({ length: 349 }, () => packet(video, noise(184, 5))));
    expect(mpegts.sniff(packets.subarray(0, 60_000))).toBe("more");
    expect(mpegts.sniff(packets.subarray(0, 65_536))).toBe("yes");
  });

  test("takes nothing else for it", () => {
    for (let seed = 0; seed < 50; seed++) expect(mpegts.sniff(noise(65_536, seed))).toBe("no");
    expect(mpegts.sniff(new Uint8Array(65_536))).toBe("no");
    expect(mpegts.sniff(new Uint8Array(65_536).fill(0x47))).toBe("no");
    expect(mpegts.sniff(Buffer.from("GGGG all glory is fleeting. ".repeat(100)))).toBe("no");
    // Packets, but only at first.
    expect(mpegts.sniff(concat(...Array.from({ length: 6 }, other), noise(3000, 3)))).toBe("no");
  });
});

test("a PES packet of our own is read back as it was meant", () => {
  for (const length of [1, 160, 165, 166, 167, 183, 184, 185, 2000]) {
    const content = noise(length, length).map((byte) => byte | 1);
    const packets = videoPes(0x1abc, content, 2 ** 33 - 1, 2 ** 32 + 12_345, 1);
    expect(packets.length % size).toBe(0);
    const payloads = [];
    for (let at = 0; at < packets.length; at += size) {
      expect([packets[at], packets[at + 1] & 0x1f, packets[at + 2]]).toEqual([0x47, 0x1a, 0xbc]);
      expect((packets[at + 1] & 0x40) !== 0).toBe(at === 0);
      const from = at + 4 + ((packets[at + 3] & 0x20) !== 0 ? 1 + packets[at + 4] : 0);
      payloads.push(packets.subarray(from, at + size));
    }
    expect(packets[packets.length - size + 3] & 15).toBe(0);
    const payload = concat(...payloads);
    const read = readPes(payload, 0, payload.length);
    expect(read).toEqual({ bytes: payload.length, headerBytes: 19, pts: 2 ** 33 - 1, dts: 2 ** 32 + 12_345 });
    expect(payload.subarray(19).toHex()).toBe(content.toHex());
  }
});
