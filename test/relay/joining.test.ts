// Where a watcher's first byte is.

import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes, wavHead } from "./streams.ts";

/** A rig with an opaque broadcast of 100 bytes each 100 ms for 10 s, after what the sniffer needed. */
function opaqueRig() {
  const rig = new Rig();
  const sender = rig.broadcast();
  sender.send(opaque(sniffedBytes));
  let head = sniffedBytes;
  for (let i = 0; i < 100; i++) {
    rig.clock.advance(100);
    sender.send(opaque(100, head));
    head += 100;
  }
  return { rig, sender, head };
}

describe("a joiner of an opaque stream", () => {
  test("begins at the newest byte", () => {
    const { rig, sender, head } = opaqueRig();
    const watchers = (["join", "next", "live"] as const).map((type) => rig.watch({ start: { type } }));
    sender.send(opaque(50, head));
    for (const watcher of watchers) expect(watcher.runs).toEqual([{ from: head, bytes: opaque(50, head) }]);
  });

  test("with start=5s begins at the byte that came 5 s ago", () => {
    const { rig, head } = opaqueRig();
    const watcher = rig.watch({ start: { type: "back", ms: 5000 } });
    expect(watcher.spans).toEqual([[head - 5000, head]]);
    expect(watcher.received).toEqual(opaque(5000, head - 5000));
  });

  test("with a start further back than there is begins at the oldest byte", () => {
    const { rig, head } = opaqueRig();
    expect(rig.watch({ start: { type: "back", ms: 99_000_000 } }).spans).toEqual([[0, head]]);
  });

  test("that comes before it is known what it is gets it from its first byte", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(opaque(10));
    const watcher = rig.watch();
    sender.send(opaque(10_000, 10));
    expect(watcher.received).toEqual(opaque(10_010));
  });
});

describe("a joiner of a stream of chunks", () => {
  test("begins at the first byte of one, which counts from the broadcast's first byte", () => {
    const rig = new Rig();
    rig.broadcast().send(opaque(5001));
    const sender = rig.broadcast({ bufsize: 1000 });
    sender.send(opaque(3500, 5001));
    const join = rig.watch();
    const next = rig.watch({ start: { type: "next" } });
    expect(join.spans).toEqual([[8001, 8501]]);
    expect(next.spans).toEqual([]);
    sender.send(opaque(700, 8501));
    expect(join.spans).toEqual([[8001, 9201]]);
    expect(next.spans).toEqual([[9001, 9201]]);
  });

  test("gets the bytes of a chunk as they come, never held back", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 1000 });
    const watcher = rig.watch();
    sender.send(opaque(1));
    expect(watcher.receivedBytes).toBe(1);
  });

  test("with start=DURATION begins with the chunk that holds the byte of that time", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 1000 });
    for (let i = 0; i < 100; i++) {
      sender.send(opaque(300, i * 300));
      rig.clock.advance(100);
    }
    expect(rig.watch({ start: { type: "back", ms: 3050 } }).spans).toEqual([[21_000, 30_000]]);
  });

  test("waits for the next chunk rather than begin in the middle of one, however long that takes", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 1000 });
    sender.send(opaque(500));
    const watcher = rig.watch({ start: { type: "next" } });
    for (let i = 0; i < 40; i++) {
      rig.clock.advance(1000);
      sender.send(opaque(5, 500 + i * 5));
    }
    sender.send(opaque(600, 700));
    expect(watcher.spans).toEqual([[1000, 1300]]);
  });
});

describe("a joiner of a container", () => {
  const gop = [flvFrame(0, true, 3000), flvFrame(40, false, 1000), flvFrame(80, false, 1000)];

  test("gets the header and the newest join point at once", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    for (const part of [flvHead, flvConfig(0), ...gop]) sender.send(part);
    const watcher = rig.watch();
    expect(watcher.received).toEqual(concat([flvHead, flvConfig(0), ...gop]));
    sender.send(flvFrame(120, true, 500));
    const later = rig.watch();
    expect(later.received).toEqual(concat([flvHead, flvConfig(120), flvFrame(120, true, 500)]));
  });

  test("gets a greeting before all that, and nothing before there is something", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(concat([flvHead, flvConfig(0), ...gop]));
    const watcher = rig.watch({ start: { type: "next" }, greeting: "hello" });
    expect(watcher.receivedBytes).toBe(0);
    sender.send(flvFrame(120, true, 500));
    const hello = new TextEncoder().encode("hello");
    expect(watcher.received).toEqual(concat([hello, flvHead, flvConfig(120), flvFrame(120, true, 500)]));
  });

  test("that has to know what the stream is waits three seconds for that, and then gets what there is from its first byte", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ awaitsDetection: true, greeting: "hello" });
    rig.clock.advance(60_000);
    sender.send(opaque(100));
    expect(watcher.receivedBytes).toBe(0);
    const later = rig.watch({ awaitsDetection: true, greeting: "hello" });
    rig.clock.advance(2500);
    expect(later.receivedBytes).toBe(0);
    rig.clock.advance(1000);
    const hello = new TextEncoder().encode("hello");
    sender.send(opaque(100, 100));
    rig.clock.advance(100);
    for (const each of [watcher, later]) expect(each.received).toEqual(concat([hello, opaque(200)]));
  });

  test("that waits for a join point in vain gets the header and the newest byte", () => {
    const rig = new Rig({ joinTimeoutMs: 2000 });
    const sender = rig.broadcast();
    sender.send(concat([flvHead, flvConfig(0), ...gop]));
    const watcher = rig.watch({ start: { type: "next" } });
    rig.clock.advance(1900);
    sender.send(flvFrame(120, false, 500));
    expect(watcher.receivedBytes).toBe(0);
    rig.clock.advance(500);
    sender.send(flvFrame(160, false, 500));
    expect(watcher.received).toEqual(concat([flvHead, flvConfig(0), flvFrame(160, false, 500)]));
  });

  test("waits for the next join point if the newest has left the backlog, which is reported once with the size that would do", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    // Join points are 100,000 bytes apart, the ring holds less.
    const stream = concat([wavHead(100_000), opaque(250_000)]);
    sender.send(stream.subarray(0, 190_000));
    const watcher = rig.watch();
    rig.watch();
    expect(watcher.receivedBytes).toBe(0);
    expect(rig.short.length).toBe(1);
    expect(rig.short[0]).toBeGreaterThan(89_000);
    sender.send(stream.subarray(190_000, 210_000));
    expect(watcher.received).toEqual(concat([wavHead(100_000), stream.subarray(200_044, 210_000)]));
  });
});

