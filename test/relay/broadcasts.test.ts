// How broadcasts begin, end, are replaced and come back, and what that is for watchers.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import { fixture } from "../media/recorder.ts";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, wavHead } from "./streams.ts";

const reset = new FstreamError("disconnected", "the connection was reset");
const size = 8000;

describe("an orderly end", () => {
  test("ends the watchers, each with every byte", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watchers = [rig.watch(), rig.watch({ room: 100 })];
    sender.send(opaque(size));
    sender.finish();
    expect(watchers[0].ending).toBe("orderly");
    expect(watchers[1].ending).toBe("");
    watchers[1].give(5000);
    expect(watchers[1].ending).toBe("");
    watchers[1].give(5000);
    expect(watchers[1].ending).toBe("orderly");
    for (const watcher of watchers) expect(watcher.received).toEqual(opaque(size));
  });

  test("sends what the fan-out still gathers before it ends a watcher", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    // A pass that takes long puts the next one off.
    watcher.onWrite = () => rig.clock.spend(5);
    sender.send(opaque(1000));
    sender.send(opaque(1000, 1000));
    expect(watcher.receivedBytes).toBe(1000);
    sender.finish();
    expect(watcher.received).toEqual(opaque(2000));
    expect(watcher.ending).toBe("orderly");
    expect(rig.clock.pending).toBeLessThanOrEqual(1);
  });

  test("ends watchers without a join point as not live", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 1000 });
    sender.send(opaque(10));
    const watcher = rig.watch({ start: { type: "next" } });
    sender.finish();
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["not_live", 0]);
    expect(watcher.begun).toBe(false);
  });

  test("of a broadcast without a byte is an end all the same", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    sender.finish();
    expect(watcher.ending).toBe("orderly");
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("with hold_ended keeps the watchers for that long", () => {
    const rig = new Rig({ holdEndedMs: 5000 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    sender.send(opaque(size));
    sender.finish();
    rig.clock.advance(4700);
    expect(watcher.ending).toBe("");
    rig.clock.advance(600);
    expect(watcher.ending).toBe("orderly");
  });

  test("does not wait longer than drain_timeout for a watcher that takes nothing, and goes on for one that takes a little", () => {
    const rig = new Rig({ drainTimeoutMs: 10_000 });
    const sender = rig.broadcast();
    const stuck = rig.watch({ room: 100 });
    const slow = rig.watch({ room: 100 });
    sender.send(opaque(size));
    sender.finish();
    for (let second = 0; second < 60; second++) {
      rig.clock.advance(1000);
      if (second % 9 === 8) slow.give(100);
      if (second < 9) expect(stuck.ending).toBe("");
    }
    expect(stuck.ending).toBe("slow");
    expect(slow.ending).toBe("");
    slow.give(size);
    expect([slow.ending, slow.receivedBytes]).toEqual(["orderly", size]);
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("leaves the channel free at once: a stuck watcher does not make the next broadcast wait", () => {
    const rig = new Rig({ takeover: false });
    const first = rig.broadcast();
    const stuck = rig.watch({ room: 100 });
    first.send(opaque(size));
    first.finish();
    expect(rig.refusal(() => rig.watch())).toBe("not_live");
    const second = rig.broadcast();
    const watcher = rig.watch();
    second.send(opaque(500, 70_000));
    expect(watcher.received).toEqual(opaque(500, 70_000));
    stuck.give(size);
    expect([stuck.ending, stuck.receivedBytes]).toEqual(["orderly", size]);
    expect(stuck.received).toEqual(opaque(size));
  });
});

describe("a broadcast that breaks off", () => {
  test("and comes back within hold keeps its watchers, new ones wait meanwhile", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(opaque(size));
    first.break(reset);
    expect(watcher.ending).toBe("");
    const late = rig.watch();
    rig.clock.advance(9000);
    expect(late.receivedBytes).toBe(0);
    const second = rig.broadcast();
    second.send(opaque(size, size));
    expect(watcher.received).toEqual(opaque(2 * size));
    expect(late.received).toEqual(opaque(size, size));
    rig.clock.advance(60_000);
    expect([watcher.ending, late.ending]).toEqual(["", ""]);
  });

  test("and does not come back ends its watchers as aborted after hold, with every byte", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    const slow = rig.watch({ room: 10 });
    sender.send(opaque(size));
    sender.break(reset);
    const late = rig.watch();
    rig.clock.advance(9700);
    expect([watcher.ending, late.ending]).toEqual(["", ""]);
    rig.clock.advance(600);
    expect([watcher.ending, late.ending, slow.ending]).toEqual(["disconnected", "not_live", ""]);
    slow.give(size);
    expect(slow.ending).toBe("disconnected");
    for (const each of [watcher, slow]) expect(each.received).toEqual(opaque(size));
  });

  test("with hold = 0 ends its watchers at once", () => {
    const rig = new Rig({ holdMs: 0 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    sender.send(opaque(size));
    sender.break(reset);
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["disconnected", size]);
  });

  test("goes on at a join point of the new stream, with what may be repeated", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    const before = concat([flvHead, flvConfig(0), flvFrame(0, true, 3000)]);
    first.send(before);
    first.break(reset);
    const second = rig.broadcast();
    second.send(concat([flvHead, flvConfig(0, 2), flvFrame(0, false, 900)]));
    expect(watcher.receivedBytes).toBe(before.length);
    second.send(flvFrame(40, true, 3000));
    expect(watcher.received).toEqual(concat([before, flvConfig(40, 2), flvFrame(40, true, 3000)]));
  });

  test("and comes back with the same file header goes on without it", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(concat([wavHead(1000), opaque(2000)]));
    first.break(reset);
    rig.broadcast().send(concat([wavHead(1000), opaque(2000, 5000)]));
    expect(watcher.received).toEqual(concat([wavHead(1000), opaque(2000), opaque(2000, 5000)]));
    expect(watcher.ending).toBe("");
  });

  test("and comes back with another file header ends its watchers, and those that waited get it whole", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(concat([wavHead(1000), opaque(2000)]));
    first.break(reset);
    const late = rig.watch();
    const stream = concat([wavHead(2000), opaque(2000, 5000)]);
    rig.broadcast().send(stream);
    expect([watcher.ending, watcher.begun]).toEqual(["disconnected", true]);
    expect(watcher.received).toEqual(concat([wavHead(1000), opaque(2000)]));
    expect(late.received).toEqual(stream);
    expect(late.ending).toBe("");
  });

  test("and comes back as another container ends its watchers", async () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(concat([flvHead, flvConfig(0), flvFrame(0, true, 3000)]));
    first.break(reset);
    rig.broadcast().send(await fixture("adts-stereo.aac"));
    expect(watcher.ending).toBe("disconnected");
  });

  test("before its first byte leaves those that got no more than a greeting where they were: at the beginning", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const greeted = rig.watch({ greeting: "ok" });
    const silent = rig.watch();
    first.break(reset);
    const stream = concat([wavHead(1000), opaque(2000)]);
    rig.broadcast().send(stream);
    expect(silent.received).toEqual(stream);
    expect(greeted.ending).toBe("");
    expect(greeted.received).toEqual(concat([new TextEncoder().encode("ok"), stream]));
  });

  test("while it is too short to be known loses none of its bytes by the next return", () => {
    const rig = new Rig();
    const watcher = rig.watch({ waitMs: 1000 });
    let at = 0;
    for (const length of [100, 70, 30]) {
      const sender = rig.broadcast();
      sender.send(opaque(length, at));
      at += length;
      sender.break(reset);
      rig.clock.advance(1000);
    }
    rig.clock.advance(20_000);
    expect(watcher.ending).toBe("disconnected");
    expect(watcher.received).toEqual(opaque(at));
  });

  test("while it is too short to be known is not held back from its watchers", () => {
    const rig = new Rig({ holdEndedMs: 3_600_000 });
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(opaque(100));
    first.finish();
    const second = rig.broadcast();
    second.send(opaque(100, 100));
    second.finish();
    rig.clock.advance(60_000);
    expect(watcher.received).toEqual(opaque(200));
  });

  test("and comes back without a byte for long keeps the watchers of a container that can go on", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(concat([wavHead(1000), opaque(2000)]));
    first.break(reset);
    const second = rig.broadcast();
    rig.clock.advance(20_000);
    expect(watcher.ending).toBe("");
    second.send(concat([wavHead(1000), opaque(2000, 5000)]));
    expect(watcher.received).toEqual(concat([wavHead(1000), opaque(2000), opaque(2000, 5000)]));
  });
});

