// Real streams with their bytes changed: some thousands of them, the same each time, break nothing; and what a detector breaks
// is seen.

import { expect, setDefaultTimeout, test } from "bun:test";
import { type Container, noHeader, type Sink } from "../../src/media/detector.ts";
import { flv } from "../../src/media/flv/flv.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { fixture } from "../media/recorder.ts";
import { dice } from "../protocol/dice.ts";
import { fault } from "./batch.ts";
import { changedBytes } from "./bytes.ts";
import { threadMs } from "./clock.ts";
import { families, familyOf } from "./families.ts";
import { render } from "./parts.ts";
import { searchBytes } from "./search.ts";

setDefaultTimeout(120_000);

/** Streams of each container. Millions are for `scripts/fuzz`. */
const streams = 100;
/** So much wider bounds on time do on any machine. */
const slack = 4;

test("streams with changed bytes are followed in time, without a throw, and alike in any pieces", async () => {
  const lines: string[] = [];
  const found = await searchBytes({
    seed: 1,
    seconds: 100,
    cases: streams * families.length,
    container: undefined,
    slack,
    shrinkSeconds: 0,
    report: (line) => lines.push(line),
  });
  expect(
    found.map(({ given, finding }) => `${given.container}, seed ${given.seed}: ${finding.text}`),
  ).toEqual([]);
  expect(lines.at(-1)).toMatch(/^\d{2,} streams/);
});

test("most of them are still taken for what they are", () => {
  for (const family of families) {
    const states = Array.from({ length: 40 }, (_, seed) => {
      const sniffer = new Sniffer({ header() {}, join() {}, unit() {} });
      let isKnown = false;
      const bytes = render(family, changedBytes(family.name, dice(seed)), 65_536);
      for (let at = 0; at < bytes.length && !isKnown; at += 512) {
        sniffer.feed(bytes.subarray(at, at + 512), at);
        isKnown = sniffer.state === "known";
      }
      return isKnown;
    });
    expect({ name: family.name, isMost: states.filter(Boolean).length >= 20 }).toEqual({
      name: family.name,
      isMost: true,
    });
  }
});

/** FLV, of which each piece does something more. */
function faulty(more: (bytes: Uint8Array, offset: number, sink: Sink) => void): Container[] {
  return [
    {
      ...flv,
      create: (sink) => {
        const info = { container: "flv", mediaType: "video/x-flv", codecs: [], damaged: 0 };
        return { info, lost: false, feed: (bytes, offset) => more(bytes, offset, sink) };
      },
    },
  ];
}

test.each<[string, RegExp, Container[]]>([
  [
    "throws",
    /outside/,
    faulty(() => {
      throw new RangeError("outside");
    }),
  ],
  [
    "goes back with its joins",
    /^join/,
    faulty((_, offset, sink) => {
      sink.header(noHeader);
      sink.join(offset + 5);
      sink.join(offset);
    }),
  ],
  [
    "reports a unit that has not come",
    /^unit \d+ with \d+ bytes fed/,
    faulty((bytes, offset, sink) => sink.unit(offset + bytes.length + 1)),
  ],
  ["depends on the pieces", /^in pieces/, faulty((_, offset, sink) => sink.unit(offset))],
  [
    "takes too long",
    /take \d+ ms/,
    faulty(() => {
      const until = threadMs() + 60;
      while (threadMs() < until);
    }),
  ],
])("a detector that %s is found", async (_name, text, containers) => {
  expect(fault(await fixture("flv-h264-aac.flv"), 1)).toBeUndefined();
  expect(fault(await fixture("flv-h264-aac.flv"), 1, containers)).toMatch(text);
});

test("the same seed makes the same bytes", () => {
  const [one, other] = [7, 7].map((seed) => render(familyOf("ogg"), changedBytes("ogg", dice(seed)), 65_536));
  expect(other).toEqual(one);
});
