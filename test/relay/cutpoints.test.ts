// Where each kind of stream can be cut: chunks by arithmetic, opaque ones anywhere, containers at their marks.

import { describe, expect, test } from "bun:test";
import { noHeader } from "../../src/media/detector.ts";
import { ChunkCutPoints } from "../../src/relay/chunkcutpoints.ts";
import type { CutPoints } from "../../src/relay/cutpoints.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes, sniffedCutPoints, wavHead } from "./streams.ts";

function feed(cutPoints: CutPoints, offset: number, ...parts: Uint8Array[]): number {
  let at = offset;
  for (const part of parts) {
    cutPoints.feed(part, at);
    at += part.length;
  }
  return at;
}

describe("chunks", () => {
  const cutPoints = new ChunkCutPoints(1003, 100);

  test("are counted from the broadcast's first byte", () => {
    expect(cutPoints.joinAtOrAfter(1003).offset).toBe(1003);
    expect(cutPoints.joinAtOrAfter(1004).offset).toBe(1103);
    expect(cutPoints.joinAtOrAfter(1103).offset).toBe(1103);
    expect(cutPoints.joinAtOrBefore(1102).offset).toBe(1003);
    expect(cutPoints.joinAtOrBefore(1103).offset).toBe(1103);
    expect(cutPoints.newestJoin(1003)).toBeUndefined();
    expect(cutPoints.newestJoin(1004)?.offset).toBe(1003);
    expect(cutPoints.newestJoin(1302)?.offset).toBe(1203);
    expect(cutPoints.newestJoin(1303)?.offset).toBe(1203);
    expect(cutPoints.newestJoin(1304)?.offset).toBe(1303);
  });

  test("are units as well: a watcher stops at the end of one", () => {
    expect(cutPoints.unitEnd(1003)).toBe(1003);
    expect(cutPoints.unitEnd(1004)).toBe(1103);
    expect(cutPoints.unitEnd(1103)).toBe(1103);
  });

  test("need no header, and are known from the beginning", () => {
    expect(cutPoints.kind).toBe("chunks");
    expect(cutPoints.header).toBe(noHeader);
    expect(cutPoints.joinAtOrAfter(5000).header).toBe(noHeader);
  });

  test("stay exact far into a stream", () => {
    const far = new ChunkCutPoints(7, 3001);
    const start = 7 + 3001 * 1_000_000_007;
    expect(far.joinAtOrBefore(start + 3000).offset).toBe(start);
    expect(far.joinAtOrAfter(start + 1).offset).toBe(start + 3001);
  });
});

describe("an opaque stream", () => {
  test("is of no kind, without a place to cut it, while the sniffer still looks", () => {
    const cutPoints = sniffedCutPoints();
    feed(cutPoints, 500, opaque(10));
    expect(cutPoints.kind).toBe("sniffing");
    expect(cutPoints.newestJoin(510)).toBeUndefined();
    expect(cutPoints.joinAtOrAfter(500)).toBeUndefined();
    expect(cutPoints.joinAtOrBefore(510)).toBeUndefined();
    expect(cutPoints.unitEnd(500)).toBeUndefined();
    expect(cutPoints.header).toBe(noHeader);
  });

  test("can be cut anywhere", () => {
    const cutPoints = sniffedCutPoints();
    const head = feed(cutPoints, 500, opaque(sniffedBytes));
    expect(cutPoints.kind).toBe("opaque");
    expect(cutPoints.newestJoin(head)).toEqual({ offset: head, header: noHeader });
    expect(cutPoints.joinAtOrAfter(777)).toEqual({ offset: 777, header: noHeader });
    expect(cutPoints.joinAtOrBefore(777)).toEqual({ offset: 777, header: noHeader });
    expect(cutPoints.unitEnd(778)).toBe(778);
  });
});

