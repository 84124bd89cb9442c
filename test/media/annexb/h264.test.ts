// H.264: picture sizes, where a decoder can start, and the bridge over missing references.

import { describe, expect, test } from "bun:test";
import { h264, h264Size } from "../../../src/media/annexb/h264.ts";
import { hevc } from "../../../src/media/annexb/hevc.ts";
import { capture, hasFfmpeg } from "../capture.ts";
import { concat, fixture, noise } from "../recorder.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

/** The same unit, in hex, so many times. */
function units(unit: string, count: number): Buffer {
  const bytes = Buffer.from(`000001${unit}`, "hex");
  return Buffer.alloc(count * bytes.length, bytes);
}

describe("a sequence parameter set", () => {
  test.each([
    ["1080 lines, cropped", "6742c028da01e0089f97011000000300100000030320f1832a", 1920, 1080],
    ["interlaced 4:2:2", "677a0028bcd94078044fcb808800000300080000030190f8b16cb0", 1920, 1080],
    ["4:4:4 with scaling lists", "67f4000d919b282c37dc5e0220000003002000000641e28532c0", 350, 198],
  ])("of %s says the picture's size", (_, sps, width, height) => {
    expect(h264Size(hex(sps))).toEqual({ width, height });
  });

  test("that is cut short, or something else, has none", () => {
    const sps = hex("6742c028da01e0089f97011000000300100000030320f1832a");
    for (let length = 0; length < 9; length++) expect(h264Size(sps.subarray(0, length))).toBeUndefined();
    expect(h264Size(hex("68ce0f2c80"))).toBeUndefined();
    expect(h264Size(new Uint8Array(40))).toBeUndefined();
    expect(h264Size(new Uint8Array(40).fill(0x67))).toBeUndefined();
    for (let seed = 0; seed < 2000; seed++) {
      const size = h264Size(concat(hex("6764"), noise(60, seed)));
      if (size !== undefined) expect(size.width * size.height).toBeGreaterThan(0);
    }
  });
});

/** The access units of a fixture that begin with this unit type, as offsets of their start codes. */
function unitsOf(bytes: Uint8Array, type: number): number[] {
  const found = [];
  for (let at = 3; at < bytes.length; at++)
    if (bytes[at - 3] === 0 && bytes[at - 2] === 0 && bytes[at - 1] === 1 && (bytes[at] & 31) === type)
      found.push(bytes[at - 4] === 0 ? at - 4 : at - 3);
  return found;
}

describe("H.264 in Annex B form", () => {
  test("is joined at each IDR, with the parameter sets before it", async () => {
    const bytes = await fixture("h264-closed.h264");
    const { joins, units, info } = capture(h264, bytes);
    expect(joins.map(({ offset }) => offset)).toEqual(unitsOf(bytes, 7));
    expect(units.length).toBeGreaterThan(45);
    expect(joins.every(({ offset }) => units.includes(offset))).toBe(true);
    // SPS and PPS as they stand at the very start, before the SEI.
    expect(joins[0].header.start.toHex()).toBe(bytes.subarray(0, unitsOf(bytes, 6)[0]).toHex());
    expect(joins[0].header.resume).toEqual(joins[0].header.start);
    expect(info).toEqual({
      container: "h264",
      mediaType: "video/h264",
      codecs: ["h264"],
      damaged: 0,
      width: 96,
      height: 64,
    });
  });

  test("needs its parameter sets only once", async () => {
    const bytes = await fixture("h264-closed.h264");
    const whole = capture(h264, bytes);
    // Filler data, NAL unit type 12, in place of every set but the first ones.
    const once = bytes.slice();
    for (const at of [...unitsOf(bytes, 7).slice(1), ...unitsOf(bytes, 8).slice(1)]) {
      const header = bytes[at + 2] === 1 ? at + 3 : at + 4;
      once[header] = 12;
    }
    const { joins } = capture(h264, once);
    expect(joins).toHaveLength(whole.joins.length);
    expect(joins.map(({ header }) => header.start.toHex())).toEqual(
      whole.joins.map(({ header }) => header.start.toHex()),
    );
  });

  test("has no join before the first parameter sets", async () => {
    const bytes = await fixture("h264-closed.h264");
    const second = unitsOf(bytes, 7)[1];
    const blank = bytes.slice();
    blank[4] = 12;
    expect(capture(h264, blank).joins[0].offset).toBe(second);
  });

  test("gives joiners a new parameter set in place of the old one of its id, and no set that refers to it", async () => {
    const small = await fixture("h264-closed.h264");
    const other = await fixture("h264-refresh.h264");
    const { joins, headers, info } = capture(h264, concat(small, other));
    const firsts = [joins[0], joins.findLast(({ offset }) => offset <= small.length)];
    expect(firsts[1]?.offset).toBe(small.length);
    const alone = capture(h264, other);
    expect(firsts[1]?.header.start.toHex()).toBe(alone.joins[0].header.start.toHex());
    expect(headers[0].start.toHex()).not.toBe(headers[1].start.toHex());
    expect(info.width).toBe(96);
  });

  test("is joined at recovery points too, after pictures that stand for the missing references", async () => {
    const bytes = await fixture("h264-open.h264");
    const { joins } = capture(h264, bytes);
    expect(joins.length).toBe(5);
    // Access unit delimiters come first, and the first picture alone is an IDR.
    expect(joins.map(({ offset }) => offset).every((offset) => unitsOf(bytes, 9).includes(offset))).toBe(
      true,
    );
    const [idr, ...open] = joins;
    expect(unitsOf(idr.header.start, 1)).toEqual([]);
    for (const { header } of open) {
      expect(unitsOf(header.start, 7)).toHaveLength(1);
      expect(unitsOf(header.start, 8)).toHaveLength(2);
      expect(unitsOf(header.start, 1).length).toBeGreaterThan(1);
      expect(header.start.length).toBeLessThan(300);
      expect(header.resume).toEqual(header.start);
    }
  });

  test("ends a unit at each picture, not at each slice", async () => {
    const bytes = await fixture("h264-refresh.h264");
    const slices = unitsOf(bytes, 1).length + unitsOf(bytes, 5).length;
    expect(slices).toBe(100);
    expect(capture(h264, bytes).units).toHaveLength(50);
  });

  test("is given up when no picture comes any more", async () => {
    const bytes = await fixture("h264-closed.h264");
    expect(capture(h264, concat(bytes, new Uint8Array(8_000_000).fill(7))).lost).toBe(false);
    expect(capture(h264, concat(bytes, new Uint8Array(9_000_000).fill(7))).lost).toBe(true);
  });

  test("is given up when thousands of units in a row have next to nothing in them", async () => {
    const bytes = await fixture("h264-closed.h264");
    // Where the rows of units begin depends on what came before.
    expect(capture(h264, concat(bytes, units("0c80", 10_000))).lost).toBe(true);
    expect(capture(h264, concat(bytes, units("0c80", 3000), bytes)).lost).toBe(false);
    expect(capture(h264, concat(bytes, units("0cffffff80", 10_000))).lost).toBe(false);
  });
});

