// Streams that address their data from their first byte: a watcher that has that byte gets them unaltered; one that joins late,
// skips or goes through a return gets them as patched, whatever the sockets do.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import type { Header } from "../../src/media/detector.ts";
import { boxOf, fourCc } from "../../src/media/mp4/boxes.ts";
import { fmp4 } from "../../src/media/mp4/fmp4.ts";

import { type Patch, Patches } from "../../src/relay/patches.ts";
import type { StartPoint } from "../../src/relay/watcher.ts";
import { capture, patched } from "../media/capture.ts";
import { fixture, random } from "../media/recorder.ts";
import { FakeOutlet } from "./outlet.ts";
import { Rig, type Sender } from "./rig.ts";
import { sniffedCutPoints } from "./streams.ts";

const backlogBytes = 65_536;
/** A ring of that size has segments of this one. */
const segmentBytes = 4096;
const reset = new FstreamError("disconnected", "the connection was reset");
const { bytes: once, units, joins } = capture(fmp4, await fixture("fmp4-absolute.mp4"));
const head = once.subarray(0, joins[0].offset);
const fragments = units.map((end, i) => once.subarray(i === 0 ? head.length : units[i - 1], end));

/** The fixture's header and its fragments, over and over again. */
function stream(count: number): Uint8Array {
  return concat([head, ...Array.from({ length: count }, (_, i) => fragments[i % fragments.length])]);
}

/** What there is to know of a stream: its own bytes, as patched, and where it can be joined and left. */
function known(bytes: Uint8Array) {
  const whole = capture(fmp4, bytes);
  const headers = new Map(whole.joins.map(({ offset, header }) => [offset, header]));
  return { bytes, late: patched(whole), headers, units: new Set(whole.units), patches: whole.patches };
}

/** Patches of ten bytes each. */
function list(...offsets: number[]): Patches {
  const patches = new Patches();
  for (const offset of offsets) patches.add(offset, new Uint8Array(10));
  return patches;
}

describe("patches", () => {
  test("are found by the first byte that they end behind", () => {
    const patches = list(100, 200, 300);
    const offsets = [0, 100, 109, 110, 205, 210, 309, 310].map((offset) => patches.next(offset)?.offset);
    expect(offsets).toEqual([100, 100, 100, 200, 200, 300, 300, undefined]);
  });

  test("are forgotten when the tail has passed their last byte", () => {
    const patches = list(100, 200, 300);
    patches.forget(109);
    expect(patches.next(0)?.offset).toBe(100);
    patches.forget(110);
    expect(patches.next(0)?.offset).toBe(200);
    patches.forget(1000);
    expect(patches.next(0)).toBeUndefined();
    patches.add(2000, new Uint8Array(1));
    expect(patches.next(0)?.offset).toBe(2000);
    expect(patches.completeFrom).toBe(0);
  });

  test("go with the bytes that they are for", () => {
    const cutPoints = sniffedCutPoints();
    cutPoints.feed(once, 0);
    const first = cutPoints.patches.next(0) as Patch;
    cutPoints.forget(first.end);
    expect(cutPoints.patches.next(0)?.offset).toBeGreaterThan(first.end);
  });

  test("beyond 16384 push the oldest out, and tell from where on there are all", () => {
    const patches = list(...Array.from({ length: 16_384 }, (_, i) => i * 100));
    expect(patches.completeFrom).toBe(0);
    patches.add(9_999_999, new Uint8Array(1));
    expect(patches.completeFrom).toBe(10);
    expect(patches.next(0)?.offset).toBe(100);
  });
});

