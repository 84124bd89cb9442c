// The codec strings by which a browser is asked are read from the streams' own headers.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readMatroskaHeader } from "../../src/web/browser/matroskaheader.ts";
import { readMp4Header } from "../../src/web/browser/mp4header.ts";
import { aacCodec, av1Codec, hevcCodec } from "../../src/web/browser/track.ts";

const fixture = (name: string) => Bun.file(join(import.meta.dir, "../fixtures", name)).bytes();
const readers = { mp4: readMp4Header, mkv: readMatroskaHeader, webm: readMatroskaHeader } as const;
const readerOf = (name: string) => readers[name.split(".")[1] as keyof typeof readers];

const video = (codec: string) => ({ kind: "video" as const, codec, width: 64, height: 48 });
const audio = (codec: string) => ({ kind: "audio" as const, codec });

const cases = {
  "fmp4-h264-aac.mp4": [video("avc1.64000a"), audio("mp4a.40.2")],
  "fmp4-cmaf.mp4": [video("avc1.64000a")],
  "fmp4-hevc.mp4": [video("hvc1.1.6.L30.90"), audio("mp4a.40.2")],
  "fmp4-aac.mp4": [audio("mp4a.40.2")],
  "matroska-h264-aac.mkv": [video("avc1.64000a"), audio("mp4a.40.2")],
  "matroska-hevc.mkv": [video("hvc1.1.6.L30.90"), audio("mp4a.40.2")],
  "matroska-vp9-opus.webm": [video("vp9"), audio("opus")],
  "matroska-opus.webm": [audio("opus")],
};

describe("a stream's header", () => {
  test.each(Object.entries(cases))("of %s gives its tracks", async (name, tracks) => {
    const header = readerOf(name)(await fixture(name));
    expect(header).toMatchObject({ tracks });
  });

  test.each(Object.keys(cases))("of %s is not taken before it is whole, and then at once", async (name) => {
    const bytes = await fixture(name);
    const read = readerOf(name);
    let length = 0;
    while (read(bytes.subarray(0, length)) === "more") length++;
    expect(length).toBeGreaterThan(100);
    expect(read(bytes.subarray(0, length))).toEqual(read(bytes));
  });

  test("is none in another container's bytes", async () => {
    const names = ["mpegts-h264-aac.mpegts", "flv-h264-aac.flv", "ogg-opus.ogg", "y4m-420.y4m"];
    for (const bytes of await Promise.all(names.map(fixture))) {
      expect(readMp4Header(bytes)).toBeUndefined();
      expect(readMatroskaHeader(bytes)).toBeUndefined();
    }
  });

  test("that lies about lengths is not believed, and throws nothing", async () => {
    for (const name of Object.keys(cases)) {
      const bytes = await fixture(name);
      for (let at = 0; at < 700; at++) {
        const changed = bytes.slice(0, 1500);
        changed[at] ^= 0xff;
        expect(() => readerOf(name)(changed)).not.toThrow();
      }
    }
  });

  test("is WebM only with codecs that browsers know in WebM", async () => {
    expect(readMatroskaHeader(await fixture("matroska-vp9-opus.webm"))).toMatchObject({ isWebm: true });
    expect(readMatroskaHeader(await fixture("matroska-h264-aac.mkv"))).toMatchObject({ isWebm: false });
  });
});

describe("a codec string", () => {
  test("of HEVC has the compatibility flags reversed and the constraints without trailing zeros", () => {
    const record = new Uint8Array([1, 2, 0x20, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 120]);
    expect(hevcCodec("hev1", record)).toBe("hev1.2.4.L120.B0");
    record[1] = 0x60 | 1;
    expect(hevcCodec("hvc1", record)).toBe("hvc1.A1.4.H120.B0");
  });

  test("of AV1 has profile, level, tier and depth", () => {
    expect(av1Codec(new Uint8Array([0x81, 0x04, 0x0c, 0]))).toBe("av01.0.04M.08");
    expect(av1Codec(new Uint8Array([0x81, 0x2d, 0xc0, 0]))).toBe("av01.1.13H.10");
    expect(av1Codec(new Uint8Array([0x81, 0x4d, 0x60, 0]))).toBe("av01.2.13M.12");
  });

  test("of AAC has the object type, also one above 31", () => {
    expect(aacCodec(new Uint8Array([0x11, 0x90]))).toBe("mp4a.40.2");
    expect(aacCodec(new Uint8Array([0x2b, 0x92]))).toBe("mp4a.40.5");
    expect(aacCodec(new Uint8Array([0xf9, 0x40]))).toBe("mp4a.40.42");
  });
});
