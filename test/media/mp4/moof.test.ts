// Fragments' boxes that are cut to the samples from a keyframe on, where their sizes lie.

import { expect, test } from "bun:test";
import { fmp4 } from "../../../src/media/mp4/fmp4.ts";
import { readFragment } from "../../../src/media/mp4/moof.ts";
import { cutFragment } from "../../../src/media/mp4/moofwriter.ts";
import { readMovie } from "../../../src/media/mp4/moov.ts";
import { fixture, Recorder } from "../recorder.ts";

/** The boxes of a file, each whole. */
function boxesOf(bytes: Uint8Array): { type: string; box: Uint8Array }[] {
  const boxes = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    const box = bytes.subarray(at, at + size);
    boxes.push({ type: Buffer.from(box.subarray(4, 8)).toString(), box });
    at += size;
  }
  return boxes;
}

test("a box with a few bytes behind its last child is cut as if they were not there, whatever follows in memory", async () => {
  const boxes = boxesOf(await fixture("fmp4-timed.mp4"));
  const movie = readMovie(boxes.find(({ type }) => type === "moov")?.box ?? new Uint8Array(0));
  if (movie === undefined) throw new Error("the fixture has no movie");
  const video = movie.tracks.find(({ isVideo }) => isVideo);
  const moofs = boxes.filter(({ type }) => type === "moof").map(({ box }) => box);
  const cuttable = moofs.filter((box) => readFragment(box, box.length, video).keyframe > 0);
  expect(cuttable.length).toBeGreaterThan(0);
  for (const box of cuttable) {
    const { keyframe } = readFragment(box, box.length, video);
    const cut = cutFragment(box, box.length, movie.tracks, keyframe);
    for (let more = 1; more < 8; more++) {
      for (const type of ["mfhd", "traf", "free"]) {
        const bytes = new Uint8Array(box.length + 64);
        bytes.set(box);
        bytes.set(Buffer.from(type), box.length + 4);
        expect(cutFragment(bytes, box.length + more, movie.tracks, keyframe)).toEqual(cut);
      }
    }
  }
});

test("a stream of one tiny frame a fragment can be joined at each keyframe", async () => {
  const boxes = boxesOf(await fixture("fmp4-frames.mp4"));
  const head = boxes.filter(({ type }) => type === "ftyp" || type === "moov").map(({ box }) => box);
  const first = boxes.findIndex(({ type }) => type === "moof");
  const moof = boxes[first].box;
  const mdat = new Uint8Array(12);
  mdat.set([0, 0, 0, 12, ...Buffer.from("mdat")]);
  const fragments = Array.from({ length: 2000 }, () => [moof, mdat]).flat();
  const recorder = new Recorder();
  fmp4.create(recorder).feed(new Uint8Array(Buffer.concat([...head, ...fragments])), 0);
  expect(recorder.joins.length).toBe(2000);
});
