// One broadcast takes another's place on the same channel.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "./streams.ts";

const reset = new FstreamError("disconnected", "the connection was reset");
const size = 8000;

describe("a takeover", () => {
  test("dismisses the old broadcaster, whose bytes are dropped from then on", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const watcher = rig.watch();
    first.send(opaque(size));
    const second = rig.broadcast();
    expect(first.dismissal?.code).toBe("replaced");
    first.send(opaque(100));
    first.finish();
    second.send(opaque(size, size));
    expect(watcher.received).toEqual(opaque(2 * size));
    expect(watcher.ending).toBe("");
    expect(second.dismissal).toBeUndefined();
  });

  test("gives watchers the rest of the old broadcast first", () => {
    const rig = new Rig();
    const first = rig.broadcast();
    const slow = rig.watch({ room: 10 });
    first.send(opaque(size));
    const second = rig.broadcast({ bufsize: 1000 });
    second.send(opaque(3500, size));
    slow.give(size - 11);
    expect(slow.spans).toEqual([[0, size - 1]]);
    slow.give(1);
    expect(slow.spans).toEqual([[0, size]]);
    slow.give(size);
    expect(slow.received).toEqual(opaque(size + 3500));
    expect(rig.skipped).toEqual([]);
  });

  test("with another channel password closes the watchers that don't have it", () => {
    const rig = new Rig();
    rig.broadcast({ password: "a" }).send(opaque(size));
    const watcher = rig.watch({ password: "a" });
    const second = rig.broadcast({ password: "b" });
    expect(watcher.ending).toBe("forbidden");
    second.send(opaque(10));
    expect(rig.refusal(() => rig.watch({ password: "a" }))).toBe("forbidden");
    expect(rig.refusal(() => rig.watch())).toBe("forbidden");
    expect(rig.watch({ password: "b" }).ending).toBe("");
  });

  test("with the same password, or none any more, keeps them", () => {
    const rig = new Rig();
    rig.broadcast({ password: "a" }).send(opaque(sniffedBytes));
    const watcher = rig.watch({ password: "a" });
    rig.broadcast({ password: "a" });
    rig.broadcast().send(opaque(size));
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["", size]);
  });

  test.each(["a takeover", "a return"])(
    "of an opaque broadcast, by %s, passes on each byte as it comes",
    (how) => {
      const rig = new Rig();
      const first = rig.broadcast();
      first.send(opaque(sniffedBytes));
      const watcher = rig.watch({ start: { type: "back", ms: 99_000 } });
      if (how === "a return") first.break(reset);
      const second = rig.broadcast();
      // Too few to be known for a long time.
      for (let bytes = 0; bytes < 30; bytes += 3) {
        expect(watcher.receivedBytes).toBe(sniffedBytes + bytes);
        second.send(opaque(3, sniffedBytes + bytes));
        rig.clock.advance(1000);
      }
      second.send(opaque(size, sniffedBytes + 30));
      expect(watcher.received).toEqual(opaque(sniffedBytes + 30 + size));
    },
  );

  test("of an opaque broadcast by a container gives watchers that from its first byte", () => {
    const rig = new Rig();
    rig.broadcast().send(opaque(sniffedBytes));
    const watcher = rig.watch({ start: { type: "back", ms: 99_000 } });
    const stream = concat([flvHead, flvConfig(0), flvFrame(0, true, 2000), flvFrame(40, false, 500)]);
    const second = rig.broadcast();
    for (const byte of stream) second.send(Uint8Array.of(byte));
    expect(watcher.received).toEqual(concat([opaque(sniffedBytes), stream]));
    expect(watcher.ending).toBe("");
  });

  test("of a broadcast too short to be known gives watchers its bytes first", () => {
    const rig = new Rig();
    rig.broadcast().send(opaque(sniffedBytes));
    const watcher = rig.watch({ start: { type: "back", ms: 99_000 } });
    rig.broadcast().send(opaque(100, sniffedBytes));
    rig.broadcast().send(opaque(size, sniffedBytes + 100));
    expect(watcher.received).toEqual(opaque(sniffedBytes + 100 + size));
  });

  test("that is not allowed is refused as busy, and the broadcast goes on", () => {
    const rig = new Rig({ takeover: false });
    const first = rig.broadcast();
    const watcher = rig.watch();
    expect(rig.refusal(() => rig.broadcast())).toBe("busy");
    expect(first.dismissal).toBeUndefined();
    first.send(opaque(10));
    expect(watcher.receivedBytes).toBe(10);
    first.break(reset);
    // There is no broadcast to take over.
    rig.broadcast().send(opaque(size, 10));
    expect(watcher.ending).toBe("");
  });

  test("leaves other users and other channels alone", () => {
    const rig = new Rig();
    const senders = [
      rig.broadcast(),
      rig.broadcast({ user: "other" }),
      rig.broadcast({ channel: "cam/1" }),
      // Two names that only together look like the first.
      rig.broadcast({ user: "fie", channel: "rdefault" }),
    ];
    const watchers = [
      rig.watch(),
      rig.watch({ user: "other" }),
      rig.watch({ channel: "cam/1" }),
      rig.watch({ user: "fie", channel: "rdefault" }),
    ];
    for (const [i, sender] of senders.entries()) sender.send(opaque(50, i * 100));
    for (const [i, watcher] of watchers.entries()) expect(watcher.received).toEqual(opaque(50, i * 100));
    expect(senders.map((sender) => sender.dismissal)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

/** A relay that polls its one broadcaster, which has sent bytes that no poll has brought so far. */
function polled() {
  const rig = new Rig({ minDelayMs: 350 });
  const first = rig.broadcast();
  const watcher = rig.watch({ onWrite: () => rig.clock.spend(6) });
  const waiting: Uint8Array[] = [];
  let isPolling = false;
  rig.relay.sources = {
    size: 1,
    start: () => void (isPolling = true),
    stop() {},
    startWaiting: () => false,
    stopWaiting() {},
    wait: () => "nothing",
    poll(brought) {
      const bytes = concat(waiting.splice(0));
      if (bytes.length > 0) first.send(bytes);
      brought();
      return bytes.length;
    },
  };
  for (let i = 0; i < 4; i++) {
    first.send(opaque(size, i * size));
    rig.clock.advance(400);
  }
  expect(isPolling).toBe(true);
  waiting.push(opaque(size, 4 * size));
  expect(watcher.received).toEqual(opaque(4 * size));
  return { rig, watcher };
}

describe("of a broadcaster that is polled, watchers get what it has sent", () => {
  test("before another takes its place", () => {
    const { rig, watcher } = polled();
    rig.broadcast().send(opaque(size, 5 * size));
    rig.clock.advance(1000);
    expect(watcher.received).toEqual(opaque(6 * size));
  });

  test("before its channel is ended, or the server stops", () => {
    const ends = [
      ({ relay }: Rig) => relay.finish("fier", "default", new FstreamError("replaced", "ended")),
      ({ relay }: Rig) => relay.stop(),
    ];
    for (const end of ends) {
      const { rig, watcher } = polled();
      end(rig);
      rig.clock.advance(1000);
      expect(watcher.received).toEqual(opaque(5 * size));
    }
  });
});
