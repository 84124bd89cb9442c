// Keyframes of H.264 that are no IDR, in containers of files: what a decoder is given before it.

import { expect, test } from "bun:test";
import { flv } from "../../src/media/flv/flv.ts";
import { matroska } from "../../src/media/matroska/matroska.ts";
import { fmp4 } from "../../src/media/mp4/fmp4.ts";
import { capture } from "./capture.ts";
import { fixture } from "./recorder.ts";

test.each([
  { container: flv, name: "flv-h264-open.flv" },
  { container: matroska, name: "matroska-h264-open.mkv" },
  { container: fmp4, name: "fmp4-h264-open.mp4" },
])(
  "$name gives a decoder a bridge to a keyframe that is no IDR, at the start and in mid-stream",
  async ({ container, name }) => {
    const { joins } = capture(container, await fixture(name));
    expect(joins.length).toBe(6);
    // the first is an IDR
    const [idr, ...others] = joins.map(({ header }) => [header.start.length, header.resume.length]);
    for (const [start, resume] of others) {
      expect(start - idr[0]).toBeGreaterThan(40);
      expect(start - idr[0]).toBeLessThan(2000);
      expect(resume - idr[1]).toBe(start - idr[0]);
    }
  },
);
