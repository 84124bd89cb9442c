// ADTS, and through it what all bare frames have in common (src/media/audio/frames.ts).

import { describe, expect, test } from "bun:test";
import { adts, cutAdts } from "../../../src/media/audio/adts.ts";
import { Sniffer } from "../../../src/media/sniffer.ts";
import { concat, fixture, noise, Recorder } from "../recorder.ts";

/** A frame of `length` bytes: AAC LC, 48 kHz unless `rate` says otherwise, two channels, filled with zeros. */
function frame(length: number, { rate = 3, channels = 2, first = 0 } = {}): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([
    0xff,
    0xf1,
    0x40 | (rate << 2),
    (channels << 6) | (length >> 11),
    length >> 3,
    (length << 5) | 0x1f,
    0xfc,
  ]);
  bytes[7] = first;
  return bytes;
}

const frames = (lengths: number[], options = {}) => lengths.map((length) => frame(length, options));
/** A frame whose header leaves the channels to the program config element that it begins with. */
const pce = (length: number) => frame(length, { channels: 0, first: 0xa0 });

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = adts.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

const id3 = (size: number) =>
  concat(Uint8Array.of(0x49, 0x44, 0x33, 4, 0, 0, 0, 0, size >> 7, size & 0x7f), noise(size, 4));

