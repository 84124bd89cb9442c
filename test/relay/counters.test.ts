// What is counted of all that happens in a relay, and what of it outlasts the channels that it happened in.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import type { Relay } from "../../src/relay/relay.ts";
import { Rig } from "./rig.ts";
import { opaque, sniffedBytes } from "./streams.ts";

const broken = new FstreamError("disconnected", "reset");

/** Bytes that came in and went out, of channels that are there and of those that are gone. */
function bytesOf({ counters, channels, draining }: Relay): [received: number, sent: number] {
  let [received, sent] = [counters.pastBytesIn, counters.pastBytesOut];
  for (const { bytesIn, bytesOut } of [...channels, ...draining]) {
    received += bytesIn;
    sent += bytesOut;
  }
  return [received, sent];
}

/** Those that are not 0. */
function counted(tally: { readonly entries: readonly (readonly [string, number])[] }): object {
  return Object.fromEntries(tally.entries.filter(([, count]) => count > 0));
}

describe("a relay counts", () => {
  test("bytes in and out to the byte, greetings too, also of channels that are gone or drain", () => {
    const rig = new Rig();
    const { relay } = rig;
    const sender = rig.broadcast();
    rig.watch({ greeting: "hello" });
    const stuck = rig.watch({ room: 700 });
    sender.send(opaque(10_000));
    expect(bytesOf(relay)).toEqual([10_000, 5 + 10_000 + 700]);
    sender.finish();
    expect([...relay.channels]).toEqual([]);
    expect(bytesOf(relay)).toEqual([10_000, 5 + 10_000 + 700]);
    stuck.give(1e9);
    rig.clock.advance(1000);
    expect([...relay.draining]).toEqual([]);
    expect(bytesOf(relay)).toEqual([10_000, 5 + 20_000]);
    rig.broadcast({ channel: "other" }).send(opaque(1));
    expect(bytesOf(relay)).toEqual([10_001, 5 + 20_000]);
  });

  test("bytes that come right into the ring", () => {
    const rig = new Rig();
    rig.broadcast().pour(opaque(9999));
    expect(bytesOf(rig.relay)).toEqual([9999, 0]);
  });

  test("how broadcasts begin and end", () => {
    const rig = new Rig({ holdMs: 1000 });
    const { counters } = rig.relay;
    const first = rig.broadcast();
    first.break(broken);
    rig.broadcast(); // a return
    const taker = rig.broadcast();
    taker.finish();
    expect(counted(counters.broadcasts)).toEqual({ new: 1, return: 1, takeover: 1 });
    expect(counted(counters.broadcastEnds)).toEqual({ ended: 1, disconnected: 1, replaced: 1 });
    rig.broadcast();
    rig.relay.stop();
    expect(counted(counters.broadcastEnds)).toMatchObject({ shutting_down: 1 });
  });

  test("no broadcast that there is no memory for", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 0 });
    expect(rig.refusal(() => rig.broadcast())).toBe("limit");
    expect(counted(rig.relay.counters.broadcasts)).toEqual({});
  });

  test("a join once its stream begins, and once only, however often it goes on elsewhere", () => {
    const rig = new Rig();
    const { counters } = rig.relay;
    rig.watch({ waitMs: 10_000 });
    expect(counters.joins).toBe(0);
    const first = rig.broadcast();
    first.send(opaque(sniffedBytes));
    expect(counters.joins).toBe(1);
    rig.watch();
    expect(counters.joins).toBe(2);
    rig.broadcast().send(opaque(sniffedBytes));
    expect(counters.joins).toBe(2);
  });

  test("why watchers that had joined are gone, and none that never did", () => {
    const rig = new Rig();
    const { watcherEnds } = rig.relay.counters;
    rig.watch({ waitMs: 10_000, channel: "never" }).watcher.leave();
    const sender = rig.broadcast();
    sender.send(opaque(sniffedBytes));
    rig.watch().watcher.leave();
    rig.watch();
    const slow = rig.watch({ slowPolicy: "close", room: 0 });
    for (let i = 0; i < 40; i++) sender.send(opaque(4096));
    slow.give(1);
    sender.finish();
    rig.clock.advance(1000);
    expect(counted(watcherEnds)).toEqual({ left: 1, slow: 1, ended: 1 });
  });

  test("skips, and the bytes that were skipped over", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const stuck = rig.watch({ room: 100 });
    for (let i = 0; i < 40; i++) sender.send(opaque(4096));
    stuck.give(1e9);
    sender.finish();
    const { counters } = rig.relay;
    expect(counters.skips).toBe(1);
    expect(counters.skippedBytes).toBe(stuck.watcher.skippedBytes);
    expect(counters.skippedBytes).toBeGreaterThan(0);
  });
});

