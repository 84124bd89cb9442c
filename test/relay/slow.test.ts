// Watchers that are too slow: no other suffers, they skip to where a player can go on, and memory stays bounded.

import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { options, Rig, ringBytes, type Sender } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes, wavHead } from "./streams.ts";

/** Sends `opaque` from `from` up to `to`, in pieces of 1000 bytes, 10 ms apart. */
function pour(rig: Rig, sender: Sender, from: number, to: number): void {
  for (let at = from; at < to; at += 1000) {
    sender.send(opaque(Math.min(1000, to - at), at));
    rig.clock.advance(10);
  }
}

/** FLV frames, more of them than a ring holds, with a keyframe every tenth. */
function lappedOnce(): Uint8Array[] {
  return Array.from({ length: 55 }, (_, i) => flvFrame(i * 40, i % 10 === 0, 2000));
}

/** What a watcher may have got that got `start` and then went on at one of the later keyframes. */
function continuations(start: Uint8Array, frames: readonly Uint8Array[]): string[] {
  return [30, 40, 50].map((i) => concat([start, flvConfig(i * 40), ...frames.slice(i)]).toHex());
}

describe("a watcher that stops reading", () => {
  test("for a minute loses the others nothing, holds no memory, and goes on at the newest byte with one skip", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(opaque(sniffedBytes));
    const others = [rig.watch(), rig.watch()];
    const stuck = rig.watch({ room: 5000 });
    const end = sniffedBytes + 6_000_000;
    pour(rig, sender, sniffedBytes, end);
    expect(rig.clock.nowMs()).toBeGreaterThan(60_000);
    for (const other of others) expect(other.spans).toEqual([[sniffedBytes, end]]);
    expect(rig.relay.backlogBytes).toBeLessThanOrEqual(ringBytes);
    stuck.give(1e9);
    pour(rig, sender, end, end + 10_000);
    const [first, second, ...more] = stuck.spans;
    expect(first).toEqual([sniffedBytes, sniffedBytes + 5000]);
    expect(second[0]).toBeGreaterThan(end - ringBytes);
    expect(second[1]).toBe(end + 10_000);
    expect(more).toEqual([]);
    expect(rig.skipped.length).toBe(1);
    expect([...rig.relay.channels][0].skips).toBe(1);
    for (const { from, bytes } of stuck.runs) expect(bytes).toEqual(opaque(bytes.length, from));
  });

  test("is counted what it was skipped over, in this broadcast and in one that has taken its place", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const stuck = rig.watch({ room: 5000 });
    pour(rig, sender, 0, 2 * ringBytes);
    stuck.give(ringBytes / 2);
    expect(stuck.watcher.skippedBytes).toBe(rig.skipped[0]);
    const next = rig.broadcast();
    pour(rig, next, 0, 3 * ringBytes);
    stuck.give(1e9);
    pour(rig, next, 3 * ringBytes, 3 * ringBytes + 1000);
    expect(stuck.receivedBytes + stuck.watcher.skippedBytes).toBe(5 * ringBytes + 1000);
    expect(stuck.watcher.skippedBytes).toBeGreaterThan(2 * ringBytes);
  });

  test("is counted what it was skipped over where it was stuck while another broadcast came and went on", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const stuck = rig.watch({ room: 5000 });
    pour(rig, first, 0, 7000);
    const next = rig.broadcast();
    pour(rig, next, 0, 5 * ringBytes);
    stuck.give(1e9);
    next.finish();
    rig.clock.advance(1000);
    expect(stuck.receivedBytes + stuck.watcher.skippedBytes).toBe(7000 + 5 * ringBytes);
    expect(rig.skipped.reduce((sum, bytes) => sum + bytes, 0)).toBe(stuck.watcher.skippedBytes);
  });

  test("is counted the rest of a stream that ends without a join point ahead of it", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const stuck = rig.watch({ room: 5000 });
    const all = [flvHead, flvConfig(0), flvFrame(0, true, 3000)];
    for (let i = 1; i < 100; i++) all.push(flvFrame(i * 40, false, 2000));
    sender.send(concat(all.slice(0, 3)));
    for (const frame of all.slice(3)) sender.send(frame);
    sender.finish();
    stuck.give(1e9);
    rig.clock.advance(1000);
    expect(stuck.ending).toBe("orderly");
    expect(stuck.receivedBytes + stuck.watcher.skippedBytes).toBe(concat(all).length);
    expect(rig.skipped).toEqual([stuck.watcher.skippedBytes]);
  });

  test("is counted nothing of what a broadcast has before its first join point", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(concat([flvHead, flvConfig(0), flvFrame(0, true, 3000)]));
    const next = rig.broadcast();
    next.send(concat([flvHead, flvConfig(0), flvFrame(0, false, 1000), flvFrame(40, true, 3000)]));
    next.finish();
    rig.clock.advance(1000);
    expect(watcher.ending).toBe("orderly");
    expect([watcher.watcher.skippedBytes, ...rig.skipped]).toEqual([0]);
  });

  test("is closed with slow if it asked for that", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ room: 5000, slowPolicy: "close" });
    pour(rig, sender, 0, ringBytes);
    expect(watcher.ending).toBe("");
    pour(rig, sender, ringBytes, ringBytes + 10_000);
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["slow", 5000]);
    expect(rig.skipped).toEqual([]);
  });

  test("within the backlog loses nothing", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ room: 5000 });
    for (let at = 0; at < 600_000; at += 50_000) {
      pour(rig, sender, at, at + 50_000);
      watcher.give(50_000);
    }
    expect(watcher.spans).toEqual([[0, 600_000]]);
  });

  test("that is reported room where there is none is unharmed", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ room: 0 });
    pour(rig, sender, 0, 3000);
    watcher.drainForNothing();
    watcher.drainForNothing();
    watcher.give(1e9);
    expect(watcher.spans).toEqual([[0, 3000]]);
  });
});

