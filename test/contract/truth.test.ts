// What the detectors report of each fixture is true: as ffprobe and a plain reading of its elements have it
// (test/truth), and as ffmpeg decodes it. That the checks see what is wrong is shown with detectors that are.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { containers } from "../../src/media/containers.ts";
import { type Container, type Header, noHeader, type Sink } from "../../src/media/detector.ts";
import { capture, decodeTimeoutMs, expectClean, hasFfmpeg } from "../media/capture.ts";
import { fixture, noise } from "../media/recorder.ts";
import { faults } from "../truth/check.ts";
import { type Fixture, fixtures } from "../truth/manifest.ts";

setDefaultTimeout(decodeTimeoutMs);

function containerOf({ container: name, file }: Fixture): Container {
  const container = containers.find((container) => container.name === name);
  if (container === undefined) throw new Error(`no container for the fixture ${file}`);
  return container;
}

describe.each([...fixtures])("$file", (of) => {
  test("has the joins, the cuts and the headers that it has", async () => {
    expect(faults(containerOf(of), of, await fixture(of.file))).toEqual([]);
  });

  test("is known with the codecs that it has", async () => {
    const { info } = capture(containerOf(of), await fixture(of.file));
    expect([...new Set(info.codecs)].sort()).toEqual([...of.codecs]);
  });

  test.skipIf(!hasFfmpeg)("decodes from a join, and across a skip to one", async () => {
    const whole = capture(containerOf(of), await fixture(of.file));
    const { joins } = whole;
    // of many, such as audio frames, some
    const few = [joins[0], joins[joins.length >> 1], joins[(joins.length * 3) >> 2]];
    // pictures in front of a recovery point in MPEG-TS take the time of some that were skipped
    const isBridged = of.file.startsWith("mpegts-h264-open");
    await expectClean(
      {
        ...whole,
        joins: joins.length > 4 ? few : joins,
        units: isBridged ? of.cuts.filter((cut) => cut < 3000) : of.cuts,
      },
      of.lastFrames,
      !of.file.includes("-refresh"),
    );
  });
});

/** A sink to put in place of a detector's own. */
type Breakage = (sink: Sink) => Sink;

const changed = (change: (header: Header) => Partial<Header>): Breakage => {
  return (sink) => ({
    ...passed(sink),
    header: (header) =>
      sink.header({ ...header, start: header.start, resume: header.resume, ...change(header) }),
  });
};

function passed(sink: Sink): Sink {
  return {
    header: (header) => sink.header(header),
    join: (offset, within) => sink.join(offset, within),
    unit: (offset) => sink.unit(offset),
    patch: (offset, bytes) => sink.patch?.(offset, bytes),
  };
}

const late =
  (bytes: number): Breakage =>
  (sink) => ({ ...passed(sink), join: (offset, within) => sink.join(offset + bytes, within) });

const breakages: Record<string, Breakage> = {
  "joins are a byte late": late(1),
  "joins are 20 bytes late": late(20),
  "joins are a byte early": late(-1),
  "every other join is missing": (sink) => {
    let count = 0;
    return {
      ...passed(sink),
      join: (offset, within) => (count++ % 2 === 0 ? undefined : sink.join(offset, within)),
    };
  },
  "no unit is reported": (sink) => ({ ...passed(sink), unit: () => {} }),
  "units are a byte late": (sink) => ({ ...passed(sink), unit: (offset) => sink.unit(offset + 1) }),
  "the header is empty": changed(() => ({ start: noHeader.start })),
  "the header is that of a skip": changed(({ resume }) => ({ start: resume })),
  "a skip is given the whole header": changed(({ start }) => ({ resume: start })),
  "a skip is given nothing": changed(() => ({ resume: noHeader.resume })),
  "a skip is given noise": changed(() => ({ resume: noise(188, 1) })),
};

function broken(container: Container, breakage: Breakage): Container {
  return { ...container, create: (sink) => container.create(breakage(sink)) };
}

describe.each(Object.entries(breakages))("a detector of which %s", (_name, breakage) => {
  test.each([...fixtures])("is not taken for $container: $file", async (of) => {
    const bytes = await fixture(of.file);
    const container = containerOf(of);
    const bad = broken(container, breakage);
    // Where there is nothing to be broken in that way, both report the same.
    if (JSON.stringify(reports(bad, bytes)) === JSON.stringify(reports(container, bytes))) return;
    expect(faults(bad, of, bytes)).not.toEqual([]);
  });
});

/** All that is reported, with the parts of the headers as text. */
function reports(container: Container, bytes: Uint8Array): unknown[] {
  const { joins, units } = capture(container, bytes);
  return [
    units,
    joins.map(({ offset, header: { start, resume } }) => [offset, start.toHex(), resume.toHex()]),
  ];
}
