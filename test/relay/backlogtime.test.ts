// The bound of a backlog by time: what it gives back, and what it must not.

import { describe, expect, test } from "bun:test";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "./streams.ts";

/** A stream of 1000 bytes each 100 ms that is a minute old, whose backlog spans 10 s: 100,000 bytes in segments of 32 KiB. */
function minuteOld(changes = {}) {
  const rig = new Rig({
    backlogBytes: 1_000_000,
    maxBacklogTotalBytes: 1e9,
    backlogTimeMs: 10_000,
    ...changes,
  });
  const sender = rig.broadcast();
  sender.send(opaque(sniffedBytes));
  const send = (count: number, from: number) => {
    for (let i = 0; i < count; i++) {
      sender.send(opaque(1000, from + i * 1000));
      rig.clock.advance(100);
    }
  };
  send(600, sniffedBytes);
  return { rig, sender, send, head: sniffedBytes + 600_000 };
}

describe("backlog_time", () => {
  test("gives back the memory of what is older", () => {
    expect(minuteOld().rig.relay.backlogBytes).toBeLessThan(100_000 + 2 * 32_768);
    expect(minuteOld({ backlogTimeMs: 0 }).rig.relay.backlogBytes).toBeGreaterThan(600_000);
  });

  test("is how far back a rewind goes", () => {
    const { rig, head } = minuteOld();
    const [[from, to]] = rig.watch({ start: { type: "back", ms: 3_600_000 } }).spans;
    expect(to).toBe(head);
    expect(head - from).toBeGreaterThanOrEqual(100_000);
    expect(head - from).toBeLessThan(100_000 + 32_768);
  });

  test("counts in the stream's own time: one that is silent keeps what it has", () => {
    const { rig } = minuteOld();
    const before = rig.relay.backlogBytes;
    rig.clock.advance(3_600_000);
    expect(rig.relay.backlogBytes).toBe(before);
  });

  test("never takes the newest join point, with which a joiner begins", () => {
    const rig = new Rig({ backlogBytes: 1_000_000, maxBacklogTotalBytes: 1e9, backlogTimeMs: 1000 });
    const sender = rig.broadcast();
    sender.send(flvHead);
    sender.send(flvConfig(0));
    for (let i = 0; i < 100; i++) {
      sender.send(flvFrame(i * 1000, i === 10, 3000));
      rig.clock.advance(1000);
    }
    const watcher = rig.watch();
    // From the keyframe on, beside the header.
    expect(watcher.receivedBytes).toBeGreaterThan(90 * 2900);
    expect(rig.short).toEqual([]);
  });

  test("has a watcher that takes nothing skip, as if the backlog were smaller", () => {
    const { rig, send, head } = minuteOld();
    const watcher = rig.watch({ room: 100 });
    send(200, head);
    watcher.give(1e9);
    send(1, head + 200_000);
    expect(rig.skipped.length).toBe(1);
    expect(watcher.spans[1]).toEqual([head + 200_000, head + 201_000]);
  });
});