describe("a skip", () => {
  test("stops at a chunk's end and goes on with the first byte of one", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 3000 });
    const watcher = rig.watch({ room: 4321 });
    pour(rig, sender, 0, 500_500);
    watcher.give(1e9);
    expect(watcher.spans).toEqual([
      [0, 6000],
      [498_000, 500_500],
    ]);
    for (const { from, bytes } of watcher.runs) expect(bytes).toEqual(opaque(bytes.length, from));
    expect(rig.skipped).toEqual([492_000]);
  });

  test("stops at a tag's end and goes on at a keyframe, with what the format lets be repeated", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const start = concat([flvHead, flvConfig(0)]);
    const frames: Uint8Array[] = [];
    for (let i = 0; i < 200; i++) frames.push(flvFrame(i * 40, i % 10 === 0, 2000));
    const watcher = rig.watch({ waitMs: 1, room: start.length + 3000 });
    sender.send(start);
    for (const frame of frames) sender.send(frame);
    watcher.give(1e9);
    const newest = frames.slice(190);
    expect(watcher.received).toEqual(concat([start, frames[0], frames[1], flvConfig(7600), ...newest]));
    expect(rig.skipped.length).toBe(1);
  });

  test("finishes what is half sent of a header before anything else", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const frames = lappedOnce();
    sender.send(concat([flvHead, flvConfig(0), frames[0]]));
    const watcher = rig.watch({ room: 20 });
    for (const frame of frames.slice(1)) sender.send(frame);
    watcher.give(1e9);
    const start = concat([flvHead, flvConfig(0)]);
    expect(continuations(start, frames)).toContain(watcher.received.toHex());
  });

  test("of one that was sent nothing yet is a fresh start", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const frames = lappedOnce();
    sender.send(concat([flvHead, flvConfig(0), frames[0]]));
    const watcher = rig.watch({ room: 0, greeting: "ok" });
    for (const frame of frames.slice(1)) sender.send(frame);
    watcher.give(1e9);
    const start = concat([new TextEncoder().encode("ok"), flvHead]);
    expect(continuations(start, frames)).toContain(watcher.received.toHex());
    expect(rig.skipped).toEqual([]);
  });

  test("over a new file header in mid-stream ends the watcher, since no player takes what follows", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ waitMs: 1, room: 5000 });
    // A data chunk that ends, so that another file can follow.
    const first = concat([wavHead(1000), opaque(10_000)]);
    new DataView(first.buffer).setUint32(40, 10_000, true);
    sender.send(concat([first, wavHead(2000)]));
    for (let at = 0; at < 200_000; at += 2000) sender.send(opaque(2000, at));
    watcher.give(1e9);
    expect(watcher.ending).toBe("disconnected");
    expect(watcher.received).toEqual(first.subarray(0, 5044));
  });

  test("of one that got the new file header goes on", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ waitMs: 1, room: 12_000 });
    const first = concat([wavHead(1000), opaque(10_000)]);
    new DataView(first.buffer).setUint32(40, 10_000, true);
    sender.send(concat([first, wavHead(2000)]));
    for (let at = 0; at < 200_000; at += 2000) sender.send(opaque(2000, at));
    watcher.give(1e9);
    expect(watcher.ending).toBe("");
    expect(rig.skipped.length).toBe(1);
  });
});

