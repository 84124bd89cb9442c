// Matroska and WebM: clusters, keyframes in their middle, sizes that are not known, what is passed over, lost places.

import { describe, expect, test } from "bun:test";
import { sniffLimit } from "../../../src/media/detector.ts";
import { matroska } from "../../../src/media/matroska/matroska.ts";
import { capture } from "../capture.ts";
import { concat, fixture, noise } from "../recorder.ts";

const unknownSize = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/** An element: its id in hexadecimal, and its content. */
function element(id: string, ...content: (Uint8Array | number[])[]): Uint8Array {
  const body = Buffer.concat(content.map((part) => Uint8Array.from(part)));
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, (1n << 56n) | BigInt(body.length));
  return concat(Uint8Array.fromHex(id), size, body);
}

/** The same, with a size of one byte. */
const short = (id: string, ...content: number[]) =>
  concat(Uint8Array.fromHex(id), Uint8Array.of(0x80 | content.length, ...content));
const times = (count: number, part: Uint8Array) => concat(...Array.from({ length: count }, () => part));

/** The same as `element`, of unknown size. */
const open = (id: string, ...content: Uint8Array[]) =>
  concat(Uint8Array.fromHex(id), Uint8Array.from(unknownSize), ...content);

const ebml = (docType = "matroska") => element("1a45dfa3", element("4282", [...Buffer.from(docType)]));
const track = (number: number, type: number, codec: string, ...rest: Uint8Array[]) =>
  element(
    "ae",
    element("d7", [number]),
    element("83", [type]),
    element("86", [...Buffer.from(codec)]),
    ...rest,
  );
const video = track(1, 1, "V_VP9", element("e0", element("b0", [0, 64]), element("ba", [48])));
const audio = track(2, 2, "A_OPUS");
const timestamp = (time: number) => element("e7", [time >> 8, time & 255]);
const simple = (number: number, time: number, flags: number, lacing: number[] = []) =>
  element("a3", [0x80 | number, time >> 8, time & 255, flags, ...lacing], noise(50, time));
const group = (number: number, time: number, ...rest: Uint8Array[]) =>
  element("a0", element("a1", [0x80 | number, time >> 8, time & 255, 0], noise(50, time)), ...rest);
const reference = element("fb", [0xff]);
const key = 0x80;
const cluster = (time: number, ...blocks: Uint8Array[]) => element("1f43b675", timestamp(time), ...blocks);
const header = (...tracks: Uint8Array[]) => concat(ebml(), open("18538067"), element("1654ae6b", ...tracks));

const infoOf = async (file: string) => capture(matroska, await fixture(file)).info;
const fixedOf = (...tracks: Uint8Array[]) =>
  capture(matroska, concat(header(...tracks), cluster(0))).headers[0].fixed;
const trackOf = (uid: number, configuration: number) =>
  track(1, 1, "V_VP9", element("73c5", [uid, 2]), element("63a2", [configuration]), element("536e", [uid]));

/** Where a stream that is `before` and then `clusters` can be joined, as the numbers of clusters; else offsets. */
function joinsOf(before: Uint8Array, ...clusters: Uint8Array[]) {
  const starts = clusters.map((_, i) => before.length + concat(...clusters.slice(0, i)).length);
  const { joins, ...rest } = capture(matroska, concat(before, ...clusters));
  const at = joins.map(({ offset }) => (starts.includes(offset) ? starts.indexOf(offset) : `byte ${offset}`));
  return { ...rest, joins, at, starts };
}

