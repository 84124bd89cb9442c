// Matroska is made into fragmented MP4 frame by frame, and decodes to the same.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { FragmentWriter, isWritable } from "../../src/web/browser/fragmentwriter.ts";
import { MatroskaFrames } from "../../src/web/browser/matroskaframes.ts";
import { type MatroskaHeader, readMatroskaHeader } from "../../src/web/browser/matroskaheader.ts";
import { readMp4Header } from "../../src/web/browser/mp4header.ts";

const fixture = (name: string) => Bun.file(join(import.meta.dir, "../fixtures", name)).bytes();
const withFfmpeg = test.skipIf(Bun.which("ffmpeg") === null);
const files = [
  "matroska-h264-aac.mkv",
  "matroska-h264-open.mkv",
  "matroska-lowrate.mkv",
  "matroska-hevc.mkv",
];

function headerOf(bytes: Uint8Array): MatroskaHeader {
  const header = readMatroskaHeader(bytes);
  if (header === undefined || header === "more") throw new Error("no header");
  return header;
}

function remux(bytes: Uint8Array, pieceBytes = bytes.length): Uint8Array {
  const { tracks, tickNs, bytes: begin } = headerOf(bytes);
  const writer = new FragmentWriter(tracks, tickNs);
  const frames = new MatroskaFrames();
  const parts: Uint8Array[] = [writer.header()];
  for (let at = begin; at < bytes.length; at += pieceBytes)
    parts.push(writer.fragments(frames.feed(bytes.subarray(at, at + pieceBytes))));
  parts.push(writer.end());
  return Buffer.concat(parts);
}

/** Each decoded frame: its stream, when it is shown (milliseconds) and a hash of it. */
function decoded(bytes: Uint8Array, kind: "v" | "a") {
  const { stdout, stderr } = Bun.spawnSync(
    [
      "ffmpeg",
      "-v",
      "warning",
      "-i",
      "-",
      "-map",
      `0:${kind}`,
      "-fps_mode",
      "passthrough",
      "-f",
      "framemd5",
      "-",
    ],
    { stdin: bytes },
  );
  const lines = stdout.toString().split("\n");
  const base = Number(/#tb 0: 1\/(\d+)/.exec(stdout.toString())?.[1]);
  const frames = lines
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(",").map((part) => part.trim()))
    .map((parts) => ({ ms: Math.round((Number(parts[2]) * 1000) / base), hash: parts[parts.length - 1] }));
  return { frames, words: stderr.toString() };
}

/** A SimpleBlock of track 1. */
const block = (flags: number, ...body: number[]) => [
  0xa3,
  0x80 + 4 + body.length,
  0x81,
  0,
  1,
  flags,
  ...body,
];

describe("a Matroska stream", () => {
  withFfmpeg.each(files)("of %s decodes to the same pictures at the same times as MP4", async (name) => {
    const bytes = await fixture(name);
    const [before, after] = [decoded(bytes, "v"), decoded(remux(bytes), "v")];
    expect(after.words).toBe("");
    expect(after.frames.map(({ hash }) => hash)).toEqual(before.frames.map(({ hash }) => hash));
    const offset = after.frames[0].ms - before.frames[0].ms;
    for (const [i, { ms }] of after.frames.entries())
      expect(Math.abs(ms - offset - before.frames[i].ms)).toBeLessThanOrEqual(2);
  });

  withFfmpeg("decodes to the same sound", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    const [before, after] = [decoded(bytes, "a"), decoded(remux(bytes), "a")];
    expect(after.frames.map(({ hash }) => hash)).toEqual(before.frames.map(({ hash }) => hash));
  });

  test("has its tracks in the MP4's header", async () => {
    for (const name of files) {
      const bytes = await fixture(name);
      const tracks = headerOf(bytes).tracks.map(({ kind, codec }) => ({ kind, codec }));
      expect(readMp4Header(remux(bytes))).toMatchObject({ tracks });
    }
  });

  test("gives the same, in whatever pieces it comes", async () => {
    for (const name of [...files, "matroska-opus.webm"]) {
      const bytes = await fixture(name);
      const whole = remux(bytes);
      for (const pieceBytes of [1, 7, 1000]) expect(remux(bytes, pieceBytes)).toEqual(whole);
    }
  });

  test("goes on at the next cluster behind what makes no sense", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    const begin = headerOf(bytes).bytes;
    const clean = new MatroskaFrames().feed(bytes.subarray(begin));
    const noise = new Uint8Array(500).fill(0x07);
    const frames = new MatroskaFrames().feed(Buffer.concat([noise, bytes.subarray(begin)]));
    expect(frames).toEqual(clean);
    expect(clean.length).toBeGreaterThan(100);
  });

  test("that begins anew in the middle is not gone on with", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    const frames = new MatroskaFrames();
    frames.feed(bytes.subarray(headerOf(bytes).bytes));
    expect(() => frames.feed(bytes)).toThrow("another stream begins");
  });

  test("of lying sizes throws nothing else", async () => {
    const bytes = await fixture("matroska-h264-aac.mkv");
    const begin = headerOf(bytes).bytes;
    for (let at = begin; at < begin + 400; at++) {
      const changed = bytes.slice(begin, begin + 3000);
      changed[at - begin] ^= 0xff;
      try {
        new MatroskaFrames().feed(changed);
      } catch (error) {
        expect((error as Error).message).toBe("another stream begins");
      }
    }
  });

  test("may have several frames in a block", () => {
    const cluster = [0x1f, 0x43, 0xb6, 0x75, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe7, 0x81, 5];
    const bytes = [
      ...cluster,
      ...block(0x80, 1, 2),
      ...block(0x82, 1, 2, 10, 11, 12),
      ...block(0x84, 1, 20, 21, 22, 23),
      ...block(0x86, 2, 0x81, 0xc0, 30, 31, 32, 33),
    ];
    const frames = new MatroskaFrames().feed(new Uint8Array(bytes));
    expect(frames.map(({ data }) => [...data])).toEqual([
      [1, 2],
      [10, 11],
      [12],
      [20, 21],
      [22, 23],
      [30],
      [31, 32],
      [33],
    ]);
    expect(frames.every(({ time, track, isKeyframe }) => time === 6 && track === 1 && isKeyframe)).toBe(true);
  });

  test("can be put into MP4 with the codecs that browsers know there", async () => {
    for (const name of files) expect(headerOf(await fixture(name)).tracks.every(isWritable)).toBe(true);
    const webm = headerOf(await fixture("matroska-vp9-opus.webm"));
    expect(webm.tracks.map(isWritable)).toEqual([false, true]);
  });
});
