// What a stream is, in a line of the log that the stream does not decide the length of.

import { expect, test } from "bun:test";
import type { StreamInfo } from "../../src/media/detector.ts";
import { describe, sizeText } from "../../src/server/description.ts";

function info(codecs: string[]): StreamInfo {
  return { container: "mpegts", mediaType: "video/mp2t", codecs, width: 1280, height: 720, damaged: 0 };
}

test("a stream is its container, its codecs and its size", () => {
  expect(describe(info(["h264", "aac"]))).toBe("mpegts, h264 + aac, 1280x720");
  expect(describe({ ...info(["mp3"]), container: "mp3", width: undefined, height: undefined })).toBe("mp3");
  expect(describe(undefined)).toBe("unknown format: relayed as is");
});

test("of many codecs the first eight are named, and of a long one its beginning", () => {
  const codecs = Array.from({ length: 5000 }, (_, index) => `codec${index}`);
  expect(describe(info(codecs))).toBe(
    "mpegts, codec0 + codec1 + codec2 + codec3 + codec4 + codec5 + codec6 + codec7 + 4992 more, 1280x720",
  );
  expect(describe(info(["x".repeat(60_000)]))).toBe(`mpegts, ${"x".repeat(63)}…, 1280x720`);
});

test("an amount has three digits and a unit", () => {
  expect([0, 999, 1000, 28_706_284, 3e12].map(sizeText)).toEqual(["0 B", "999 B", "1 kB", "28.7 MB", "3 TB"]);
});