describe("a stream with addresses from its first byte", () => {
  const { bytes, late, headers, patches } = known(stream(9));
  const [, second, third] = [...headers.keys()];
  const start = (offset: number) => (headers.get(offset) as Header).start;

  test("is unaltered for a watcher from its first byte on, patched for one that joins late", () => {
    const rig = new Rig();
    const first = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    sender.send(bytes.subarray(0, third + 2000));
    const joiner = rig.watch();
    sender.send(bytes.subarray(third + 2000));
    expect(first.received).toEqual(bytes);
    expect(joiner.received).toEqual(concat([start(third), late.subarray(third)]));
  });

  test("goes on for joiners when all of a moof is there, for others at once", () => {
    const rig = new Rig();
    const first = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    sender.send(bytes.subarray(0, third - 10));
    const joiner = rig.watch();
    const from = start(second).length + third - second;
    const moofBytes = new DataView(bytes.buffer).getUint32(third);
    for (let at = third - 10; at < third + moofBytes + 20; at++) {
      sender.send(bytes.subarray(at, at + 1));
      rig.clock.advance(100);
      expect(first.receivedBytes).toBe(at + 1);
      // a box whose head is half there may be another moof
      const inside = at + 1 - third;
      const isHeld = inside > 0 && inside < moofBytes + 8;
      const held = inside < moofBytes ? 0 : moofBytes;
      expect(joiner.receivedBytes).toBe(from + (isHeld ? held : inside));
    }
    expect(joiner.received).toEqual(concat([start(second), late.subarray(second, third + moofBytes + 20)]));
  });

  test("is patched from the middle of a moof for one that asked for the newest byte", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const at = patches[2].offset + 7;
    sender.send(bytes.subarray(0, at));
    const watcher = rig.watch({ start: { type: "live" } });
    sender.send(bytes.subarray(at));
    expect(watcher.received).toEqual(concat([head, late.subarray(at)]));
  });

  test("that breaks off in a moof goes on for joiners as if that had not begun", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(bytes.subarray(0, third - 10));
    const joiner = rig.watch();
    for (let at = third - 10; at < third + 90; at++) {
      sender.send(bytes.subarray(at, at + 1));
      rig.clock.advance(100);
    }
    sender.break(reset);
    rig.broadcast().send(bytes);
    const joined = concat([start(second), late.subarray(second, third), late.subarray(head.length)]);
    expect(joiner.received).toEqual(joined);
  });

  test("that breaks off in a moof and does not return ends before it", () => {
    const rig = new Rig({ holdMs: 0 });
    const sender = rig.broadcast();
    sender.send(bytes.subarray(0, third - 10));
    const joiner = rig.watch();
    sender.send(bytes.subarray(third - 10, third + 90));
    sender.break(reset);
    expect(joiner.received).toEqual(concat([start(second), late.subarray(second, third)]));
    expect(joiner.ending).toBe("disconnected");
  });

  test("that ends in order within a moof, or a box's head, ends with its last byte", () => {
    for (const more of [3, 90]) {
      const rig = new Rig();
      const sender = rig.broadcast();
      sender.send(bytes.subarray(0, third - 10));
      const joiner = rig.watch();
      sender.send(bytes.subarray(third - 10, third + more));
      sender.finish();
      const owed = concat([start(second), late.subarray(second, third), bytes.subarray(third, third + more)]);
      expect(joiner.received).toEqual(owed);
      expect(joiner.ending).toBe("orderly");
    }
  });

  test("is patched after a return for one that had the broadcast before from its first byte", () => {
    const rig = new Rig();
    const watcher = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    sender.send(bytes.subarray(0, third));
    sender.break(reset);
    rig.broadcast().send(bytes);
    expect(watcher.received).toEqual(concat([bytes.subarray(0, third), late.subarray(head.length)]));
  });

  test("has the patch still for one that was lapped in the middle of it", () => {
    const { bytes, late, units } = known(stream(60));
    const { offset } = patches[2];
    const end = [...units].find((unit) => unit > third) as number;
    // how much there is when the watcher stops, and where it stops: before it is known that there is a patch, too
    for (const [there, from, stop] of [
      [third, second, third - 1],
      [third + 2000, third, offset - 1],
      [third + 2000, third, offset],
      [third + 2000, third, offset + 20],
    ]) {
      const rig = new Rig({ backlogBytes: 32_768 });
      const sender = rig.broadcast();
      sender.send(bytes.subarray(0, there));
      const joiner = rig.watch({ room: 0 });
      const room = start(from).length + stop - from;
      joiner.give(room);
      sender.send(bytes.subarray(there));
      expect(joiner.receivedBytes).toBe(room);
      joiner.give(1e9);
      expect(rig.skipped.length).toBe(1);
      const before = concat([start(from), late.subarray(from, end)]);
      expect(joiner.received.subarray(0, before.length)).toEqual(before);
    }
  });

  test("closes with slow one that is behind more patches than are remembered", () => {
    const tiny = smallFragment();
    const rig = new Rig({ backlogBytes: 2 ** 24, maxBacklogTotalBytes: 2 ** 26 });
    const sender = rig.broadcast();
    const block = concat(Array.from({ length: 1000 }, () => tiny));
    sender.send(bytes.subarray(0, second));
    sender.send(block);
    const joiner = rig.watch({ room: 0 });
    joiner.give(start(second).length);
    for (let count = 1; count < 17; count++) sender.send(block);
    expect(joiner.ending).toBe("");
    joiner.give(1e9);
    expect(joiner.ending).toBe("slow");
    // nor is a watcher placed back there
    const other = rig.watch({ start: { type: "back", ms: 1e9 } });
    expect([other.ending, other.receivedBytes]).toEqual(["", 0]);
    sender.send(bytes.subarray(second, third));
    expect(other.received).toEqual(concat([start(second), late.subarray(second, third)]));
  });
});

function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => view.setUint32(i * 4, value));
  return new Uint8Array(view.buffer);
}

/** A fragment of the second track without a sample's data, as small as can be. */
function smallFragment(): Uint8Array {
  const tfhd = boxOf(fourCc("tfhd"), [words(1, 2, 0, 0)]);
  const trun = boxOf(fourCc("trun"), [words(1, 0, 76 + 8)]);
  const traf = boxOf(fourCc("traf"), [tfhd, trun]);
  const moof = boxOf(fourCc("moof"), [boxOf(fourCc("mfhd"), [words(0, 1)]), traf]);
  return concat([moof, boxOf(fourCc("mdat"), [])]);
}

