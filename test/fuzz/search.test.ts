// Some tens of seconds of scripts/fuzz, the same streams each time: no container's detector, and no channel, takes more time
// or memory for them than it may.

import { expect, test } from "bun:test";
import { search } from "./search.ts";

/** Seconds of it. An hour is for when src/media or src/relay change. */
const seconds = 40;
/** So much wider bounds on time do on any machine. */
const slack = 4;

test(
  "streams of every container, made to be hostile, cost no more than they may",
  async () => {
    const lines: string[] = [];
    const report = (line: string) => lines.push(line);
    const found = await search({
      seed: 1,
      seconds,
      cases: Number.POSITIVE_INFINITY,
      container: undefined,
      slack,
      shrinkSeconds: 0,
      report,
    });
    expect(found.map(({ name, given, finding }) => `${given.container}, ${name}: ${finding.text}`)).toEqual(
      [],
    );
    // it got far
    expect(lines.at(-1)).toMatch(/^\d{2,} streams/);
  },
  (seconds + 120) * 1000,
);
