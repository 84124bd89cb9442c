// AC-3 and E-AC-3: frame sizes, and the substreams where a stream can't be cut.

import { describe, expect, test } from "bun:test";
import { ac3, cutAc3 } from "../../../src/media/audio/ac3.ts";
import { concat, noise, Recorder } from "../recorder.ts";

const filled = (length: number, header: number[]) => {
  const bytes = new Uint8Array(length);
  bytes.set(header);
  return bytes;
};
/** An AC-3 frame; `code` is fscod and frmsizecod. */
const plain = (length: number, code: number) => filled(length, [0x0b, 0x77, 0, 0, code, 0x40]);
/** An E-AC-3 frame of 48 kHz; type 0 is independent, 1 dependent. */
const enhanced = (length: number, type: number, substream = 0) => {
  const words = length / 2 - 1;
  return filled(length, [
    0x0b,
    0x77,
    (type << 6) | (substream << 3) | (words >> 8),
    words & 0xff,
    0x30,
    0x80,
  ]);
};

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = ac3.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, info: detector.info };
}

describe("AC-3", () => {
  // ETSI TS 102 366, table 4.13.
  test.each([
    ["48 kHz, 32 kbit/s", 0x00, 128],
    ["48 kHz, 448 kbit/s", 30, 1792],
    ["44.1 kHz, 32 kbit/s", 0x40, 138],
    ["44.1 kHz, 32 kbit/s, one word longer", 0x41, 140],
    ["44.1 kHz, 640 kbit/s", 0x40 | 36, 2786],
    ["32 kHz, 640 kbit/s", 0x80 | 36, 3840],
  ])("joins at every frame of %s", (_, code, length) => {
    const bytes = concat(plain(length, code), plain(length, code), plain(length, code));
    expect(ac3.sniff(bytes)).toBe("yes");
    const { recorder, info } = followed(bytes);
    expect(recorder.joins).toEqual([0, length, 2 * length]);
    expect(info).toEqual({ container: "ac3", mediaType: "audio/ac3", codecs: ["ac3"], damaged: 0 });
  });

  test.each([
    ["the reserved sampling rate", plain(128, 0xc0)],
    ["a reserved frame size", plain(128, 38)],
    ["a reserved stream type", enhanced(128, 3)],
    ["the reserved rates of E-AC-3", filled(128, [0x0b, 0x77, 0, 63, 0xf0, 0x80])],
    ["an unknown bsid", filled(128, [0x0b, 0x77, 0, 63, 0x30, 0x88])],
  ])("says no to %s", (_, frame) => {
    expect(ac3.sniff(concat(frame, frame, frame))).toBe("no");
  });

  test("joins E-AC-3 only where the first independent substream begins", () => {
    const set = concat(enhanced(256, 0), enhanced(100, 1), enhanced(80, 0, 1));
    const { recorder, info } = followed(concat(set, set, set));
    expect(recorder.joins).toEqual([0, 436, 872]);
    expect(recorder.units).toEqual([]);
    expect(info).toEqual({ container: "ac3", mediaType: "audio/eac3", codecs: ["eac3"], damaged: 0 });
  });

  test("follows an AC-3 core with E-AC-3 extensions", () => {
    const set = concat(plain(768, 20), enhanced(200, 1));
    expect(followed(concat(set, set)).recorder.joins).toEqual([0, 968]);
  });

  test("finds a stream that begins inside a frame, and nothing in noise", () => {
    const frames = concat(...Array.from({ length: 8 }, () => plain(768, 20)));
    expect(cutAc3.sniff(frames.subarray(300))).toBe("yes");
    expect(cutAc3.sniff(frames.subarray(300, 3000))).toBe("more");
    expect(cutAc3.sniff(noise(8192, 2))).toBe("no");
  });
});
