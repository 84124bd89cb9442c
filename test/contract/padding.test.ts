// A stream that was cut off is padded: wherever the cut was, what is there and its padding together end where one
// of its units does, so that the first byte of another stream is not taken for a part of this one.

import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { containers } from "../../src/media/containers.ts";
import { fixture, Recorder, random } from "../media/recorder.ts";
import { fixtures } from "../truth/manifest.ts";

const cuts = 300;
const tsPacketBytes = 188;
/** The share of cuts that fall where a size has been announced, and not inside of an announcement. */
const enough = 0.5;

/** Containers whose units say how long they are. The others have nothing to be padded. */
const padded = ["flv", "fmp4", "ivf", "matroska", "mpegts", "wav", "y4m"];
const files = fixtures.filter(({ container }) => padded.includes(container)).map(({ file }) => file);

function detectorOf(file: string, recorder: Recorder) {
  const container = containers.find(({ name }) => file.startsWith(`${name}-`));
  if (container === undefined) throw new Error(`no container for the fixture ${file}`);
  return container.create(recorder);
}

describe.each(files)("%s", (file) => {
  test("cut off anywhere is made up to where one of its units ends", async () => {
    const bytes = await fixture(file);
    const whole = new Recorder();
    detectorOf(file, whole).feed(bytes, 0);
    const ends = new Set([...whole.units, ...whole.joins, bytes.length]);
    const isEnd = (offset: number) =>
      file.startsWith("mpegts-") ? offset % tsPacketBytes === 0 : ends.has(offset);
    const from = whole.joins[1];
    const next = random(5);
    let hits = 0;
    for (let count = 0; count < cuts; count++) {
      const cut = from + next(bytes.length - from);
      const detector = detectorOf(file, new Recorder());
      detector.feed(bytes.subarray(0, cut), 0);
      const padding = concat(detector.padding?.() ?? []);
      if (isEnd(cut + padding.length)) hits++;
      detector.feed(padding, cut);
      expect({ cut, left: concat(detector.padding?.() ?? []).length }).toEqual({ cut, left: 0 });
    }
    expect(hits / cuts).toBeGreaterThan(enough);
  });
});