describe("a channel knows", () => {
  test("since when its broadcast is on, by the wall's clock; a return or a takeover begins anew", () => {
    const rig = new Rig();
    const start = rig.clock.wallMs();
    rig.watch({ waitMs: 60_000 });
    const [channel] = rig.relay.channels;
    expect(channel.sinceMs).toBe(0);
    rig.broadcast().send(opaque(1));
    rig.clock.advance(5000);
    expect(channel.sinceMs).toBe(start);
    rig.broadcast();
    expect(channel.sinceMs).toBe(start + 5000);
  });

  test("how far behind each watcher is that is sent something, in the stream's time", () => {
    const rig = new Rig({ maxDelayMs: 0 });
    const sender = rig.broadcast();
    sender.send(opaque(sniffedBytes));
    rig.watch();
    rig.watch({ room: 1000 });
    rig.watch({ room: 0, waitMs: 1000, channel: "waits" });
    for (let i = 0; i < 10; i++) {
      rig.clock.advance(100);
      sender.send(opaque(1000));
    }
    // A second of silence makes nobody later.
    rig.clock.advance(1000);
    const lags: number[] = [];
    for (const channel of rig.relay.channels) channel.observeLags((ms) => lags.push(ms));
    expect(lags.toSorted((a, b) => a - b)).toEqual([0, 800]);
  });
});

describe("a broadcast that the operator ends", () => {
  const error = new FstreamError("forbidden", "ended by the operator");

  test("dismisses its broadcaster, and its watchers end in order with all that they are owed", () => {
    const rig = new Rig({ holdMs: 10_000, holdEndedMs: 10_000 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    const stuck = rig.watch({ room: 10 });
    sender.send(opaque(5000));
    rig.relay.finish("fier", "default", error);
    expect(sender.dismissal).toBe(error);
    expect(watcher.ending).toBe("orderly");
    expect(watcher.receivedBytes).toBe(5000);
    expect(stuck.ending).toBe("");
    stuck.give(1e9);
    expect(stuck.ending).toBe("orderly");
    expect(stuck.receivedBytes).toBe(5000);
    expect(rig.channels).toBe(0);
    sender.send(opaque(10));
    expect(rig.refusal(() => rig.watch())).toBe("not_live");
    expect(counted(rig.relay.counters.broadcastEnds)).toEqual({ forbidden: 1 });
  });

  test("is over at once where its broadcaster is awaited back, and ends as broken as it is", () => {
    const rig = new Rig({ holdMs: 10_000 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    sender.send(opaque(5000));
    sender.break(broken);
    rig.relay.finish("fier", "default", error);
    expect(watcher.ending).toBe("disconnected");
    expect(rig.channels).toBe(0);
    expect(counted(rig.relay.counters.broadcastEnds)).toEqual({ disconnected: 1 });
  });

  test("has to be there", () => {
    const rig = new Rig();
    rig.watch({ waitMs: 1000 });
    expect(rig.refusal(() => rig.relay.finish("fier", "default", error))).toBe("not_live");
    expect(rig.refusal(() => rig.relay.finish("fier", "other", error))).toBe("not_live");
  });
});
