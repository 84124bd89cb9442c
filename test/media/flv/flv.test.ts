// FLV: keyframes, sequence headers at the join's time, sound alone, the newer kinds of tags, lost places.

import { describe, expect, test } from "bun:test";
import { sniffLimit } from "../../../src/media/detector.ts";
import { flv } from "../../../src/media/flv/flv.ts";
import { capture } from "../capture.ts";
import { concat, fixture, noise } from "../recorder.ts";

const ascii = (text: string) => [...new TextEncoder().encode(text)];

/** A tag, followed by its size. */
function tag(type: number, timestampMs: number, payload: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(11 + payload.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  bytes[0] = type;
  view.setUint32(4, timestampMs << 8);
  bytes[7] = timestampMs >>> 24;
  bytes.set(payload, 11);
  view.setUint32(11 + payload.length, 11 + payload.length);
  return bytes;
}

const head = (flags: number) => Uint8Array.of(0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, 9, 0, 0, 0, 0);
const aacConfig = (timestampMs = 0) => tag(8, timestampMs, [0xaf, 0, 0x11, 0x90]);
const aac = (timestampMs: number) => tag(8, timestampMs, [0xaf, 1, 1, 2, 3]);
const extended = (type: number, fourCc: string, ...rest: number[]) => [
  0x80 | type,
  ...ascii(fourCc),
  ...rest,
];

describe("FLV", () => {
  test("joins at each keyframe's tag", async () => {
    const { bytes, joins, info } = capture(flv, await fixture("flv-h264-aac.flv"));
    expect(joins.length).toBe(3);
    for (const { offset } of joins) expect([...bytes.subarray(offset + 11, offset + 13)]).toEqual([0x17, 1]);
    expect(info).toEqual({
      container: "flv",
      mediaType: "video/x-flv",
      codecs: ["h264", "aac"],
      width: 64,
      height: 48,
      damaged: 0,
    });
  });

  test("gives a joiner head, metadata and configurations, these with the time of the tag that it joins at", async () => {
    const { bytes, joins } = capture(flv, await fixture("flv-h264-aac.flv"));
    for (const { offset, header } of joins) {
      const time = [...bytes.subarray(offset + 4, offset + 8)];
      const kinds: number[] = [];
      for (let at = 13; at < header.start.length; ) {
        const size = (header.start[at + 1] << 16) | (header.start[at + 2] << 8) | header.start[at + 3];
        kinds.push(header.start[at]);
        // ffmpeg takes metadata at any other time than 0 for a track of texts
        const isMetadata = header.start[at] === 18;
        expect([...header.start.subarray(at + 4, at + 8)]).toEqual(isMetadata ? [0, 0, 0, 0] : time);
        at += 11 + size;
        expect(new DataView(header.start.buffer).getUint32(at)).toBe(11 + size);
        at += 4;
      }
      expect(kinds).toEqual([18, 9, 8]);
      expect(header.start.subarray(-header.resume.length)).toEqual(header.resume);
      expect([header.resume[0], header.resume.lastIndexOf(8) > 0]).toEqual([9, true]);
      expect(header.fixed.length).toBe(0);
    }
  });

  test("keeps a timestamp's upper byte", () => {
    const late = 0x0123_4567;
    const stream = concat(head(4), aacConfig(late), aac(late), aac(late + 600));
    const { joins } = capture(flv, stream);
    expect([...joins[0].header.resume.subarray(4, 8)]).toEqual([0x23, 0x45, 0x67, 0x01]);
  });

  test("joins a stream of sound alone twice a second, even if its head promises video", async () => {
    const alone = capture(flv, await fixture("flv-aac.flv"));
    expect(alone.joins.length).toBe(6);
    expect(alone.info.codecs).toEqual(["aac"]);
    const tags = Array.from({ length: 300 }, (_, i) => aac(i * 20));
    const promised = concat(head(5), aacConfig(), ...tags);
    const { joins } = capture(flv, promised);
    expect(joins.length).toBe(4);
    expect(joins[0].offset).toBe(13 + aacConfig().length + 200 * aac(0).length);
  });

  test("does not join at sound before a video that is late", () => {
    const key = tag(9, 900, [0x17, 1, 0, 0, 0, 1]);
    const avcConfig = tag(9, 0, [0x17, 0, 0, 0, 0, 1, 2, 3]);
    const before = concat(
      head(5),
      aacConfig(),
      ...Array.from({ length: 40 }, (_, i) => aac(i * 20)),
      avcConfig,
    );
    expect(capture(flv, concat(before, key)).joins.map(({ offset }) => offset)).toEqual([before.length]);
  });

  test("does not join at a keyframe whose configuration has not come, nor at an end of sequence", () => {
    const key = tag(9, 0, [0x17, 1, 0, 0, 0, 1]);
    const end = tag(9, 0, [0x17, 2, 0, 0, 0]);
    const avcConfig = tag(9, 0, [0x17, 0, 0, 0, 0, 1, 2, 3]);
    const inter = tag(9, 40, [0x27, 1, 0, 0, 0, 1]);
    const first = concat(head(1), key, avcConfig, end, inter);
    expect(capture(flv, concat(first, key)).joins.map(({ offset }) => offset)).toEqual([first.length]);
  });

  test("gives later joiners the newest configuration alone", () => {
    const config = (byte: number) => tag(9, 0, [0x17, 0, 0, 0, 0, 1, byte, 3]);
    const key = tag(9, 0, [0x17, 1, 0, 0, 0, 1]);
    const { joins } = capture(flv, concat(head(1), config(7), key, config(8), key));
    expect(joins.map(({ header }) => header.resume)).toEqual([config(7), config(8)]);
  });

  test.each([
    ["hvc1", "hevc"],
    ["av01", "av1"],
    ["vp09", "vp9"],
    ["avc1", "h264"],
  ])("knows Enhanced RTMP's %s, with several tracks and ModEx too", (name, codec) => {
    const config = tag(9, 0, extended(0x10, name, 1, 2));
    const key = tag(9, 40, extended(0x11, name, 1, 2));
    const inter = tag(9, 80, extended(0x21, name, 1, 2));
    // ModEx of a 3-byte nanosecond offset, then coded frames
    const modEx = tag(9, 120, [0x97, 2, 1, 2, 3, 0x01, ...ascii(name), 1]);
    const track = (id: number, type: number) => tag(9, 160, [0x96, type, ...ascii(name), id, 9, 9]);
    const stream = [head(1), config, key, inter, modEx, inter, track(1, 0), track(1, 1), track(0, 3)];
    const at = (count: number) => concat(...stream.slice(0, count)).length;
    const { joins, info } = capture(flv, concat(...stream));
    expect(info.codecs).toEqual([codec]);
    expect(joins.map(({ offset }) => offset)).toEqual([at(2), at(4), at(8)]);
    expect(joins[0].header.resume.length).toBe(config.length);
    expect(joins[2].header.resume.length).toBe(config.length + track(1, 0).length);
  });

  test("knows Enhanced RTMP's sound", () => {
    const config = tag(8, 0, [0x90, ...ascii("Opus"), 1]);
    const { joins, info } = capture(flv, concat(head(4), config, tag(8, 0, [0x91, ...ascii("Opus"), 1, 2])));
    expect(info.codecs).toEqual(["opus"]);
    expect(joins.map(({ header }) => header.resume)).toEqual([config]);
  });

  test("ends a unit behind each tag's size", async () => {
    const { bytes, units } = capture(flv, await fixture("flv-aac.flv"));
    let at = 13;
    for (const unit of units) {
      at += 15 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]);
      expect(unit).toBe(at);
    }
    expect(at).toBe(bytes.length);
  });

  test("finds its place again after lost bytes, and counts that", async () => {
    const bytes = await fixture("flv-h264-aac.flv");
    const whole = capture(flv, bytes);
    const cut = whole.joins[1].offset + 20;
    const { joins, info, lost } = capture(flv, concat(bytes.subarray(0, cut), bytes.subarray(cut + 300)));
    expect(info.damaged).toBe(1);
    expect(lost).toBe(false);
    expect(joins.map(({ offset }) => offset)).toEqual([
      whole.joins[0].offset,
      whole.joins[1].offset,
      whole.joins[2].offset - 300,
    ]);
  });

  test("is not put off by tags whose sizes behind them are wrong", () => {
    const key = tag(9, 0, [0x17, 1, 0, 0, 0, 1]);
    const careless = key.slice();
    careless[careless.length - 1] = 0;
    const config = tag(9, 0, [0x17, 0, 0, 0, 0, 1, 2, 3]);
    const { joins, info } = capture(flv, concat(head(1), config, careless, careless, key));
    expect([joins.length, info.damaged]).toEqual([3, 0]);
  });

  test("is lost in a mebibyte without a tag", () => {
    const stream = concat(head(1), tag(9, 0, [0x17, 0, 0, 0, 0, 1]), noise(1024 * 1024 + 64, 5));
    expect(capture(flv, stream.subarray(0, 1024 * 1024)).lost).toBe(false);
    expect(capture(flv, stream).lost).toBe(true);
  });

  test("is recognised by its first tag, and not by its head alone", async () => {
    const bytes = await fixture("flv-h264-aac.flv");
    expect(flv.sniff(bytes.subarray(0, 100))).toBe("more");
    expect(flv.sniff(bytes.subarray(0, 1000))).toBe("yes");
    expect(flv.sniff(concat(bytes.subarray(0, 13), noise(sniffLimit, 2)))).toBe("no");
    expect(flv.sniff(concat(bytes.subarray(0, 24), noise(sniffLimit, 2)))).toBe("no");
    expect(flv.sniff(Uint8Array.of(...ascii("FLV")))).toBe("more");
    expect(flv.sniff(Uint8Array.of(...ascii("FLW")))).toBe("no");
  });
});
