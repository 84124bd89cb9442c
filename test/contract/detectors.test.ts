// What every container's detector guarantees the relay, run over all fixtures (test/truth/manifest.ts); whether what is
// reported is true is truth.test.ts's. Those in test/fixtures/unjoinable look like one, but can not be joined in their middle.
// The answers must not depend on how the bytes come, and nothing may come of bad bytes but fewer answers.

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { containers } from "../../src/media/containers.ts";
import { sniffLimit } from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { damage, feed, fixture, noise, Recorder, random } from "../media/recorder.ts";
import { fixtures } from "../truth/manifest.ts";

const folder = `${import.meta.dir}/../fixtures`;
const files = fixtures.map(({ file }) => file);
const unjoinable = readdirSync(`${folder}/unjoinable`)
  .filter((name) => /\.[a-z0-9]+$/.test(name))
  .sort();
const containerOf = (file: string) => {
  const name = file.slice(0, file.indexOf("-"));
  const container = containers.find((container) => container.name === name);
  if (container === undefined) throw new Error(`no container for the fixture ${file}`);
  return container;
};
const ways = ["whole", "byte by byte", "in pieces"] as const;
const sizes = (way: (typeof ways)[number], seed: number) => {
  const next = random(seed);
  if (way === "whole") return (left: number) => left;
  if (way === "byte by byte") return () => 1;
  return () => 1 + next(1 + next(1 + next(5000)));
};

/** What is reported of `bytes` when they are fed that way, from an offset that is not 0. */
function followed(file: string, bytes: Uint8Array, way: (typeof ways)[number], seed = 1): Recorder {
  const recorder = new Recorder();
  feed(containerOf(file).create(recorder), bytes, sizes(way, seed), 1000);
  return recorder;
}

const rises = (offsets: readonly number[]) =>
  offsets.every((offset, i) => i === 0 || offset > offsets[i - 1]);

const mebibytes: Uint8Array[] = [];
/** One of the mebibytes of a long noise, made once. */
const mebibyte = (index: number) => (mebibytes[index] ??= noise(1 << 20, index));