describe("ADTS", () => {
  test("joins at every frame, with nothing before it", () => {
    const { recorder, detector } = followed(concat(...frames([100, 300, 20, 900, 64])));
    expect(recorder.joins).toEqual([0, 100, 400, 420, 1320]);
    expect(recorder.newest).toEqual({
      start: new Uint8Array(0),
      resume: new Uint8Array(0),
      fixed: "",
      bytes: 0,
    });
    expect(detector.info).toEqual({ container: "adts", mediaType: "audio/aac", codecs: ["aac"], damaged: 0 });
  });

  test("says yes to three headers in a row and not to two", () => {
    const three = concat(...frames([100, 120, 140]));
    expect(adts.sniff(three.subarray(0, 229))).toBe("more");
    expect(adts.sniff(three.subarray(0, 230))).toBe("yes");
    expect(adts.sniff(concat(...frames([100, 120]), noise(100, 1)))).toBe("no");
    expect(adts.sniff(noise(16, 1))).toBe("no");
  });

  test("does not take headers that disagree for one stream", () => {
    expect(adts.sniff(concat(frame(100), frame(100, { rate: 4 }), frame(100)))).toBe("no");
  });

  test.each([7, 9])("takes no frame of %i bytes or less for one", (length) => {
    const bad = frame(20);
    bad[5] = (length << 5) | 0x1f;
    bad[4] = length >> 3;
    if (length === 9) bad[1] = 0xf0; // with a CRC
    expect(adts.sniff(bad)).toBe("no");
  });

  test("passes over an ID3 tag at the start and between frames, and an ID3v1 tag", () => {
    const v1 = concat(new TextEncoder().encode("TAG"), noise(125, 5));
    const bytes = concat(id3(500), ...frames([100, 100, 100, 100]), v1, id3(200), ...frames([100, 100]));
    expect(adts.sniff(bytes)).toBe("yes");
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([510, 610, 710, 810, 1248, 1348]);
    expect(recorder.units).toEqual([910, 1038]);
    expect(detector.info.damaged).toBe(0);
  });

  test("finds a stream that begins inside a frame, and its first whole frame", () => {
    const bytes = concat(...frames(Array.from({ length: 10 }, () => 400))).subarray(150);
    expect(adts.sniff(bytes)).toBe("no");
    expect(cutAdts.sniff(bytes)).toBe("yes");
    const recorder = new Recorder();
    const sniffer = new Sniffer(recorder);
    sniffer.feed(bytes, 0);
    expect(sniffer.state).toBe("known");
    expect(recorder.joins.slice(0, 3)).toEqual([250, 650, 1050]);
    expect(sniffer.info.damaged).toBe(0);
  });

  test("counts damage once, and goes on where three headers agree again", () => {
    const bytes = concat(...frames([100, 100, 100, 100]), noise(333, 6), ...frames([100, 100, 100, 100]));
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([0, 100, 200, 300, 733, 833, 933, 1033]);
    expect(detector.info.damaged).toBe(1);
  });

  test("is not led astray after damage by what looks like another stream's header", () => {
    const bytes = concat(
      ...frames([100, 100, 100]),
      noise(50, 9),
      frame(2000, { rate: 8 }).subarray(0, 50),
      ...frames([100, 100, 100]),
    );
    expect(followed(bytes).recorder.joins).toEqual([0, 100, 200, 400, 500, 600]);
  });

  test("follows another stream after damage, if need be", () => {
    const bytes = concat(
      ...frames([100, 100, 100]),
      noise(50, 9),
      ...frames(
        Array.from({ length: 100 }, () => 200),
        { rate: 8 },
      ),
    );
    expect(followed(bytes).recorder.joins.at(-1)).toBe(bytes.length - 200);
  });

  test("does not believe two headers after damage", () => {
    const bytes = concat(...frames([100, 100, 100]), noise(333, 6), ...frames([100, 100]), noise(500, 8));
    expect(followed(bytes).recorder.joins).toEqual([0, 100, 200]);
  });

  test("follows another sampling rate without calling it damage", () => {
    const { recorder, detector } = followed(
      concat(...frames([100, 100, 100]), ...frames([50, 50, 50], { rate: 4 })),
    );
    expect(recorder.joins).toEqual([0, 100, 200, 300, 350, 400]);
    expect(detector.info.damaged).toBe(0);
  });

  test("gives the frame that tells the channels as header where the frames' headers do not", () => {
    const plain = frames([100, 100, 100], { channels: 0, first: 0x20 });
    const { recorder } = followed(concat(pce(200), ...plain, pce(220), ...plain));
    expect(recorder.joins).toEqual([0, 200, 300, 400, 500, 720, 820, 920]);
    // The header is there once the first frame is: before the third frame, when the joins are reported.
    expect(recorder.headers.map((header) => header.start.length)).toEqual([200, 220]);
    expect(recorder.headers[0].start).toEqual(pce(200));
    expect(recorder.headers[0].resume).toEqual(pce(200));
    const order = recorder.calls.map((call) => (call.startsWith("header") ? "header" : call));
    expect(order.slice(0, 2)).toEqual(["header", "join 0"]);
    expect(order.slice(5, 8)).toEqual(["join 500", "header", "join 720"]);
  });

  test("gives no stale frame to a stream that needs none", () => {
    const { recorder } = followed(
      concat(pce(200), ...frames([100, 100], { channels: 0 }), ...frames([100, 100, 100])),
    );
    expect(recorder.newest?.start.length).toBe(0);
  });

  test("is lost 64 KiB after the last frame", () => {
    const { detector } = followed(concat(...frames([100, 100, 100]), new Uint8Array(63_000)));
    expect(detector.lost).toBe(false);
    detector.feed(new Uint8Array(2000), 63_300);
    expect(detector.lost).toBe(true);
  });

  test("is lost in a stream of something else in which frames stand here and there", () => {
    const recorder = new Recorder();
    const detector = adts.create(recorder);
    const burst = concat(...frames([200, 200, 200, 200]), new Uint8Array(1200));
    let offset = 0;
    for (; !detector.lost && offset < 1e6; offset += burst.length) detector.feed(burst, offset);
    expect(offset).toBeLessThan(250_000);
  });

  test("is lost in a stream of something else in which there is little else", () => {
    const detector = adts.create(new Recorder());
    const burst = concat(...frames([200, 200, 200, 200, 200]), new Uint8Array(30));
    for (let offset = 0; offset < 1e6 && !detector.lost; offset += burst.length) detector.feed(burst, offset);
    expect(detector.lost).toBe(true);
  });

  test("stays with a stream of which a tenth is missing", () => {
    const recorder = new Recorder();
    const detector = adts.create(recorder);
    const piece = concat(...frames(Array.from({ length: 45 }, () => 200)), new Uint8Array(1000));
    for (let offset = 0; offset < 1e6; offset += piece.length) detector.feed(piece, offset);
    expect(detector.lost).toBe(false);
    expect(detector.info.damaged).toBeGreaterThan(90);
  });

  test("gives the header frame that ffmpeg writes for channels without a number", async () => {
    const { recorder } = followed(await fixture("adts-pce.aac"));
    expect(recorder.headers.length).toBe(1);
    expect(recorder.headers[0].start.length).toBe(recorder.joins[1]);
  });
});
