// Y4M: frame sizes of the colour spaces, and the way back after damage.

import { describe, expect, test } from "bun:test";
import { fingerprint } from "../../../src/media/fingerprint.ts";
import { y4m } from "../../../src/media/pictures/y4m.ts";
import { concat, noise, Recorder } from "../recorder.ts";

const text = (value: string) => new TextEncoder().encode(value);
const frame = (bytes: number, parameters = "") => concat(text(`FRAME${parameters}\n`), new Uint8Array(bytes));

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = y4m.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

describe("Y4M", () => {
  // A picture of 33x21 has 693 samples; halved and rounded up it is 17 across and 11 down.
  test.each([
    ["", 693 + 2 * 17 * 11],
    [" C420jpeg", 693 + 2 * 17 * 11],
    [" C420mpeg2 XYSCSS=420MPEG2", 693 + 2 * 17 * 11],
    [" C420p10", 2 * (693 + 2 * 17 * 11)],
    [" C411", 693 + 2 * 9 * 21],
    [" C422", 693 + 2 * 17 * 21],
    [" C422p12", 2 * (693 + 2 * 17 * 21)],
    [" C444", 3 * 693],
    [" C444p16", 6 * 693],
    [" C444alpha", 4 * 693],
    [" Cmono", 693],
    [" Cmono16", 2 * 693],
  ])("joins at every frame with the header line%s", (colour, size) => {
    const line = text(`YUV4MPEG2 W33 H21 F25:1 Ip A1:1${colour}\n`);
    const bytes = concat(line, frame(size), frame(size, " Ip"), frame(size));
    expect(y4m.sniff(bytes)).toBe("yes");
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([0, size + 6, 2 * size + 15].map((at) => line.length + at));
    expect(recorder.newest).toEqual({
      start: line,
      resume: new Uint8Array(0),
      fixed: fingerprint(line),
      bytes: line.length,
    });
    expect([detector.info.width, detector.info.height]).toEqual([33, 21]);
  });

  test.each([
    "YUV4MPEG2 W33 H21 C999\n",
    "YUV4MPEG2 W33\n",
    "YUV4MPEG2 W0 H21\n",
    "YUV4MPEG2 W99999 H21\n",
    `YUV4MPEG2 W33 H21 X${"x".repeat(1100)}`,
    "YUV4MPEG is a format\n",
  ])("says no to %j", (line) => {
    expect(y4m.sniff(text(line.padEnd(20)))).toBe("no");
  });

  test("waits for the end of the header line", () => {
    expect(y4m.sniff(text("YUV4MPEG2 W33 H2"))).toBe("more");
    expect(y4m.sniff(text("YUV"))).toBe("more");
  });

  test("looks for the next frame after damage", () => {
    const line = text("YUV4MPEG2 W16 H16\n");
    const begin = concat(line, frame(384), frame(384), noise(500, 3), text("FRAFRA"));
    const { recorder, detector } = followed(concat(begin, frame(384), frame(384)));
    expect(recorder.joins.slice(2)).toEqual([begin.length, begin.length + 390]);
    expect(detector.info.damaged).toBe(1);
  });

  test("takes another header line between frames", () => {
    const begin = concat(text("YUV4MPEG2 W16 H16\n"), frame(384));
    const line = text("YUV4MPEG2 W32 H16\n");
    const { recorder, detector } = followed(concat(begin, line, frame(768), frame(768)));
    expect(recorder.newest?.start).toEqual(line);
    expect(recorder.units).toEqual([begin.length]);
    expect(recorder.joins.slice(1)).toEqual([begin.length + 18, begin.length + 18 + 774]);
    expect(detector.info.width).toBe(32);
    expect(detector.info.damaged).toBe(0);
  });

  test("is lost after a mebibyte and two frames without a frame", () => {
    const { detector } = followed(
      concat(text("YUV4MPEG2 W16 H16\n"), frame(384), new Uint8Array(1 << 20).fill(9)),
    );
    expect(detector.lost).toBe(false);
    detector.feed(new Uint8Array(2000).fill(9), 1 << 21);
    expect(detector.lost).toBe(true);
  });
});