/** Bytes in use, as far as the engine knows. */
function used(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

test("every fixture is in the manifest", () => {
  const there = readdirSync(folder).filter((name) => /^[a-z0-9]+-.*\.[a-z0-9]+$/.test(name));
  expect(there.sort()).toEqual(files.toSorted());
});

test("every container has a fixture", () => {
  const named = new Set(files.map((file) => containerOf(file).name));
  expect([...new Set(containers.map((container) => container.name))].sort()).toEqual([...named].sort());
});

test.each(unjoinable)("%s is opaque, and the reason is known", async (file) => {
  const recorder = new Recorder();
  const sniffer = new Sniffer(recorder);
  feed(sniffer, await fixture(`unjoinable/${file}`), sizes("in pieces", 1));
  // Its end, as it is shorter than what a sniffer waits for.
  sniffer.finishDetection();
  expect(sniffer.state).toBe("opaque");
  expect(sniffer.info.problem).toStartWith("MP4 without fragments (ffmpeg ");
  expect(recorder.joins).toEqual([]);
});

describe.each(files)("%s", (file) => {
  test("is reported alike whole, byte by byte and in pieces", async () => {
    const bytes = await fixture(file);
    const whole = followed(file, bytes, "whole");
    expect(whole.joins.length).toBeGreaterThan(1);
    const firstOf = (kind: string) => whole.calls.findIndex((call) => call.startsWith(kind));
    expect(firstOf("header ")).toBeGreaterThanOrEqual(0);
    expect(firstOf("header ")).toBeLessThan(firstOf("join "));
    expect(followed(file, bytes, "byte by byte").calls).toEqual(whole.calls);
    for (let seed = 0; seed < 6; seed++)
      expect(followed(file, bytes, "in pieces", seed).calls).toEqual(whole.calls);
  });

  test("has rising offsets inside of the stream, and no damage", async () => {
    const bytes = await fixture(file);
    const recorder = new Recorder();
    const detector = containerOf(file).create(recorder);
    feed(detector, bytes, sizes("whole", 0), 1000);
    expect(rises(recorder.joins)).toBe(true);
    expect(rises(recorder.units)).toBe(true);
    const ends = recorder.patches.map(({ offset, bytes: patch }) => offset + patch.length);
    expect(recorder.patches.every(({ offset }, i) => i === 0 || offset >= ends[i - 1])).toBe(true);
    for (const offset of [...recorder.joins, ...recorder.units, ...ends]) {
      expect(offset).toBeGreaterThanOrEqual(1000);
      expect(offset).toBeLessThanOrEqual(1000 + bytes.length);
    }
    expect(detector.lost).toBe(false);
    expect(detector.info.damaged).toBe(0);
    expect(detector.info.codecs.length).toBeGreaterThan(0);
    expect(detector.info.mediaType).toMatch(/^(audio|video|application|multipart)\//);
  });

  test("cut short is reported the same as far as it goes", async () => {
    const bytes = await fixture(file);
    const whole = followed(file, bytes, "whole").calls;
    const next = random(7);
    for (let count = 0; count < 25; count++) {
      const calls = followed(file, bytes.subarray(0, next(bytes.length)), "whole").calls;
      expect(calls).toEqual(whole.slice(0, calls.length));
    }
  });

  test("damaged is followed without a throw, and reported alike whole and in pieces", async () => {
    const bytes = await fixture(file);
    for (let seed = 0; seed < 25; seed++) {
      const bad = damage(bytes, random(seed));
      const whole = followed(file, bad, "whole");
      expect(rises(whole.joins)).toBe(true);
      expect(rises(whole.units)).toBe(true);
      for (const offset of [...whole.joins, ...whole.units]) {
        if (offset < 1000 || offset > 1000 + bad.length) throw new Error(`${offset} with seed ${seed}`);
      }
      for (const way of ways)
        expect({ seed, calls: followed(file, bad, way, seed).calls }).toEqual({ seed, calls: whole.calls });
    }
  });

  test("is followed again after damage in its middle", async () => {
    const bytes = await fixture(file);
    const cut = Math.floor(bytes.length / 2);
    const bad = Buffer.concat([
      bytes.subarray(0, cut),
      noise(777, 3),
      bytes.subarray(cut + 500),
      bytes,
      bytes,
    ]);
    const recorder = followed(file, new Uint8Array(bad), "whole");
    expect(Math.max(...recorder.joins)).toBeGreaterThan(1000 + bad.length - bytes.length);
  });

  test("is recognised as its own container and as no other", async () => {
    const bytes = await fixture(file);
    const { name } = containerOf(file);
    for (let length = 16; length <= Math.min(bytes.length, sniffLimit); length = Math.floor(length * 1.5)) {
      const start = bytes.subarray(0, length);
      const yes = containers.filter((container) => container.sniff(start) === "yes");
      expect([...new Set(yes.map((container) => container.name).filter((other) => other !== name))]).toEqual(
        [],
      );
    }
  });

  test("goes through the sniffer as if its container were known from the first byte", async () => {
    const bytes = await fixture(file);
    const direct = followed(file, bytes, "whole").calls;
    for (const way of ways) {
      const recorder = new Recorder();
      const sniffer = new Sniffer(recorder);
      feed(sniffer, bytes, sizes(way, 5), 1000);
      expect(sniffer.state).toBe("known");
      expect(recorder.calls).toEqual(direct);
    }
  });

  // Of WAV's samples any bytes will do.
  test.skipIf(file.startsWith("wav-"))("of which only the beginning is true ends as opaque", async () => {
    const bytes = await fixture(file);
    for (const share of [0.02, 0.3, 1]) {
      const sniffer = new Sniffer(new Recorder());
      const start = bytes.subarray(0, Math.floor(bytes.length * share));
      sniffer.feed(start, 0);
      for (let mebi = 0; mebi < 48 && sniffer.state !== "opaque"; mebi++) {
        sniffer.feed(mebibyte(mebi), start.length + (mebi << 20));
      }
      expect({ share, state: sniffer.state }).toEqual({ share, state: "opaque" });
      expect(sniffer.lost).toBe(true);
    }
  });

  test("keeps little, however long and bad it is", async () => {
    const bytes = await fixture(file);
    const next = random(13);
    const piece = Buffer.concat(Array.from({ length: 20 }, () => damage(bytes, next)));
    const ignore = { header() {}, join() {}, unit() {} };
    const detector = containerOf(file).create(ignore);
    const before = used();
    for (let offset = 0; offset < 24 * 1024 * 1024; offset += piece.length) detector.feed(piece, offset);
    expect(used() - before).toBeLessThan(6 * 1024 * 1024);
    expect(detector.info.damaged).toBeGreaterThanOrEqual(0);
  });
});
