// WAV: the endless header of joiners, and where chunks of a known size end.

import { describe, expect, test } from "bun:test";
import { wav } from "../../../src/media/audio/wav.ts";
import { fingerprint } from "../../../src/media/fingerprint.ts";
import { concat, fixture, Recorder } from "../recorder.ts";

const text = (value: string) => new TextEncoder().encode(value);
const little = (value: number, size: number) =>
  Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) & 0xff);
const chunk = (name: string, body: Uint8Array, size = body.length) =>
  concat(text(name), little(size, 4), body);

/** A fmt chunk of stereo, 16 bits. */
const format = ({ tag = 1, rate = 8000, align = 4 } = {}) =>
  chunk(
    "fmt ",
    concat(
      little(tag, 2),
      little(2, 2),
      little(rate, 4),
      little(rate * align, 4),
      little(align, 2),
      little(16, 2),
    ),
  );
const riff = (...chunks: Uint8Array[]) =>
  concat(text("RIFF"), little(0xffff_ffff, 4), text("WAVE"), ...chunks);

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = wav.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

describe("WAV", () => {
  test("joins fifty times a second, at whole blocks, from the first one on", () => {
    const { recorder, detector } = followed(
      concat(riff(format(), chunk("data", new Uint8Array(2000), 0xffff_ffff))),
    );
    expect(recorder.joins).toEqual([44, 684, 1324, 1964]);
    expect(detector.info).toEqual({
      container: "wav",
      mediaType: "audio/wav",
      codecs: ["pcm_s16le"],
      damaged: 0,
    });
  });

  test("gives joiners a header without other chunks and without an end", () => {
    const list = chunk("LIST", text("INFOsomething"));
    const bytes = riff(
      chunk("JUNK", new Uint8Array(28)),
      format(),
      concat(list, Uint8Array.of(0)),
      chunk("data", new Uint8Array(8), 99_999),
    );
    const header = followed(bytes).recorder.newest;
    expect(header?.start).toEqual(riff(format(), chunk("data", new Uint8Array(0), 0xffff_ffff)));
    expect(header?.resume.length).toBe(0);
    expect(header?.fixed).toBe(fingerprint(format().subarray(8)));
  });

  test.each([0, 0x7fff_ffff, 0xffff_ffff])("takes a data chunk of size %i as endless", (size) => {
    const bytes = riff(format(), chunk("data", new Uint8Array(6400), size));
    expect(followed(bytes).recorder.joins.length).toBe(10);
  });

  test("ends with a data chunk that has an end, and begins anew with another file", () => {
    const first = riff(
      format(),
      chunk("data", new Uint8Array(641)),
      Uint8Array.of(0),
      chunk("LIST", new Uint8Array(700)),
    );
    const second = riff(format({ rate: 16_000 }), chunk("data", new Uint8Array(1300)));
    const { recorder, detector } = followed(concat(first, second));
    expect(recorder.joins).toEqual([44, 684, first.length + 44, first.length + 44 + 1280]);
    expect(recorder.headers.length).toBe(2);
    expect(detector.lost).toBe(false);
  });

  test("is lost where no chunk can be", () => {
    const bytes = riff(format(), chunk("data", new Uint8Array(640)), new Uint8Array(40));
    expect(followed(bytes).detector.lost).toBe(true);
  });

  test.each([
    ["a codec whose blocks need others", riff(format({ tag: 0x55 }), chunk("data", new Uint8Array(10)))],
    ["a block of no bytes", riff(format({ align: 0 }))],
    ["data without a format", riff(chunk("data", new Uint8Array(100)))],
    ["another kind of RIFF", concat(text("RIFF"), little(99, 4), text("AVI "), format())],
    ["no chunk", riff(new Uint8Array(40).fill(7))],
  ])("says no to %s", (_, bytes) => {
    expect(wav.sniff(bytes)).toBe("no");
  });

  test("says yes once it has seen the format, wherever that is", () => {
    const bytes = riff(chunk("bext", new Uint8Array(602)), format());
    expect(wav.sniff(bytes.subarray(0, bytes.length - 1))).toBe("more");
    expect(wav.sniff(bytes)).toBe("yes");
  });

  test("knows what is in WAVE_FORMAT_EXTENSIBLE and RF64", async () => {
    const { detector } = followed(await fixture("wav-rf64.wav"));
    expect(detector.info.codecs).toEqual(["pcm_s24le"]);
  });
});
