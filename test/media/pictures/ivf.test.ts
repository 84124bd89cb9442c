// IVF: key frames of the three codecs, and the way back after damage.

import { describe, expect, test } from "bun:test";
import { ivf } from "../../../src/media/pictures/ivf.ts";
import { concat, fixture, noise, Recorder } from "../recorder.ts";

/** A header: 320x180, 25 frames a second. */
function header(codec: string, { width = 320, rate = 25 } = {}): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(new TextEncoder().encode("DKIF"));
  bytes[6] = 32;
  bytes.set(new TextEncoder().encode(codec), 8);
  bytes.set([width & 0xff, width >> 8, 180, 0, rate, 0, 0, 0, 1, 0, 0, 0, 9], 12);
  return bytes;
}

function frame(time: number, first: number[], size = 100): Uint8Array {
  const bytes = new Uint8Array(12 + size);
  new DataView(bytes.buffer).setUint32(0, size, true);
  new DataView(bytes.buffer).setUint32(4, time, true);
  bytes.set(first, 12);
  return bytes;
}

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = ivf.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

describe("IVF", () => {
  test.each([
    ["VP80", [0x10], [0x11]],
    ["VP90", [0x82], [0x86]],
    ["VP90, profile 1", [0xa2], [0xa6]],
    ["VP90, profile 3", [0xb0], [0xb2]],
    ["VP90 that shows an old frame", [0x82], [0x88]],
    ["AV01", [0x12, 0, 0x0a, 2, 0x00, 0x40, 0x32, 20, 0x10], [0x12, 0, 0x32, 20, 0x30]],
    [
      "AV01 with a sequence header before any frame",
      [0x12, 0, 0x0a, 1, 0, 0x32, 20, 0x10],
      [0x12, 0, 0x0a, 1, 0, 0x32, 20, 0x30],
    ],
    [
      "AV01 with a hidden key frame",
      [0x12, 0, 0x0a, 1, 0, 0x32, 20, 0x10],
      [0x12, 0, 0x0a, 1, 0, 0x32, 20, 0x00],
    ],
    [
      "AV01 that shows an old frame",
      [0x12, 0, 0x0a, 1, 0, 0x32, 20, 0x10],
      [0x12, 0, 0x0a, 1, 0, 0x1a, 1, 0x90],
    ],
    ["AV01 of still pictures", [0x12, 0, 0x0a, 1, 0x18, 0x32, 20, 0x00], [0x12, 0, 0x32, 20, 0x00]],
    [
      "AV01 with metadata and an extension",
      [0x12, 0, 0x0a, 1, 0, 0x2a, 3, 1, 2, 3, 0x36, 0, 20, 0x10],
      [0x12, 0, 0x36, 0, 20, 0x30],
    ],
  ])("joins at the key frames of %s, and can be cut at every frame", (name, key, other) => {
    const bytes = concat(
      header(name.slice(0, 4)),
      frame(0, key),
      frame(1, other),
      frame(2, other),
      frame(3, key),
    );
    expect(ivf.sniff(bytes)).toBe("yes");
    const { recorder } = followed(bytes);
    expect(recorder.joins).toEqual([32, 368]);
    expect(recorder.units).toEqual([144, 256]);
  });

  test("gives its header at the start only, and calls fixed what can't change", () => {
    const { recorder, detector } = followed(concat(header("VP80"), frame(0, [0x10])));
    expect(recorder.newest?.start).toEqual(header("VP80"));
    expect(recorder.newest?.resume.length).toBe(0);
    const fixed = (bytes: Uint8Array) => followed(bytes).recorder.newest?.fixed;
    expect(fixed(header("VP80"))).toBe(fixed(header("VP80", { width: 640 })));
    expect(fixed(header("VP80"))).not.toBe(fixed(header("VP80", { rate: 30 })));
    expect(fixed(header("VP80"))).not.toBe(fixed(header("VP90")));
    expect(detector.info).toEqual({
      container: "ivf",
      mediaType: "video/x-ivf",
      codecs: ["vp8"],
      damaged: 0,
      width: 320,
      height: 180,
    });
  });

  test("takes another file's header in mid-stream", () => {
    const first = concat(header("VP80"), frame(0, [0x10]), frame(1, [0x11]));
    const { recorder, detector } = followed(concat(first, header("VP90", { width: 640 }), frame(0, [0x82])));
    expect(recorder.headers.length).toBe(2);
    expect(recorder.joins).toEqual([32, first.length + 32]);
    expect(detector.info.codecs).toEqual(["vp9"]);
    expect(detector.info.width).toBe(640);
    expect(detector.info.damaged).toBe(0);
  });

  test("finds the next frame header after missing and after strange bytes", () => {
    const begin = concat(header("VP80"), frame(0, [0x10]), frame(1, [0x11]));
    const bytes = concat(
      begin,
      frame(2, [0x11]).subarray(0, 50),
      noise(321, 5),
      frame(4, [0x11]),
      frame(5, [0x10]),
    );
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([32, bytes.length - 112]);
    expect(detector.info.damaged).toBe(1);
  });

  test("does not read a frame header a byte early after damage", () => {
    const frames = Array.from({ length: 40 }, (_, i) => frame(i, [i % 5 === 0 ? 0x10 : 0x11], 300));
    const bytes = concat(
      header("VP80"),
      ...frames.slice(0, 10),
      frames[10].subarray(0, 200),
      ...frames.slice(11),
    );
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins.at(-1)).toBe(bytes.length - 5 * 312);
    expect(detector.info.damaged).toBe(1);
  });

  test("is lost after a mebibyte without a frame", () => {
    const { detector } = followed(
      concat(header("VP80"), frame(0, [0x10]), frame(1, [0x11]), new Uint8Array(1 << 20).fill(0xee)),
    );
    expect(detector.lost).toBe(false);
    detector.feed(new Uint8Array(100).fill(0xee), 1 << 21);
    expect(detector.lost).toBe(true);
  });

  test("says no to codecs it does not know", () => {
    expect(ivf.sniff(header("H264"))).toBe("no");
    expect(ivf.sniff(header("VP80").subarray(0, 11))).toBe("more");
    expect(ivf.sniff(header("VP80"))).toBe("more");
    expect(ivf.sniff(concat(header("VP80"), noise(12, 1)))).toBe("no");
  });

  test.each(["vp8", "vp9", "av1"])("finds the key frames that ffmpeg wrote: %s", async (codec) => {
    const { recorder, detector } = followed(await fixture(`ivf-${codec}.ivf`));
    expect(recorder.joins.length).toBe(5); // each 12 of 50 frames
    expect(recorder.joins.length + recorder.units.length).toBe(50);
    expect(detector.info.codecs).toEqual([codec]);
  });
});
