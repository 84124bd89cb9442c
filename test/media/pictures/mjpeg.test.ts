// Motion JPEG: where images begin and end, and what inside of them only looks like it.

import { describe, expect, test } from "bun:test";
import { mjpeg } from "../../../src/media/pictures/mjpeg.ts";
import { concat, noise, Recorder } from "../recorder.ts";

const segment = (marker: number, body: number[]) =>
  Uint8Array.of(0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 0xff, ...body);

const soi = Uint8Array.of(0xff, 0xd8);
const eoi = Uint8Array.of(0xff, 0xd9);
/** A comment with SOI and EOI in it. */
const comment = segment(0xfe, [0xff, 0xd9, 0xff, 0xd8]);
/** Baseline, 8 bits, 48 x 80. */
const frameHeader = segment(0xc0, [8, 0, 48, 0, 80, 1, 1, 0x11, 0]);
const scan = concat(
  segment(0xda, [1, 1, 0, 0, 63, 0]),
  Uint8Array.of(1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xff, 0, 5),
);
const image = concat(soi, comment, frameHeader, scan, eoi);

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = mjpeg.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

describe("Motion JPEG", () => {
  test("joins at every image and can be cut behind it", () => {
    const { recorder, detector } = followed(concat(image, image, image));
    expect(recorder.joins).toEqual([0, image.length, 2 * image.length]);
    expect(recorder.units).toEqual([image.length, 2 * image.length, 3 * image.length]);
    expect(detector.info).toEqual({
      container: "mjpeg",
      mediaType: "video/x-motion-jpeg",
      codecs: ["mjpeg"],
      damaged: 0,
      width: 80,
      height: 48,
    });
  });

  test("follows images of several scans and fill bytes before markers", () => {
    const fill = Uint8Array.of(0xff, 0xff);
    const progressive = concat(soi, fill, frameHeader, scan, segment(0xc4, [1, 2, 3]), scan, fill, eoi);
    const { recorder, detector } = followed(concat(progressive, progressive));
    expect(recorder.joins).toEqual([0, progressive.length]);
    expect(detector.info.damaged).toBe(0);
  });

  test("lets zeros between images pass", () => {
    const { recorder, detector } = followed(concat(image, new Uint8Array(9), image));
    expect(recorder.joins).toEqual([0, image.length + 9]);
    expect(detector.info.damaged).toBe(0);
  });

  test("counts an image that breaks off, and begins with the next", () => {
    const broken = image.subarray(0, image.length - 4);
    const { recorder, detector } = followed(concat(image, broken, image, image));
    expect(recorder.joins).toEqual([0, 1, 2, 3].map((i) => i * image.length - (i > 1 ? 4 : 0)));
    expect(detector.info.damaged).toBe(1);
  });

  test("counts strange bytes between images once", () => {
    const bytes = concat(image, Uint8Array.of(7, 0xff, 0xee, 0, 9, 0xff, 9), image, image);
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([0, image.length + 7, 2 * image.length + 7]);
    expect(detector.info.damaged).toBe(1);
  });

  test("says yes to an image whose data begin, and to nothing before", () => {
    const before = concat(soi, comment, frameHeader);
    expect(mjpeg.sniff(before)).toBe("more");
    expect(mjpeg.sniff(concat(before, scan.subarray(0, 4)))).toBe("yes");
    expect(mjpeg.sniff(concat(soi, comment, scan))).toBe("no");
    expect(mjpeg.sniff(concat(soi, noise(20, 2)))).toBe("no");
    expect(mjpeg.sniff(concat(soi, soi, soi))).toBe("no");
  });

  test("is lost after a mebibyte without an image, whatever begins like one", () => {
    const { recorder, detector } = followed(concat(image, noise(1 << 20, 3)));
    detector.feed(noise(1 << 16, 4), 1 << 21);
    expect(detector.lost).toBe(true);
    expect(recorder.joins[0]).toBe(0);
  });

  test("is lost in an image without an end", () => {
    const { detector } = followed(image.subarray(0, image.length - 2));
    const piece = new Uint8Array(1 << 20).fill(1);
    let pieces = 0;
    while (!detector.lost && pieces < 100) detector.feed(piece, image.length + pieces++ * piece.length);
    expect(pieces).toBe(32);
  });
});