describe("a joiner", () => {
  test("never gets a byte of before the current broadcast", () => {
    const rig = new Rig();
    rig.broadcast().send(opaque(20_000));
    const second = rig.broadcast();
    second.send(opaque(sniffedBytes, 20_000));
    const back = rig.watch({ start: { type: "back", ms: 60_000 } });
    const join = rig.watch();
    expect(back.spans).toEqual([[20_000, 20_000 + sniffedBytes]]);
    second.send(opaque(10, 20_000 + sniffedBytes));
    expect(join.spans).toEqual([[20_000 + sniffedBytes, 20_010 + sniffedBytes]]);
  });

  test("takes from its allowance what it begins with, and nothing for what comes afterwards", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(wavHead(10_000));
    sender.send(opaque(34_956, 44));
    const taken: number[] = [];
    const allowance = { bytes: 15_000, take: (bytes: number) => void taken.push(bytes) };
    const watcher = rig.watch({ start: { type: "back", ms: 60_000 }, allowance });
    const none = rig.watch({ allowance: { ...allowance, bytes: 0 } });
    expect(watcher.receivedBytes).toBe(44 + 14_956);
    expect(none.receivedBytes).toBe(0);
    sender.send(opaque(10_000, 35_000));
    expect(none.receivedBytes).toBe(44 + 4956);
    expect(taken).toEqual([44 + 14_956, 44]);
  });

  test("that rewinds far is served in turns: others get what is new meanwhile, and it gets everything in the end", () => {
    const length = 3_000_000;
    const rig = new Rig({ backlogBytes: 4_000_000, maxBacklogTotalBytes: 2 ** 24 });
    const sender = rig.broadcast();
    const stream = opaque(length + 1000);
    sender.send(stream.subarray(0, length));
    const live = rig.watch();
    const far = [1, 2, 3].map(() => rig.watch({ start: { type: "back", ms: 60_000 } }));
    for (const watcher of far) expect(watcher.receivedBytes).toBeLessThan(length / 2);
    sender.send(stream.subarray(length));
    expect(live.receivedBytes).toBe(1000);
    sender.finish();
    expect(live.ending).toBe("orderly");
    expect(far[0].ending).toBe("");
    rig.clock.advance(1000);
    for (const watcher of far) {
      expect(watcher.ending).toBe("orderly");
      expect(Buffer.compare(watcher.received, stream)).toBe(0);
    }
    expect([rig.relay.backlogBytes, rig.clock.pending]).toEqual([0, 0]);
  });

  test("that rewinds in a broadcast that is silent is not taken for one that lags", () => {
    const rig = new Rig({ maxLagMs: 60_000 });
    const sender = rig.broadcast();
    for (let at = 0; at < 50_000; at += 500) {
      sender.send(opaque(500, at));
      rig.clock.advance(100);
    }
    rig.clock.advance(70_000);
    const watcher = rig.watch({ start: { type: "back", ms: 79_000 }, room: 1000 });
    rig.clock.advance(1000);
    watcher.give(1e9);
    expect(watcher.spans.length).toBe(1);
    expect(watcher.spans[0][1]).toBe(50_000);
    expect(rig.skipped).toEqual([]);
  });
});

test("hundreds that rewind to the backlog's beginning are sent it in turns, and hold up none that are up to date", () => {
  const rig = new Rig({ backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24 });
  const sender = rig.broadcast();
  for (let at = 0; at < 2 ** 20; at += 2 ** 14) sender.send(opaque(2 ** 14, at));
  const live = rig.watch();
  const rewinding = Array.from({ length: 200 }, () => rig.watch({ start: { type: "back", ms: 3_600_000 } }));
  const share = 256 * 1024;
  for (const { receivedBytes } of rewinding) expect(receivedBytes).toBeLessThanOrEqual(share);
  // A turn takes its time: no more than one is served before others have theirs.
  for (const watcher of rewinding) watcher.onWrite = () => rig.clock.spend(5);
  const total = () => rewinding.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  for (let i = 0; i < 100; i++) {
    const before = total();
    sender.send(opaque(10, 2 ** 20 + i * 10));
    expect(live.receivedBytes).toBe((i + 1) * 10);
    expect(total() - before).toBeLessThanOrEqual(share);
    rig.clock.fireNext();
  }
  for (const watcher of rewinding) watcher.onWrite = () => {};
  rig.clock.advance(1000);
  expect(new Set(rewinding.map(({ receivedBytes }) => receivedBytes))).toEqual(new Set([2 ** 20 + 1000]));
});
