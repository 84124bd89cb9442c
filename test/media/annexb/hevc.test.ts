// HEVC: picture sizes, and where a decoder can start or go on.

import { describe, expect, test } from "bun:test";
import { hevc, hevcSize } from "../../../src/media/annexb/hevc.ts";
import { capture } from "../capture.ts";
import { concat, fixture, noise } from "../recorder.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

/** The start codes of units of these types. */
function unitsOf(bytes: Uint8Array, ...types: number[]): number[] {
  const found = [];
  for (let at = 3; at < bytes.length; at++) {
    const type = (bytes[at] >> 1) & 63;
    if (bytes[at - 3] === 0 && bytes[at - 2] === 0 && bytes[at - 1] === 1 && types.includes(type))
      found.push(bytes[at - 4] === 0 ? at - 4 : at - 3);
  }
  return found;
}

describe("a sequence parameter set", () => {
  test.each([
    [
      "1080 lines",
      "420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000c84",
      1920,
      1080,
    ],
    [
      "10 bit 4:2:2, cropped",
      "4201010408000003009d0800000300003cb00b080d1d45b6595952930bc05a020000030002000003003210",
      350,
      198,
    ],
  ])("of %s says the picture's size", (_, sps, width, height) => {
    expect(hevcSize(hex(sps))).toEqual({ width, height });
  });

  test("that is cut short, or something else, has none", () => {
    const sps = hex("420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000c84");
    for (let length = 0; length < 24; length++) expect(hevcSize(sps.subarray(0, length))).toBeUndefined();
    expect(hevcSize(hex("40010c01ffff016000000300900000030000030078959809"))).toBeUndefined();
    expect(hevcSize(new Uint8Array(60))).toBeUndefined();
    for (let seed = 0; seed < 2000; seed++) {
      const size = hevcSize(concat(hex("4201"), noise(60, seed)));
      if (size !== undefined) expect(size.width * size.height).toBeGreaterThan(0);
    }
  });
});

describe("HEVC in Annex B form", () => {
  test("is joined at each IDR, with the parameter sets before it and nothing else", async () => {
    const bytes = await fixture("hevc-closed.hevc");
    const { joins, info } = capture(hevc, bytes);
    const idrs = unitsOf(bytes, 19, 20).length;
    expect(joins).toHaveLength(idrs);
    const delimiters = unitsOf(bytes, 35);
    expect(joins.every(({ offset }) => delimiters.includes(offset))).toBe(true);
    for (const { header } of joins) {
      expect(unitsOf(header.start, 32, 33, 34)).toHaveLength(3);
      expect(header.resume).toEqual(header.start);
    }
    expect(info).toEqual({
      container: "hevc",
      mediaType: "video/h265",
      codecs: ["hevc"],
      damaged: 0,
      width: 96,
      height: 64,
    });
  });

  test("goes on at a CRA picture after an end of sequence, so that what leads it is passed over", async () => {
    const bytes = await fixture("hevc-open.hevc");
    const { joins } = capture(hevc, bytes);
    const [idr, ...open] = joins;
    expect(idr.header.resume).toEqual(idr.header.start);
    expect(open.map(({ offset }) => offset)).toEqual(unitsOf(bytes, 32).slice(1));
    for (const { header } of open) {
      expect(header.start).toEqual(idr.header.start);
      expect(header.resume.toHex()).toBe(`000000014801${header.start.toHex()}`);
    }
  });

  test("needs its parameter sets only once", async () => {
    const bytes = await fixture("hevc-closed.hevc");
    const once = bytes.slice();
    const later = [32, 33, 34].flatMap((type) => unitsOf(bytes, type).slice(1));
    // Filler data, NAL unit type 38.
    for (const at of later) once[bytes[at + 2] === 1 ? at + 3 : at + 4] = 38 << 1;
    const whole = capture(hevc, bytes);
    const { joins } = capture(hevc, once);
    expect(joins.map(({ header }) => header.start.toHex())).toEqual(
      whole.joins.map(({ header }) => header.start.toHex()),
    );
  });
});

describe("the HEVC sniffer", () => {
  test("wants a slice behind its parameter sets", async () => {
    for (const file of ["hevc-open.hevc", "hevc-closed.hevc"]) {
      const bytes = await fixture(file);
      const [slice] = unitsOf(bytes, 19, 20);
      expect(hevc.sniff(bytes.subarray(0, slice))).toBe("more");
      expect(hevc.sniff(bytes.subarray(0, slice + 500))).toBe("yes");
    }
  });

  test("takes nothing else for it", async () => {
    expect(hevc.sniff(new Uint8Array(100))).toBe("no");
    expect(hevc.sniff(await fixture("h264-closed.h264"))).toBe("no");
    expect(hevc.sniff(await fixture("h264-open.h264"))).toBe("no");
    for (let seed = 0; seed < 200; seed++)
      expect(hevc.sniff(concat(hex("00000001"), noise(65_536, seed)))).toBe("no");
    const bytes = (await fixture("hevc-open.hevc")).slice(0, 4000);
    // vps_reserved_0xffff_16bits
    bytes[8] = 0;
    expect(hevc.sniff(bytes)).toBe("no");
  });
});
