// The bound on how far a watcher may be behind, in the stream's own time.

import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { Rig, type Sender } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "./streams.ts";

/** Sends `opaque` from `from` up to `to`, in pieces of 1000 bytes, 10 ms apart. */
function pour(rig: Rig, sender: Sender, from: number, to: number): void {
  for (let at = from; at < to; at += 1000) {
    sender.send(opaque(Math.min(1000, to - at), at));
    rig.clock.advance(10);
  }
}

describe("a watcher that closes rather than skip", () => {
  test("stays while its socket takes all that it is given, however long its header is", () => {
    const rig = new Rig({ backlogBytes: 65_536, maxBacklogTotalBytes: 1e9 });
    const sender = rig.broadcast();
    sender.send(concat([flvHead, flvConfig(0), flvFrame(0, true, 3000)]));
    sender.send(concat([flvConfig(30, 2, 350_000), flvFrame(40, true, 3000)]));
    rig.clock.advance(100);
    for (let i = 2; i < 20; i++) sender.send(flvFrame(i * 40, i % 10 === 0, 3000));
    const watcher = rig.watch({ slowPolicy: "close" });
    sender.send(concat(Array.from({ length: 60 }, (_, i) => flvFrame(800 + i * 40, i % 10 === 0, 3000))));
    rig.clock.advance(1000);
    expect(watcher.ending).toBe("");
    expect(watcher.receivedBytes).toBeGreaterThan(350_000 + 60 * 3000);
  });
});

describe("max_lag", () => {
  test("has a watcher skip that is further behind than that, though the backlog still has its bytes", () => {
    const rig = new Rig({ maxLagMs: 2000 });
    const sender = rig.broadcast();
    pour(rig, sender, 0, sniffedBytes);
    const watcher = rig.watch({ room: 100 });
    for (let i = 0; i < 30; i++) {
      sender.send(opaque(100, sniffedBytes + i * 100));
      rig.clock.advance(100);
    }
    watcher.give(1e9);
    sender.send(opaque(100, sniffedBytes + 3000));
    const [first, second] = watcher.spans;
    expect(first).toEqual([sniffedBytes, sniffedBytes + 100]);
    expect(second[0]).toBeGreaterThan(sniffedBytes + 1900);
    expect(second[1]).toBe(sniffedBytes + 3100);
    expect(rig.skipped.length).toBe(1);
  });

  test("counts from where the watcher started: one that rewinds is not behind", () => {
    const rig = new Rig({ maxLagMs: 2000 });
    const sender = rig.broadcast();
    pour(rig, sender, 0, sniffedBytes);
    for (let i = 0; i < 300; i++) {
      sender.send(opaque(100, sniffedBytes + i * 100));
      rig.clock.advance(100);
    }
    // Real time, 20 s behind.
    const watcher = rig.watch({ start: { type: "back", ms: 20_000 }, room: 0 });
    for (let i = 300; i < 500; i++) {
      sender.send(opaque(100, sniffedBytes + i * 100));
      rig.clock.advance(100);
      watcher.give(100);
    }
    expect(watcher.spans.length).toBe(1);
    expect(rig.skipped).toEqual([]);
    rig.clock.advance(100);
    for (let i = 500; i < 560; i++) {
      sender.send(opaque(100, sniffedBytes + i * 100));
      rig.clock.advance(100);
    }
    watcher.give(100);
    expect(rig.skipped.length).toBe(1);
  });

  test("closes with slow one that asked for that", () => {
    const rig = new Rig({ maxLagMs: 2000 });
    const sender = rig.broadcast();
    pour(rig, sender, 0, sniffedBytes);
    const watcher = rig.watch({ room: 100, slowPolicy: "close" });
    for (let i = 0; i < 30; i++) {
      sender.send(opaque(100, sniffedBytes + i * 100));
      rig.clock.advance(100);
    }
    expect(watcher.ending).toBe("slow");
  });

  test("does not throw a watcher back, where no join point is ahead of it", () => {
    const rig = new Rig({ maxLagMs: 2000 });
    const stream = concat([
      flvHead,
      flvConfig(0),
      ...Array.from({ length: 60 }, (_, i) => flvFrame(i * 40, i === 0, 1000)),
    ]);
    const watcher = rig.watch({ room: 5000, waitMs: 1000 });
    const sender = rig.broadcast();
    for (let at = 0; at < stream.length; at += 500) {
      sender.send(stream.subarray(at, at + 500));
      rig.clock.advance(100);
    }
    watcher.give(1e9);
    expect(watcher.received).toEqual(stream);
    expect(rig.skipped).toEqual([]);
  });
});