describe("a silent broadcaster", () => {
  test("counts as gone after broadcaster_timeout, and its watchers are held", () => {
    const rig = new Rig({ broadcasterTimeoutMs: 5000 });
    const first = rig.broadcast();
    const watcher = rig.watch();
    rig.clock.advance(4000);
    first.send(opaque(size));
    rig.clock.advance(4700);
    expect(first.dismissal).toBeUndefined();
    rig.clock.advance(600);
    expect(first.dismissal?.code).toBe("disconnected");
    first.send(opaque(1));
    expect(watcher.ending).toBe("");
    rig.broadcast().send(opaque(size, size));
    expect(watcher.received).toEqual(opaque(2 * size));
  });

  test("may be silent indefinitely without one", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    rig.clock.advance(3_600_000);
    expect([sender.dismissal, watcher.ending]).toEqual([undefined, ""]);
  });
});

describe("waiting for a broadcast", () => {
  test("places a watcher at its first byte, however it wants to start", () => {
    const rig = new Rig();
    const starts = [
      { type: "join" },
      { type: "next" },
      { type: "live" },
      { type: "back", ms: 5000 },
    ] as const;
    const watchers = starts.map((start) => rig.watch({ start, waitMs: 60_000 }));
    rig.clock.advance(30_000);
    const stream = concat([flvHead, flvConfig(0), flvFrame(0, true, 3000), flvFrame(40, true, 3000)]);
    rig.broadcast().send(stream);
    for (const watcher of watchers) expect(watcher.received).toEqual(stream);
  });

  test("in vain is over after its time", () => {
    const rig = new Rig();
    const watcher = rig.watch({ waitMs: 5000 });
    rig.clock.advance(4900);
    expect(watcher.ending).toBe("");
    rig.clock.advance(400);
    expect([watcher.ending, watcher.begun]).toEqual(["not_live", false]);
    expect(rig.channels).toBe(0);
    expect(rig.clock.pending).toBe(0);
  });

  test("is for those that ask for it only", () => {
    const rig = new Rig();
    expect(rig.refusal(() => rig.watch())).toBe("not_live");
    expect(rig.channels).toBe(0);
  });

  test("with a wrong channel password is over when the broadcast begins", () => {
    const rig = new Rig();
    const watcher = rig.watch({ waitMs: 5000, password: "guess" });
    const right = rig.watch({ waitMs: 5000, password: "456" });
    rig.broadcast({ password: "456" }).send(opaque(100));
    expect([watcher.ending, watcher.begun]).toEqual(["forbidden", false]);
    expect(right.receivedBytes).toBe(100);
  });

  test("ends with the watcher that goes", () => {
    const rig = new Rig();
    const watcher = rig.watch({ waitMs: 5000 });
    watcher.watcher.leave();
    expect(rig.channels).toBe(0);
    rig.clock.advance(10_000);
    expect([watcher.ending, rig.clock.pending]).toEqual(["", 0]);
  });
});

describe("a stop", () => {
  test("dismisses broadcasters, gives watchers what they are owed, and refuses new ones", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const held = rig.broadcast({ channel: "held" });
    const watcher = rig.watch();
    const slow = rig.watch({ room: 10 });
    const waiting = rig.watch({ channel: "none", waitMs: 5000 });
    const kept = rig.watch({ channel: "held" });
    held.send(opaque(10));
    held.break(reset);
    sender.send(opaque(size));
    rig.relay.stop();
    expect(sender.dismissal?.code).toBe("shutting_down");
    expect(held.dismissal).toBeUndefined();
    expect([watcher.ending, waiting.ending, kept.ending]).toEqual([
      "shutting_down",
      "shutting_down",
      "shutting_down",
    ]);
    expect(slow.ending).toBe("");
    slow.give(size);
    expect([slow.ending, slow.receivedBytes]).toEqual(["shutting_down", size]);
    expect(rig.refusal(() => rig.broadcast())).toBe("shutting_down");
    expect(rig.refusal(() => rig.watch({ waitMs: 5000 }))).toBe("shutting_down");
    rig.clock.advance(1000);
    expect([rig.relay.backlogBytes, rig.clock.pending, rig.channels]).toEqual([0, 0, 0]);
  });
});
