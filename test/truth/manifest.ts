// The one list of the fixtures, which all suites go through: what each is, and what is true of it, found by other programs
// (make.ts). A fixture is test/fixtures/CONTAINER-WHAT.EXT; scripts/manifest puts it here.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A fixture and its traits. All offsets count from its first byte. */
export interface Fixture {
  readonly file: string;
  /** As `Container.name`. */
  readonly container: string;
  /** ffmpeg's names, sorted. */
  readonly codecs: readonly string[];
  readonly isVideo: boolean;
  /** Where a decoder that is given the header can start; the detector reports all, or `some` of them. */
  readonly joins: readonly number[];
  readonly some?: boolean;
  /** From the one join on, each so many bytes there is another. */
  readonly step?: number;
  /** Frames, of the first stream, that a decoder gets at the least from the last join on. */
  readonly lastFrames: number;
  /** Where the stream can be cut: all of these. */
  readonly cuts: readonly number[];
}

export const fixtures = JSON.parse(
  readFileSync(join(import.meta.dir, "../fixtures/manifest.json"), "utf8"),
) as readonly Fixture[];

/** The fixtures of one container. */
export function fixturesOf(container: string): Fixture[] {
  return fixtures.filter((fixture) => fixture.container === container);
}