describe("Matroska", () => {
  test("is opaque from where it has nothing but elements without content", () => {
    const start = concat(header(video), open("1f43b675", short("e7", 0)));
    // as short as blocks of silence in groups are
    const silence = short("a0", ...short("a1", 0x81, 0, 0, 0, 1));
    expect(capture(matroska, concat(start, times(30_000, silence))).info.problem).toBeUndefined();
    const empty = capture(matroska, concat(start, times(30_000, short("ec"))));
    expect(empty.info.problem).toBe("empty elements");
    expect(empty.lost).toBe(true);
  });

  test("is joined however long its header is, within a megabyte", () => {
    for (const setup of [20_000, 300_000, 1_000_000]) {
      const long = track(1, 1, "V_VP9", element("63a2", new Uint8Array(setup)));
      const before = header(long);
      const { at, joins } = joinsOf(before, cluster(0, simple(1, 0, key)), cluster(9, simple(1, 0, key)));
      expect(at).toEqual([0, 1]);
      expect(joins[0].header.start.length).toBeGreaterThan(setup);
    }
  });

  test("tells what a stream is", async () => {
    const size = { width: 64, height: 48, damaged: 0 };
    expect(await infoOf("matroska-h264-aac.mkv")).toEqual({
      container: "matroska",
      mediaType: "video/x-matroska",
      codecs: ["h264", "aac"],
      ...size,
    });
    expect(await infoOf("matroska-vp9-opus.webm")).toEqual({
      container: "webm",
      mediaType: "video/webm",
      codecs: ["vp9", "opus"],
      ...size,
    });
    expect(await infoOf("matroska-opus.webm")).toEqual({
      container: "webm",
      mediaType: "audio/webm",
      codecs: ["opus"],
      damaged: 0,
    });
  });

  test("joins at clusters whose first video block is a keyframe, wherever the sound is", () => {
    const { at } = joinsOf(
      header(video, audio),
      cluster(0, simple(1, 0, key), simple(1, 40, 0)),
      cluster(100, simple(1, 0, 0)),
      cluster(200, simple(2, 0, key), simple(1, 1, key)),
      cluster(300, simple(2, 0, key)),
    );
    expect(at).toEqual([0, 2]);
  });

  test("joins at every cluster of sound alone", () => {
    const { at } = joinsOf(header(audio), cluster(0, simple(2, 0, 0)), cluster(9, group(2, 0)), cluster(20));
    expect(at).toEqual([0, 1]);
  });

  test("takes a block group without a reference for a keyframe, wherever in the group the reference is", () => {
    const { at } = joinsOf(
      header(video),
      cluster(0, group(1, 0)),
      cluster(100, group(1, 0, reference)),
      cluster(200, group(1, 0, element("9b", [40]))),
      cluster(300, element("a0", reference, element("a1", [0x81, 0, 0, 0, 1, 2]))),
    );
    expect(at).toEqual([0, 2]);
  });

  test("is not confused by lacing, or by ids in the data", () => {
    const ids = [0x1f, 0x43, 0xb6, 0x75, 0x1a, 0x45, 0xdf, 0xa3];
    const { at, info } = joinsOf(
      header(video, audio),
      cluster(0, simple(2, 0, 0x06 | key, [3, 10, 10, ...ids]), simple(1, 0, key, ids)),
      cluster(100, simple(1, 0, key)),
    );
    expect([at, info.damaged]).toEqual([[0, 1], 0]);
  });

  test("gives a joiner inside a cluster the cluster's head again", async () => {
    const clusters = [
      cluster(0, simple(1, 0, key), simple(1, 40, 0)),
      cluster(700, simple(1, 0, 0), simple(1, 300, key), simple(1, 340, key), simple(1, 900, key)),
      cluster(1800, simple(1, 0, key)),
    ];
    const before = header(video);
    const { joins, units, starts } = joinsOf(before, ...clusters);
    const inner = starts[1] + concat(Uint8Array.fromHex("1f43b675"), new Uint8Array(8), timestamp(0)).length;
    const block = simple(1, 0, 0).length;
    expect(joins.map(({ offset }) => offset)).toEqual([
      starts[0],
      inner + block,
      inner + 3 * block, // not at 40 ms after the one before it
      starts[2],
    ]);
    const again = concat(
      Uint8Array.fromHex("1f43b675"),
      Uint8Array.from(unknownSize),
      element("e7", []).subarray(0, 0),
    );
    expect(joins[1].header.resume.subarray(0, 12)).toEqual(again);
    expect([...joins[1].header.resume.subarray(12)]).toEqual([
      0xe7,
      0x88,
      0,
      0,
      0,
      0,
      0,
      0,
      700 >> 8,
      700 & 255,
    ]);
    expect(joins[1].header.start).toEqual(concat(joins[0].header.start, joins[1].header.resume));
    expect(joins[3].header.resume.length).toBe(0);
    // but no stream stops in there
    expect(units).toEqual([starts[0], starts[1], starts[2], starts[2] + clusters[2].length]);
  });

  test("ends a cluster of unknown size where the next one, or Tags or Cues, begin", () => {
    const { at, units, starts, info } = joinsOf(
      header(video),
      open("1f43b675", timestamp(0), simple(1, 0, key), group(1, 40, reference)),
      open("1f43b675", timestamp(100), simple(1, 0, key)),
      element("1c53bb6b", noise(30, 1)),
      cluster(200, simple(1, 0, key)),
    );
    expect([at, info.damaged]).toEqual([[0, 1, 3], 0]);
    expect(units.slice(0, 5)).toEqual(
      starts.slice(0, 4).concat(starts[3] + cluster(200, simple(1, 0, key)).length),
    );
  });

  test("leaves out of joiners' header what would lie: SeekHead, Cues, Tags, and Segment's size", () => {
    const parts = [
      element("114d9b74", noise(40, 1)),
      element("ec", noise(40, 2)),
      element("1549a966", element("2ad7b1", [15, 66, 64])),
    ];
    const tracks = element("1654ae6b", video);
    const body = concat(...parts, tracks, element("1254c367", noise(40, 3)), cluster(0, simple(1, 0, key)));
    const { joins } = capture(matroska, concat(ebml(), element("18538067", body)));
    expect(joins[0].header.start).toEqual(concat(ebml(), open("18538067"), parts[2], tracks));
  });

  test("has the same fixed part for each run of an encoder, and another for another one's", () => {
    expect(fixedOf(trackOf(1, 5))).toBe(fixedOf(trackOf(9, 5)));
    expect(fixedOf(trackOf(1, 5))).not.toBe(fixedOf(trackOf(1, 6)));
    expect(fixedOf(video)).not.toBe(fixedOf(video, audio));
  });

  test("takes a stream that begins anew in mid-stream for a new one", () => {
    const first = concat(header(video), cluster(0, simple(1, 0, key)));
    const { joins, info } = capture(matroska, concat(first, header(audio), cluster(0, simple(2, 0, key))));
    expect(joins.length).toBe(2);
    expect(joins[1].header.start).toEqual(header(audio));
    expect(joins[1].header.fixed).not.toEqual(joins[0].header.fixed);
    expect(info.codecs).toEqual(["opus"]);
  });

  test("tells an HEVC decoder of a skip with an end of sequence", async () => {
    const { joins } = capture(matroska, await fixture("matroska-hevc.mkv"));
    expect(joins.length).toBe(3);
    for (const { header } of joins) {
      expect([...header.resume.subarray(-6)]).toEqual([0, 0, 0, 2, 36 << 1, 1]);
      // what starts here needs no telling
      expect(header.start.toHex()).not.toContain("000000024801");
    }
  });

  test("finds its place again at a cluster after lost bytes, and counts that", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    const whole = capture(matroska, bytes);
    const cut = whole.joins[1].offset + 500;
    const bad = capture(matroska, concat(bytes.subarray(0, cut), bytes.subarray(cut + 333)));
    expect(bad.info.damaged).toBeGreaterThan(0);
    expect(bad.joins.at(-1)?.offset).toBe(whole.joins[2].offset - 333);
    expect(bad.lost).toBe(false);
  });

  test("is lost in eight mebibytes without a cluster", () => {
    const stream = concat(
      header(video),
      cluster(0, simple(1, 0, key)),
      new Uint8Array(8 * 1024 * 1024 + 100),
    );
    expect(capture(matroska, stream.subarray(0, 8 * 1024 * 1024)).lost).toBe(false);
    expect(capture(matroska, stream).lost).toBe(true);
  });

  test("is lost if its header is larger than what is kept for joiners", () => {
    const huge = track(1, 1, "V_VP9", element("63a2", new Uint8Array(4 * 1024 * 1024)));
    expect(capture(matroska, header(huge)).lost).toBe(true);
  });

  test("is recognised by its elements up to Tracks, and not by its first bytes", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    expect(matroska.sniff(bytes.subarray(0, 60))).toBe("more");
    expect(matroska.sniff(bytes.subarray(0, 1000))).toBe("yes");
    for (const length of [4, 12, 40, 56, 90]) {
      expect({
        length,
        is: matroska.sniff(concat(bytes.subarray(0, length), noise(sniffLimit, length))),
      }).toEqual({
        length,
        is: "no",
      });
    }
    expect(matroska.sniff(concat(ebml("else"), open("18538067")))).toBe("no");
  });
});
