// Streams of a few kilobytes that were made to cost much: what they cost is in proportion to their bytes, in time and in
// memory, and all of it is counted and given back. (scripts/fuzz looks for others.)
//
// Time is this thread's own, with a bound many times what is needed: what it is to notice took seconds.

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { attacks, streamOf } from "../fuzz/attacks.ts";
import { options, Rig } from "./rig.ts";

const mebibyte = 2 ** 20;
const backlogBytes = 4 * mebibyte;
/** What a channel may keep beside its backlog. */
const shareBytes = 16 * mebibyte;
const pieceBytes = 64 * 1024;
/** What a stream may take: so much at all, for code that is run for the first time, and so much for each byte. */
const allowedMs = 300;
const allowedNsPerByte = 1000;

/** Bytes in use, as far as the engine knows. */
function used(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

describe.each(Object.keys(attacks))("%s", (name) => {
  test("costs no more time and memory than its bytes pay for, and all of it is given back", () => {
    const stream = streamOf(name);
    const rig = new Rig({ backlogBytes, maxBacklogTotalBytes: 64 * mebibyte });
    const watcher = rig.watch({ waitMs: 1000 });
    const before = used();
    const began = process.threadCpuUsage();
    const sender = rig.broadcast();
    let heldBytes = 0;
    for (let at = 0; at < stream.length; at += pieceBytes) {
      sender.send(stream.slice(at, at + pieceBytes));
      // Each joins where it can, is sent what that takes, and goes.
      rig.watch({ waitMs: 1000 }).watcher.leave();
      rig.clock.advance(100);
      heldBytes = Math.max(heldBytes, rig.relay.backlogBytes);
    }
    const { user, system } = process.threadCpuUsage(began);
    expect((user + system) / 1000).toBeLessThan(allowedMs + (stream.length * allowedNsPerByte) / 1e6);
    // The watcher's own copy of the stream is the test's.
    expect(used() - before - 2 * stream.length).toBeLessThan(backlogBytes + shareBytes + 8 * mebibyte);
    expect(heldBytes).toBeLessThanOrEqual(backlogBytes + mebibyte + shareBytes);
    expect(rig.failures).toEqual([]);
    sender.finish();
    rig.clock.advance(1000);
    expect(watcher.received).toEqual(stream);
    expect(rig.relay.backlogBytes).toBe(0);
  });
});

describe("what is kept of a stream beside its ring", () => {
  test("is counted with the backlogs of all channels, and a stream for which there is no room is followed no longer", () => {
    const stream = streamOf("a moov of 4 MB, and tiny fragments");
    const rig = new Rig({ backlogBytes: options.backlogBytes, maxBacklogTotalBytes: 3 * mebibyte });
    const watcher = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    let heldBytes = 0;
    for (let at = 0; at < stream.length; at += pieceBytes) {
      sender.send(stream.slice(at, at + pieceBytes));
      heldBytes = Math.max(heldBytes, rig.relay.backlogBytes);
    }
    expect(heldBytes).toBeLessThanOrEqual(3 * mebibyte);
    expect(rig.opaque).toEqual(["too much would have to be kept of it"]);
    sender.finish();
    expect(watcher.received).toEqual(stream);
  });
});
