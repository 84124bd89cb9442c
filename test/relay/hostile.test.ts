// Streams of a few kilobytes that were made to cost much: what they cost is in proportion to their bytes, in time and in
// memory, and all of it is counted and given back. (scripts/fuzz looks for others.)
//
// Time is this thread's own, with a bound many times what is needed: what it is to notice took seconds.

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { fourCc } from "../../src/media/mp4/boxes.ts";
import { fmp4 } from "../../src/media/mp4/fmp4.ts";
import type { End } from "../../src/relay/broadcast.ts";
import { attacks, streamOf } from "../fuzz/attacks.ts";
import { familyOf } from "../fuzz/families.ts";
import { render } from "../fuzz/parts.ts";
import { capture } from "../media/capture.ts";
import { fixture } from "../media/recorder.ts";
import type { FakeOutlet } from "./outlet.ts";
import { options, Rig, ringBytes } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque } from "./streams.ts";

const mebibyte = 2 ** 20;
const backlogBytes = 4 * mebibyte;
/** What a channel may keep beside its backlog. */
const shareBytes = 16 * mebibyte;
const pieceBytes = 64 * 1024;
/** What the engine has besides: code, and what it has not collected yet. */
const slackBytes = 24 * mebibyte;
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
    expect(used() - before - 2 * stream.length).toBeLessThan(backlogBytes + shareBytes + slackBytes);
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
    const stream = streamOf("a configuration of 1.5 MB, and thousands of keyframes");
    const rig = new Rig({ backlogBytes: options.backlogBytes, maxBacklogTotalBytes: 3 * mebibyte });
    const watcher = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    let heldBytes = 0;
    for (let at = 0; at < stream.length; at += pieceBytes) {
      sender.send(stream.slice(at, at + pieceBytes));
      heldBytes = Math.max(heldBytes, rig.relay.backlogBytes);
    }
    expect(heldBytes).toBeLessThanOrEqual(3 * mebibyte);
    expect(rig.opaque).toEqual(["it needs too much memory to follow"]);
    sender.finish();
    expect(watcher.received).toEqual(stream);
  });
});

/** A FLV stream that was announced to have a header of `headerBytes`, and keyframes with as many bytes between them. */
function heavy(headerBytes: number, keyframes: number): Uint8Array[] {
  const start = concat([flvHead, flvFrame(0, false, 100), flvFrame(20, false, 3000)]);
  const parts = [start];
  for (let i = 1; i <= keyframes; i++) {
    parts.push(
      flvConfig(i * 40, i, headerBytes),
      flvFrame(i * 40, true, 100),
      flvFrame(i * 40 + 20, false, headerBytes),
    );
  }
  return parts;
}

describe("a long header", () => {
  test("is sent to all that waited for it in turns, not to each at once", () => {
    const [start, config, keyframe] = heavy(2 * mebibyte, 1);
    const rig = new Rig({ backlogBytes, maxBacklogTotalBytes: 64 * mebibyte });
    const sender = rig.broadcast();
    sender.send(start);
    const watchers = Array.from({ length: 10 }, () => rig.watch({ start: { type: "next" } }));
    sender.send(config);
    sender.send(keyframe);
    const total = () => watchers.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    expect(total()).toBeLessThan(mebibyte);
    for (let turns = 0; turns < 500; turns++) rig.clock.advance(1);
    expect(total()).toBeGreaterThan(20 * mebibyte);
  });

  test("is kept for watchers that take nothing of it no longer than there is room, and they are closed as slow", () => {
    const headerBytes = 2 * mebibyte;
    const rig = new Rig({ backlogBytes: options.backlogBytes, maxBacklogTotalBytes: 256 * mebibyte });
    const sender = rig.broadcast();
    const stuck: FakeOutlet[] = [];
    for (const part of heavy(headerBytes, 20)) {
      sender.send(part);
      rig.clock.advance(1000);
      if (part.length === 100) stuck.push(rig.watch({ room: 1000 }));
      expect(rig.relay.backlogBytes).toBeLessThanOrEqual(ringBytes + shareBytes);
    }
    const endings = new Set(stuck.map(({ ending }) => ending));
    expect([...endings].sort()).toEqual(["", "slow"]);
    expect(rig.failures).toEqual([]);
    sender.finish();
    rig.clock.advance(60_000);
    expect(rig.relay.backlogBytes).toBe(0);
  });
});

/** An element's id and its size, of eight bytes. */
const element = (id: string, size: number) =>
  concat([Uint8Array.fromHex(id), Uint8Array.fromHex(`01${size.toString(16).padStart(14, "0")}`)]);