describe("the rest of a unit that the tail has reached", () => {
  test("is kept once for all in it, and dropped when it was sent", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 30_000 });
    const watchers = [100, 5000, 29_999].map((room) => rig.watch({ room }));
    pour(rig, sender, 0, 300_500);
    for (const watcher of watchers) watcher.give(1e9);
    for (const watcher of watchers) {
      expect(watcher.spans).toEqual([
        [0, 30_000],
        [300_000, 300_500],
      ]);
      expect(watcher.received.subarray(0, 30_000)).toEqual(opaque(30_000));
    }
  });

  test.each(["was sent", "left"])("takes no memory once the last of its watchers %s", (how) => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 30_000 });
    const watchers = [100, 5000].map((room) => rig.watch({ room }));
    pour(rig, sender, 0, 300_500);
    expect(rig.relay.backlogBytes).toBeGreaterThan(ringBytes);
    for (const watcher of watchers) {
      if (how === "left") watcher.watcher.leave();
      else watcher.give(30_000);
    }
    expect(rig.relay.backlogBytes).toBe(ringBytes);
  });

  test("is kept for at most one backlog; beyond that its watchers are closed with slow", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 1_000_000 });
    const watcher = rig.watch({ room: 100 });
    const other = rig.watch();
    pour(rig, sender, 0, ringBytes + options.backlogBytes);
    expect(watcher.ending).toBe("");
    pour(rig, sender, ringBytes + options.backlogBytes, ringBytes + options.backlogBytes + 10_000);
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["slow", 100]);
    expect(other.spans).toEqual([[0, ringBytes + options.backlogBytes + 10_000]]);
  });

  test("that was sent to the last byte but one does not count against others", () => {
    const rig = new Rig();
    // Two chunks and a segment fit into a backlog, three chunks don't.
    const chunk = 7 * 4096;
    const sender = rig.broadcast({ bufsize: chunk });
    const nearlyDone = rig.watch({ room: 100 });
    pour(rig, sender, 0, ringBytes + chunk);
    nearlyDone.give(chunk - 101);
    const at = ringBytes + chunk;
    const second = rig.watch({ room: 100 });
    pour(rig, sender, at, at + 2 * ringBytes);
    const third = rig.watch({ room: 100 });
    pour(rig, sender, at + 2 * ringBytes, at + 4 * ringBytes);
    expect([nearlyDone.ending, second.ending, third.ending]).toEqual(["", "", ""]);
    nearlyDone.give(1e9);
    expect(nearlyDone.spans[0]).toEqual([0, chunk]);
  });
});

describe("a watcher that keeps up", () => {
  test("gets every byte, however little memory the budget has left for the ring", () => {
    for (const segments of [1, 2, 3]) {
      const rig = new Rig({ maxBacklogTotalBytes: segments * 4096 });
      const sender = rig.broadcast();
      const watcher = rig.watch();
      for (let at = 0; at < 400_000; at += 20_000) {
        sender.send(opaque(20_000, at));
        rig.clock.advance(1);
      }
      expect(watcher.spans).toEqual([[0, 400_000]]);
      expect(rig.skipped).toEqual([]);
    }
  });

  test("gets every byte of a return that comes in one piece larger than the ring", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 3 * 4096 });
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(opaque(8192));
    rig.broadcast().send(opaque(40_000, 8192));
    expect(watcher.spans).toEqual([[0, 48_192]]);
  });

  test("gets every byte of pieces larger than the backlog, though a pass takes long", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    watcher.onWrite = () => rig.clock.spend(7);
    sender.send(opaque(1_000_000));
    rig.clock.advance(1000);
    expect(watcher.spans).toEqual([[0, 1_000_000]]);
    expect(watcher.received).toEqual(opaque(1_000_000));
  });

  test("gets every byte through a fan-out that gathers", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    watcher.onWrite = () => rig.clock.spend(4);
    pour(rig, sender, 0, 300_000);
    rig.clock.advance(100);
    expect(watcher.spans).toEqual([[0, 300_000]]);
  });
});
