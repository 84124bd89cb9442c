// A bug costs what it is in, and nothing else: a watcher's way out, a stream's detector or a channel that throws ends
// alone, is reported, and the broadcaster, the other watchers and the other channels notice nothing.

import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { wav } from "../../src/media/audio/wav.ts";
import { type Detector, LazyHeader } from "../../src/media/detector.ts";
import type { Channel } from "../../src/relay/channel.ts";
import { Rig } from "./rig.ts";
import { opaque, sniffedBytes, wavHead } from "./streams.ts";

const bug = new Error("a bug");
const throwing = () => {
  throw bug;
};

afterEach(() => {
  mock.restore();
});

/** Has WAV's detector throw when `field` is asked of it, once it was fed `afterBytes` bytes. */
function breakDetector(field: keyof Detector, afterBytes = 0): void {
  const create = wav.create.bind(wav);
  spyOn(wav, "create").mockImplementation((sink) => {
    const detector = create(sink);
    let fed = 0;
    return new Proxy(detector, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]): unknown => {
          if (name === "feed") fed += (given[0] as Uint8Array).length;
          if (name === field && fed > afterBytes) throw bug;
          return Reflect.apply(value, target, given);
        };
      },
    });
  });
}

describe("a watcher whose way out throws", () => {
  test.each(["a write", "the end"])("in %s is ended alone, and the others get every byte", (where) => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(opaque(sniffedBytes));
    const [first, broken, last] = [rig.watch(), rig.watch(), rig.watch()];
    if (where === "a write") broken.onWrite = throwing;
    else broken.finish = throwing;
    for (let at = sniffedBytes; at < 100_000; at += 1000) {
      sender.send(opaque(1000, at));
      rig.clock.advance(20);
    }
    sender.finish();
    rig.clock.advance(1000);
    for (const other of [first, last]) {
      expect(other.ending).toBe("orderly");
      expect(other.received).toEqual(opaque(other.receivedBytes, sniffedBytes));
      expect(other.receivedBytes).toBeGreaterThan(90_000);
    }
    expect(rig.failures).toEqual([bug]);
    expect(sender.dismissal).toBeUndefined();
    if (where === "a write") expect(broken.ending).toBe("internal");
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("while it is swept, or comes, is ended alone", () => {
    const rig = new Rig({ drainTimeoutMs: 1000 });
    const sender = rig.broadcast();
    sender.send(opaque(sniffedBytes));
    const stuck = rig.watch({ room: 10 });
    const comer = rig.watch({ start: { type: "back", ms: 1000 } });
    stuck.finish = throwing;
    sender.send(opaque(20_000, sniffedBytes));
    rig.clock.advance(100);
    sender.finish();
    rig.clock.advance(10_000);
    expect(comer.ending).toBe("orderly");
    expect(rig.failures).toEqual([bug]);
    expect(rig.channels).toBe(0);
  });
});

describe("a detector that throws", () => {
  test.each(["feed", "padding"] as const)(
    "in %s makes its stream opaque, and every byte arrives",
    (field) => {
      breakDetector(field, 20_000);
      const rig = new Rig();
      const watcher = rig.watch({ waitMs: 1000 });
      const sender = rig.broadcast();
      const stream = new Uint8Array(Buffer.concat([wavHead(1000), opaque(60_000)]));
      for (let at = 0; at < stream.length; at += 3000) {
        sender.send(stream.subarray(at, at + 3000));
        rig.clock.advance(20);
      }
      // Another broadcast, for which it is asked what would make the first one whole.
      const next = rig.broadcast();
      next.send(stream);
      rig.clock.advance(1000);
      next.finish();
      rig.clock.advance(1000);
      expect(watcher.received.subarray(0, stream.length)).toEqual(stream);
      expect(watcher.ending).not.toBe("");
      expect(rig.failures).toContain(bug);
      expect(rig.opaque).toContain("a bug in its detector");
      expect(rig.channels).toBe(0);
      expect(rig.relay.backlogBytes).toBe(0);
    },
  );

  test.each(["end", "break", "stop", "silence"])(
    "when the stream is over by %s ends nothing but its marks",
    (how) => {
      breakDetector("feed");
      const rig = new Rig({ broadcasterTimeoutMs: 5000, holdMs: 1000 });
      const watcher = rig.watch({ waitMs: 1000 });
      const other = rig.broadcast({ channel: "other" });
      const sender = rig.broadcast();
      // Too little to be looked at before it is over.
      const start = wavHead(1000).subarray(0, 42);
      sender.send(start);
      if (how === "end") sender.finish();
      else if (how === "break") sender.break(new FstreamError("disconnected", "reset"));
      else if (how === "stop") rig.relay.stop();
      for (let second = 0; second < 20; second++) {
        other.send(opaque(100, second * 100));
        rig.clock.advance(1000);
      }
      expect(watcher.received).toEqual(start);
      expect(watcher.ending).toBe(
        how === "end" ? "orderly" : how === "stop" ? "shutting_down" : "disconnected",
      );
      expect([...rig.relay.channels].map(({ name }) => name)).toEqual(how === "stop" ? [] : ["other"]);
    },
  );
});

describe("a header that throws when it is made", () => {
  test("ends the watcher that needs it, and no other", () => {
    const create = wav.create.bind(wav);
    spyOn(wav, "create").mockImplementation((sink) =>
      create({
        join: (offset, within) => sink.join(offset, within),
        unit: (offset) => sink.unit(offset),
        header: ({ fixed, bytes }) => sink.header(new LazyHeader(bytes, fixed, throwing)),
      }),
    );
    const rig = new Rig();
    const first = rig.watch({ waitMs: 1000 });
    const sender = rig.broadcast();
    const stream = new Uint8Array(Buffer.concat([wavHead(1000), opaque(20_000)]));
    sender.send(stream.subarray(0, 10_000));
    const joiner = rig.watch();
    expect(joiner.ending).toBe("internal");
    sender.send(stream.subarray(10_000));
    sender.finish();
    expect(first.received).toEqual(stream);
    expect(first.ending).toBe("orderly");
    expect(rig.failures).toEqual([bug]);
  });
});

describe("a channel that throws when it is swept", () => {
  test("is ended, with its broadcaster and its watchers, and the others are swept on", () => {
    const rig = new Rig({ holdMs: 1000, broadcasterTimeoutMs: 5000 });
    const [broken, silent] = [rig.broadcast({ channel: "a" }), rig.broadcast({ channel: "b" })];
    const [watcher, other] = [rig.watch({ channel: "a" }), rig.watch({ channel: "b" })];
    const channel = rig.relay.find("fier", "a") as Channel;
    channel.sweep = throwing;
    rig.clock.advance(300);
    expect([broken.dismissal?.code, watcher.ending]).toEqual(["internal", "internal"]);
    expect(rig.failures).toEqual([bug]);
    expect([silent.dismissal, other.ending, rig.channels]).toEqual([undefined, "", 1]);
    rig.clock.advance(10_000);
    expect([silent.dismissal?.code, other.ending, rig.channels]).toEqual(["disconnected", "disconnected", 0]);
    expect(rig.relay.backlogBytes).toBe(0);
  });
});

describe("a broadcaster that throws when it is dismissed", () => {
  test("by the server's stop keeps no other from being dismissed", () => {
    const rig = new Rig();
    const [first, second] = [rig.broadcast({ channel: "a" }), rig.broadcast({ channel: "b" })];
    first.dismissed = throwing;
    rig.relay.stop();
    expect(second.dismissal?.code).toBe("shutting_down");
    expect(rig.failures).toEqual([bug]);
    expect(rig.channels).toBe(0);
  });

  test("for its silence stops no sweep", () => {
    const rig = new Rig({ broadcasterTimeoutMs: 1000, holdMs: 0 });
    const [first, second] = [rig.broadcast({ channel: "a" }), rig.broadcast({ channel: "b" })];
    first.dismissed = throwing;
    rig.clock.advance(5000);
    expect(second.dismissal?.code).toBe("disconnected");
    expect(rig.channels).toBe(0);
  });
});
