// MPEG audio: frame lengths of all versions and layers, and the silence that ends a gap.

import { describe, expect, test } from "bun:test";
import { mp3 } from "../../../src/media/audio/mp3.ts";
import { maxHeaderBytes, sniffLimit } from "../../../src/media/detector.ts";
import { concat, Recorder } from "../recorder.ts";

/** Frames with this header, at the distance that the standard's formula gives. */
function stream(header: number[], length: number, count = 4): Uint8Array {
  const bytes = new Uint8Array(length * count);
  for (let at = 0; at < bytes.length; at += length) bytes.set(header, at);
  return bytes;
}

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = mp3.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

describe("MPEG audio", () => {
  // Lengths worked out by hand from ISO/IEC 11172-3, 2.4.3.1 and 13818-3, 2.4.3.1.
  test.each([
    ["MPEG-1 layer III, 128 kbit/s, 44.1 kHz", [0xff, 0xfb, 0x90, 0x00], 417, "mp3"],
    ["the same, padded", [0xff, 0xfb, 0x92, 0x00], 418, "mp3"],
    ["the same, with a CRC", [0xff, 0xfa, 0x90, 0x00], 417, "mp3"],
    ["MPEG-1 layer III, 320 kbit/s, 48 kHz", [0xff, 0xfb, 0xe4, 0x00], 960, "mp3"],
    ["MPEG-2 layer III, 32 kbit/s, 22.05 kHz", [0xff, 0xf3, 0x40, 0xc0], 104, "mp3"],
    ["MPEG-2.5 layer III, 8 kbit/s, 8 kHz", [0xff, 0xe3, 0x18, 0xc0], 72, "mp3"],
    ["MPEG-1 layer II, 192 kbit/s, 48 kHz", [0xff, 0xfd, 0xa4, 0x00], 576, "mp2"],
    ["MPEG-2 layer II, 64 kbit/s, 24 kHz", [0xff, 0xf5, 0x84, 0x00], 384, "mp2"],
    ["MPEG-1 layer I, 384 kbit/s, 44.1 kHz", [0xff, 0xff, 0xc0, 0x00], 416, "mp1"],
  ])("joins at every frame of %s", (_, header, length, codec) => {
    const bytes = stream(header, length);
    expect(mp3.sniff(bytes)).toBe("yes");
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([0, length, 2 * length, 3 * length]);
    expect(recorder.newest?.start.length).toBe(0);
    expect(detector.info).toEqual({ container: "mp3", mediaType: "audio/mpeg", codecs: [codec], damaged: 0 });
  });

  test.each([
    ["the free format", [0xff, 0xfb, 0x00, 0x00]],
    ["the forbidden bit rate", [0xff, 0xfb, 0xf0, 0x00]],
    ["the reserved version", [0xff, 0xeb, 0x90, 0x00]],
    ["the reserved layer", [0xff, 0xf9, 0x90, 0x00]],
    ["the reserved sampling rate", [0xff, 0xfb, 0x9c, 0x00]],
    ["the reserved emphasis", [0xff, 0xfb, 0x90, 0x02]],
  ])("says no to %s", (_, header) => {
    expect(mp3.sniff(stream(header, 417))).toBe("no");
  });

  test("follows frames of changing bit rates, and stereo that is now joint, now not", () => {
    const bytes = concat(
      stream([0xff, 0xfb, 0x90, 0x00], 417, 1),
      stream([0xff, 0xfb, 0x50, 0x40], 208, 1),
      stream([0xff, 0xfb, 0xb0, 0x70], 626, 2),
    );
    expect(followed(bytes).recorder.joins).toEqual([0, 417, 625, 1251]);
  });

  test("does not take stereo and mono frames for one stream", () => {
    const bytes = concat(stream([0xff, 0xfb, 0x90, 0x00], 417, 2), stream([0xff, 0xfb, 0x90, 0xc0], 417, 1));
    expect(mp3.sniff(bytes)).toBe("no");
  });

  test("takes a tag too long to look behind as a sign of MP3, and passes over it", () => {
    const size = 2 * sniffLimit;
    const tag = new Uint8Array(10 + size);
    tag.set([0x49, 0x44, 0x33, 3, 0, 0, 0, size >> 14, (size >> 7) & 0x7f, size & 0x7f]);
    expect(mp3.sniff(tag.subarray(0, 16))).toBe("yes");
    const { recorder, detector } = followed(concat(tag, stream([0xff, 0xfb, 0x90, 0x00], 417)));
    expect(recorder.joins[0]).toBe(tag.length);
    expect(detector.lost).toBe(false);
  });

  test("does not follow a tag whose size is no size, or absurd", () => {
    for (const size of [
      [0x80, 0, 0, 10],
      [0x7f, 0x7f, 0x7f, 0x7f],
    ]) {
      const tag = Uint8Array.of(0x49, 0x44, 0x33, 3, 0, 0, ...size);
      expect(mp3.sniff(concat(tag, new Uint8Array(10)))).toBe("no");
    }
  });

  // Byte for byte: header, side information in which part2_3_length is all there is, and ones.
  test.each([
    ["stereo", [0xff, 0xfb, 0x94, 0x44], 384, "fffb1444000001e0", 96, 32],
    ["mono", [0xff, 0xfb, 0x90, 0xcc], 417, "fffb10cc00000a60", 104, 17],
    ["stereo at a lower rate", [0xff, 0xf3, 0x40, 0x44], 104, "fff310440000a000", 26, 17],
    ["mono at a lower rate", [0xff, 0xe3, 0x18, 0xc4], 72, "ffe318c4000ec000", 72, 9],
  ])(
    "fills a gap in %s with a silent frame that leaves nothing in the reservoir",
    (_, header, length, start, size, side) => {
      const resume = followed(stream(header, length)).recorder.newest?.resume ?? new Uint8Array(0);
      expect(resume.length).toBe(size);
      expect(resume.subarray(0, 8).toHex()).toBe(start);
      expect(resume.subarray(8, 4 + side).every((byte) => byte === 0)).toBe(true);
      expect(resume.subarray(4 + side).every((byte) => byte === 0xff)).toBe(true);
      // It is a frame of the same stream.
      expect(mp3.sniff(concat(resume, stream(header, length, 2)))).toBe("yes");
      expect(resume.length).toBeLessThan(maxHeaderBytes);
    },
  );

  test("needs nothing in a gap of layer II, which has no reservoir", () => {
    expect(followed(stream([0xff, 0xfd, 0xa4, 0x00], 576)).recorder.newest?.resume.length).toBe(0);
  });
});