describe("the H.264 sniffer", () => {
  test("wants a slice that refers to parameter sets, with 3- or 4-byte start codes", async () => {
    const bytes = await fixture("h264-closed.h264");
    const slice = unitsOf(bytes, 5)[0];
    expect(h264.sniff(bytes.subarray(0, slice))).toBe("more");
    expect(h264.sniff(bytes.subarray(0, slice + 1000))).toBe("yes");
    const three = concat(
      ...unitsOf(bytes, 7)
        .slice(0, 1)
        .map(() => bytes.subarray(1, slice + 1000)),
    );
    expect(h264.sniff(three)).toBe("yes");
    expect(h264.sniff(concat(new Uint8Array(4), bytes.subarray(0, slice + 1000)))).toBe("yes");
  });

  test("takes nothing else for it", async () => {
    expect(h264.sniff(new Uint8Array(100))).toBe("no");
    expect(h264.sniff(Buffer.from("0000 0001 hello, this is text"))).toBe("no");
    expect(h264.sniff(await fixture("hevc-open.hevc"))).toBe("no");
    expect(h264.sniff(await fixture("hevc-closed.hevc"))).toBe("no");
    // Program streams and MPEG-2 video have such start codes as well.
    expect(h264.sniff(hex("000001ba44000400 0401 0183f3f8 000001e0 0000 8080"))).toBe("no");
    expect(h264.sniff(hex("000001b3 06004013 ffffe018 000001b5 14820001 0000 000001b8"))).toBe("no");
    for (let seed = 0; seed < 200; seed++)
      expect(h264.sniff(concat(hex("00000001"), noise(65_536, seed)))).toBe("no");
  });

  test("does not believe parameter sets that make no sense", async () => {
    const bytes = (await fixture("h264-closed.h264")).slice(0, 3000);
    const profile = bytes.slice();
    profile[5] = 3;
    expect(h264.sniff(profile)).toBe("no");
    const forbidden = bytes.slice();
    forbidden[4] |= 0x80;
    expect(h264.sniff(forbidden)).toBe("no");
    expect(hevc.sniff(bytes)).toBe("no");
  });
});

/** A checksum of each picture that ffmpeg makes of `stream`. */
async function sums(stream: Uint8Array): Promise<string[]> {
  const to = ["-fps_mode", "passthrough", "-f", "framemd5", "-"];
  const process = Bun.spawn(["ffmpeg", "-v", "quiet", "-f", "h264", "-i", "-", ...to], {
    stdin: stream,
    stdout: "pipe",
  });
  const lines = (await process.stdout.text()).split("\n").filter((line) => line.startsWith("0,"));
  return lines.map((line) => line.slice(line.lastIndexOf(",") + 1).trim());
}

describe.if(hasFfmpeg)("what watchers of H.264 get decodes without an error", () => {
  test("h264-refresh.h264, once the refresh has passed", async () => {
    const { bytes, joins } = capture(h264, await fixture("h264-refresh.h264"));
    for (const { offset, header } of joins) {
      const process = Bun.spawn(["ffmpeg", "-v", "error", "-f", "h264", "-i", "-", "-f", "null", "-"], {
        stdin: concat(header.start, bytes.subarray(offset)),
        stderr: "pipe",
      });
      expect({ offset, errors: await process.stderr.text() }).toEqual({ offset, errors: "" });
    }
  }, 60_000);

  test("and every picture is the very one that the encoder made", async () => {
    const { bytes, joins } = capture(h264, await fixture("h264-open.h264"));
    const all = await sums(bytes);
    for (const { offset, header } of joins) {
      const got = await sums(concat(header.start, bytes.subarray(offset)));
      expect(got.length).toBeGreaterThan(0);
      expect(got.filter((sum) => !all.includes(sum))).toEqual([]);
    }
  }, 60_000);
});