describe("a container", () => {
  // Where they are: 13 head, config, keyframe of 1000, two others of 500; then a keyframe again.
  const config = flvConfig(0);
  const first = flvHead.length + config.length;
  const parts = [
    flvHead,
    config,
    flvFrame(0, true, 1000),
    flvFrame(40, false, 500),
    flvFrame(80, false, 500),
    flvFrame(120, true, 1000),
  ];

  test("has join points with their headers, and unit ends", () => {
    const cutPoints = sniffedCutPoints();
    const start = 70_000;
    const head = feed(cutPoints, start, ...parts);
    expect(cutPoints.kind).toBe("marked");
    expect(cutPoints.info.container).toBe("flv");
    expect(cutPoints.joinAtOrAfter(start)?.offset).toBe(start + first);
    expect(cutPoints.joinAtOrAfter(start + first + 1)?.offset).toBe(start + first + 2000);
    expect(cutPoints.joinAtOrAfter(start + first + 2001)).toBeUndefined();
    expect(cutPoints.joinAtOrBefore(start + first + 1999)?.offset).toBe(start + first);
    expect(cutPoints.joinAtOrBefore(start + first - 1)).toBeUndefined();
    expect(cutPoints.newestJoin(head)?.offset).toBe(start + first + 2000);
    expect(cutPoints.unitEnd(start + first + 1)).toBe(start + first + 1000);
    expect(cutPoints.unitEnd(start + first + 1001)).toBe(start + first + 1500);
    expect(cutPoints.unitEnd(head)).toBe(head);
    expect(cutPoints.unitEnd(head + 1)).toBeUndefined();
    expect(cutPoints.newestJoin(head)?.header.start).toEqual(
      new Uint8Array(Buffer.concat([flvHead, flvConfig(120)])),
    );
    expect(cutPoints.newestJoin(head)?.header.resume).toEqual(flvConfig(120));
  });

  test("gives each join point the header that was in force there", () => {
    const cutPoints = sniffedCutPoints();
    const head = feed(cutPoints, 0, ...parts, flvConfig(160, 2), flvFrame(160, true, 1000));
    const join = cutPoints.joinAtOrAfter(first + 2001);
    expect(join?.header.resume).toEqual(flvConfig(160, 2));
    expect(cutPoints.joinAtOrBefore(first + 2000)?.header.resume).toEqual(flvConfig(120));
    expect(cutPoints.newestJoin(head)).toEqual(join as NonNullable<typeof join>);
  });

  test("that turns out to be none is opaque, and needs no header any more", () => {
    const cutPoints = sniffedCutPoints();
    const before = feed(cutPoints, 0, ...parts);
    const head = feed(cutPoints, before, new Uint8Array(3 * 1024 * 1024));
    expect(cutPoints.kind).toBe("opaque");
    expect(cutPoints.header).toBe(noHeader);
    expect(cutPoints.newestJoin(head)?.offset).toBe(head);
    expect(cutPoints.unitEnd(before + 5)).toBe(before + 5);
  });

  test("that repeats a large configuration at each of many keyframes takes bounded memory", () => {
    const cutPoints = sniffedCutPoints();
    let head = feed(cutPoints, 0, flvHead, flvFrame(0, false, 100), flvConfig(0, 1, 100_000));
    for (let i = 1; i <= 300; i++) head = feed(cutPoints, head, flvFrame(i * 40, true, 40));
    const buffers = new Set<Uint8Array>();
    for (let at = 0; at <= head; at += 40) {
      const header = cutPoints.joinAtOrAfter(at)?.header;
      if (header === undefined) break;
      buffers.add(header.start).add(header.resume);
    }
    expect(buffers.size).toBeGreaterThan(0);
    expect([...buffers].reduce((sum, buffer) => sum + buffer.length, 0)).toBeLessThan(32 * 2 ** 20);
  });

  test("forgets the marks that have left the ring, but for where its newest join point was", () => {
    const cutPoints = sniffedCutPoints();
    const head = feed(cutPoints, 0, wavHead(1000), opaque(2500));
    cutPoints.forget(1500);
    expect(cutPoints.joinAtOrAfter(0)?.offset).toBe(44 + 2000);
    expect(cutPoints.unitEnd(0)).toBe(44 + 2000);
    cutPoints.forget(head);
    expect(cutPoints.joinAtOrAfter(0)).toBeUndefined();
    expect(cutPoints.newestJoin(head)?.offset).toBe(44 + 2000);
  });
});