test("a takeover makes up for no more of what was announced than has come", () => {
  const { container, parts } = attacks["large Tracks, and tiny clusters"];
  const file = render(
    familyOf(container),
    [...parts.slice(0, 2), { is: "el", id: "1654ae6b", of: [{ is: "track" }] }],
    mebibyte,
  );
  // A cluster, in it a group, in it a block, each of eight megabytes, of which nothing comes.
  const cut = concat([
    file,
    ...["1f43b675", "a0", "a1"].map((id, i) => element(id, 8_000_000 - 100 * i)),
    new Uint8Array(20),
  ]);
  const rig = new Rig({ backlogBytes, maxBacklogTotalBytes: 64 * mebibyte });
  const watchers = Array.from({ length: 10 }, () => rig.watch({ waitMs: 1000 }));
  for (let takeovers = 0; takeovers < 6; takeovers++) {
    rig.broadcast().send(cut);
    rig.clock.advance(1000);
  }
  for (const { receivedBytes } of watchers)
    expect(receivedBytes).toBeLessThan(6 * (2 * cut.length + 64 * 1024));
  expect(rig.relay.backlogBytes).toBeLessThan(mebibyte);
});

test("what makes up for a half-sent fragment of 4 MB is in memory once, however many watchers have yet to take it", async () => {
  const movie = await fixture("fmp4-h264-aac.mp4");
  const { joins, units } = capture(fmp4, movie);
  const head = movie.slice(0, units[0]);
  const moofBytes = new DataView(movie.buffer).getUint32(units[0]);
  const fragment = concat([movie.subarray(units[0], units[0] + moofBytes), new Uint8Array(2 * mebibyte)]);
  const view = new DataView(fragment.buffer);
  view.setUint32(moofBytes, 4_000_000);
  view.setUint32(moofBytes + 4, fourCc("mdat"));
  const rig = new Rig({ backlogBytes, maxBacklogTotalBytes: 64 * mebibyte });
  const sender = rig.broadcast();
  // Each counts what it takes, and takes all until it is full.
  const watchers = Array.from({ length: 1000 }, () => {
    const state = { taken: 0, isFull: false, ending: "" };
    const outlet = {
      write: (_bytes: Uint8Array, _offset: number, length: number) => {
        if (state.isFull) return 0;
        state.taken += length;
        return length;
      },
      finish: (end: End) => {
        state.ending = end.type;
      },
    };
    const watcher = rig.relay.watch("fier", "default", outlet, {
      start: { type: "join" },
      password: "",
      slowPolicy: "skip",
      waitMs: 0,
      greeter: { greeting: () => new Uint8Array(0) },
      awaitsDetection: false,
    });
    return { state, watcher };
  });
  sender.send(head);
  sender.send(fragment);
  const turns = () => {
    for (let turn = 0; turn < 100_000 && rig.clock.pending > 1; turn++) rig.clock.advance(1);
  };
  turns();
  const sent = head.length + fragment.length;
  expect(new Set(watchers.map(({ state }) => state.taken))).toEqual(new Set([sent]));
  const [before, heldBefore] = [used(), rig.relay.backlogBytes];
  for (const { state } of watchers) state.isFull = true;
  const next = rig.broadcast();
  next.send(movie);
  expect(used() - before).toBeLessThan(4 * mebibyte);
  expect(rig.relay.backlogBytes - heldBefore).toBeLessThan(mebibyte);
  for (const { state, watcher } of watchers) {
    state.isFull = false;
    watcher.drained();
  }
  turns();
  next.finish();
  rig.clock.advance(1000);
  const whole = head.length + moofBytes + 4_000_000 + movie.length - joins[0].offset;
  expect(new Set(watchers.map(({ state }) => state.taken))).toEqual(new Set([whole]));
  expect(new Set(watchers.map(({ state }) => state.ending))).toEqual(new Set(["orderly"]));
  expect(rig.relay.backlogBytes).toBe(0);
});

/** What the end of a stream costs with so many watchers that are stuck in a unit, milliseconds of this thread. */
function endWithStuck(count: number): number {
  const rig = new Rig();
  const sender = rig.broadcast({ bufsize: 30_000 });
  const stuck = Array.from({ length: count }, () => rig.watch({ room: 10 }));
  for (let at = 0; at < 150_000; at += 5000) sender.send(opaque(5000, at));
  const began = process.threadCpuUsage();
  sender.finish();
  rig.clock.advance(40_000);
  const { user, system } = process.threadCpuUsage(began);
  expect(new Set(stuck.map(({ ending }) => ending))).toEqual(new Set(["slow"]));
  expect(rig.relay.backlogBytes).toBe(0);
  return (user + system) / 1000;
}

test("the end of a stream with thousands of watchers that are stuck in a unit costs time in proportion to their number", () => {
  endWithStuck(1000);
  // Four times as many: four times the time, not sixteen.
  expect(endWithStuck(20_000)).toBeLessThan(9 * endWithStuck(5000) + 100);
});
