// With `bufsize` a chunk's first byte is a join point once it has come: the newest chunk, whole or not, is what a joiner and a
// watcher that was skipped begin with, and not the place behind it, where nothing is yet.

import { describe, expect, test } from "bun:test";
import { Rig } from "./rig.ts";
import { opaque } from "./streams.ts";

/** A broadcast in chunks of 1000 bytes, of which three have come, whole. */
function threeChunks() {
  const rig = new Rig();
  const sender = rig.broadcast({ bufsize: 1000 });
  for (let at = 0; at < 3000; at += 1000) {
    sender.send(opaque(1000, at));
    rig.clock.advance(100);
  }
  return { rig, sender };
}

describe("behind a whole chunk", () => {
  test("a joiner begins with that chunk", () => {
    const { rig } = threeChunks();
    expect(rig.watch().spans).toEqual([[2000, 3000]]);
  });

  test("a joiner with start=DURATION begins with it too if nothing has come since", () => {
    const { rig } = threeChunks();
    rig.clock.advance(5000);
    expect(rig.watch({ start: { type: "back", ms: 100 } }).spans).toEqual([[2000, 3000]]);
  });

  test("a joiner with start=next or start=live begins with the next byte", () => {
    const { rig, sender } = threeChunks();
    const watchers = [rig.watch({ start: { type: "next" } }), rig.watch({ start: { type: "live" } })];
    for (const watcher of watchers) expect(watcher.received.length).toBe(0);
    sender.send(opaque(1, 3000));
    for (const watcher of watchers) expect(watcher.spans).toEqual([[3000, 3001]]);
  });

  test("a watcher that was skipped goes on with that chunk, and so has it at the end", () => {
    const { rig, sender } = threeChunks();
    const slow = rig.watch({ start: { type: "back", ms: 60_000 }, room: 10 });
    for (let at = 3000; at < 500_000; at += 1000) sender.send(opaque(1000, at));
    slow.give(990);
    slow.give(1e9);
    sender.finish();
    expect(slow.spans).toEqual([
      [0, 1000],
      [499_000, 500_000],
    ]);
    expect(slow.end).toEqual({ type: "orderly" });
  });
});

describe("of an empty broadcast", () => {
  test.each([0, 1000])("with bufsize=%d a watcher gets its greeting and the orderly end", (bufsize) => {
    const rig = new Rig();
    const waiting = rig.watch({ waitMs: 1000, greeting: "ok" });
    const sender = rig.broadcast({ bufsize });
    const joining = rig.watch({ greeting: "ok" });
    sender.finish();
    for (const watcher of [waiting, joining]) {
      expect(Buffer.from(watcher.received).toString()).toBe("ok");
      expect(watcher.end).toEqual({ type: "orderly" });
    }
  });
});