/** A write: where in the channel its watcher was, and the bytes taken, from `offset` of a buffer of `size`. */
interface Write {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly size: number;
}

class Notebook extends FakeOutlet {
  readonly writes: Write[] = [];

  override write(buffer: Uint8Array, offset: number, length: number): number {
    const taken = super.write(buffer, offset, length);
    const bytes = buffer.slice(offset, offset + taken);
    if (taken > 0) this.writes.push({ at: this.watcher.cursor, bytes, offset, size: buffer.length });
    return taken;
  }
}

interface Seat {
  readonly outlet: Notebook;
  readonly appetite: number;
}

const starts: readonly StartPoint[] = [{ type: "join" }, { type: "next" }, { type: "back", ms: 5000 }];

/** A broadcast, from its first byte's offset in the channel to its last's. */
interface Part {
  readonly from: number;
  readonly to: number;
}

/** Broadcasts of `all` that are cut off anywhere, before sockets that take what they want. */
function play(seed: number, all: Uint8Array): { seats: Seat[]; parts: Part[]; skips: number } {
  const next = random(seed);
  const rig = new Rig({ backlogBytes });
  const seats: Seat[] = [];
  const parts: Part[] = [];
  const come = () => {
    const outlet = new Notebook();
    outlet.room = 0;
    const appetite = next(3) === 0 ? 1e9 : 1 + next(30_000);
    outlet.watcher = rig.relay.watch("fier", "default", outlet, {
      start: starts[next(starts.length)],
      password: "",
      slowPolicy: "skip",
      waitMs: 60_000,
      greeter: { greeting: () => new Uint8Array(0) },
      awaitsDetection: false,
    });
    outlet.give(appetite);
    seats.push({ outlet, appetite });
  };
  const feed = () => {
    for (const { outlet, appetite } of seats) {
      if (outlet.end === undefined && next(3) > 0) outlet.give(1 + next(next(2) === 0 ? appetite : 40));
    }
  };
  come();
  let from = 0;
  for (let count = 0; count < 3; count++) {
    const sender: Sender = rig.broadcast();
    const length = count === 2 ? all.length : Math.floor(all.length / 2) + next(all.length / 3);
    for (let at = 0; at < length; ) {
      const end = Math.min(length, at + 1 + next(next(3) === 0 ? 30 : 6000));
      sender.send(all.slice(at, end));
      at = end;
      feed();
      rig.clock.advance(next(300));
      if (seats.length < 12 && next(12) === 0) come();
    }
    parts.push({ from, to: from + length });
    from += length;
    if (count < 2) sender.break(reset);
    else sender.finish();
  }
  for (const { outlet } of seats) if (outlet.end === undefined) outlet.give(1e9);
  return { seats, parts, skips: rig.skipped.length };
}

describe("with sockets that do as they please", () => {
  const all = known(stream(40));

  test("all that join late, skip or go through returns get what was sent as patched, the others all of it as it was", () => {
    let skips = 0;
    let patchesSeen = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const { seats, parts, skips: skipped } = play(seed, all.bytes);
      skips += skipped;
      for (const { outlet } of seats) patchesSeen += check(outlet, parts);
    }
    expect(skips).toBeGreaterThan(50);
    expect(patchesSeen).toBeGreaterThan(1000);
  });

  /** Holds what came against the broadcasts; how many patches were in it. */
  function check({ writes }: Notebook, parts: readonly Part[]): number {
    const partAt = (offset: number) => parts.findLast(({ from }) => from <= offset) as Part;
    let patchesSeen = 0;
    let prefix: Uint8Array[] = [];
    let cursor = -1;
    let isWhole = false;
    for (const { at, bytes, offset, size } of writes) {
      const { from } = partAt(at);
      const patch = all.patches.find((one) => one.offset + offset === at - from && one.bytes.length === size);
      if (patch === undefined && size !== segmentBytes) {
        prefix.push(bytes);
        continue;
      }
      if (cursor < 0) {
        isWhole = at === from;
        expect(concat(prefix)).toEqual(isWhole ? new Uint8Array(0) : head);
        expect(isWhole || all.headers.has(at - from)).toBe(true);
      } else if (at !== cursor || prefix.length > 0 || partAt(cursor - 1) !== partAt(at)) {
        isWhole = false;
        const before = partAt(cursor - 1);
        expect(cursor === before.to || all.units.has(cursor - before.from)).toBe(true);
        expect(prefix.length === 0 || cursor === before.to).toBe(true);
        expect(all.headers.has(at - from)).toBe(true);
      }
      const should = (isWhole ? all.bytes : all.late).subarray(at - from, at - from + bytes.length);
      if (Buffer.compare(bytes, should) !== 0) throw new Error(`what came at ${at} is not as it should be`);
      if (patch !== undefined && patch.offset + offset + bytes.length === patch.offset + size) patchesSeen++;
      cursor = at + bytes.length;
      prefix = [];
    }
    return patchesSeen;
  }
});
