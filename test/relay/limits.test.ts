// What the relay refuses, and that everything is given back.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { Rig, ringBytes } from "./rig.ts";
import { opaque, sniffedBytes } from "./streams.ts";

const reset = new FstreamError("disconnected", "the connection was reset");

describe("limits", () => {
  test("max_channels_per_user counts what is live or held, for each user, and not a takeover", () => {
    const rig = new Rig({ maxChannelsPerUser: 2 });
    const first = rig.broadcast({ channel: "a" });
    rig.broadcast({ channel: "b" }).break(reset);
    rig.watch({ channel: "c", waitMs: 1000 });
    expect(rig.refusal(() => rig.broadcast({ channel: "c" }))).toBe("limit");
    expect(rig.refusal(() => rig.broadcast({ channel: "d" }))).toBe("limit");
    expect(rig.refusal(() => rig.broadcast({ user: "other", channel: "c" }))).toBeUndefined();
    expect(rig.refusal(() => rig.broadcast({ channel: "a" }))).toBeUndefined();
    expect(rig.refusal(() => rig.broadcast({ channel: "b" }))).toBeUndefined();
    expect(first.dismissal?.code).toBe("replaced");
  });

  test("max_channels_per_user has room again when a channel has ended", () => {
    const rig = new Rig({ maxChannelsPerUser: 1 });
    rig.broadcast({ channel: "a" }).finish();
    expect(rig.refusal(() => rig.broadcast({ channel: "b" }))).toBeUndefined();
    // What is only waited for is not the user's doing.
    rig.watch({ user: "third", channel: "a", waitMs: 1000 });
    rig.watch({ user: "third", channel: "b", waitMs: 1000 });
    expect(rig.refusal(() => rig.broadcast({ user: "third", channel: "c" }))).toBeUndefined();
  });

  test("a takeover, which needs no ring of its own, ends no watcher of another user's ended channel", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 40 * 4096, drainTimeoutMs: 30_000 });
    rig.broadcast({ user: "a" }).send(opaque(300_000));
    const ended = rig.broadcast({ user: "b" });
    const slow = rig.watch({ user: "b", room: 10 });
    ended.send(opaque(120_000));
    ended.finish();
    rig.broadcast({ user: "c" }).send(opaque(200_000));
    expect(slow.ending).toBe("");
    rig.broadcast({ user: "a" });
    expect(slow.ending).toBe("");
  });

  test("max_watchers_per_channel counts those that are there", () => {
    const rig = new Rig({ maxWatchersPerChannel: 2 });
    rig.broadcast();
    const first = rig.watch();
    rig.watch();
    expect(rig.refusal(() => rig.watch())).toBe("limit");
    first.watcher.leave();
    expect(rig.refusal(() => rig.watch())).toBeUndefined();
    rig.broadcast({ channel: "other" });
    expect(rig.refusal(() => rig.watch({ channel: "other" }))).toBeUndefined();
  });

  test("a broadcast's own limit of watchers is one for those that waited for it too, in the order of their coming", () => {
    const rig = new Rig({ maxWatchersPerChannel: 3 });
    const waiting = [1, 2, 3].map(() => rig.watch({ waitMs: 5000 }));
    const broadcaster = { channelPassword: "", bufsize: 0, dismissed: () => {} };
    rig.relay.broadcast("fier", "default", broadcaster, { maxWatchers: 1 });
    expect(waiting.map(({ ending }) => ending)).toEqual(["", "limit", "limit"]);
    expect(rig.refusal(() => rig.watch())).toBe("limit");
    // The next one has none of its own.
    rig.broadcast();
    expect(rig.refusal(() => rig.watch())).toBeUndefined();
  });

  test("max_backlog_total refuses a channel for which there is no memory, and leaves no trace of it", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 2 * 4096 });
    const first = rig.broadcast({ channel: "a" });
    rig.broadcast({ channel: "b" });
    expect(rig.refusal(() => rig.broadcast({ channel: "c" }))).toBe("limit");
    expect(rig.channels).toBe(2);
    const waiting = rig.watch({ channel: "d", waitMs: 5000 });
    expect(rig.refusal(() => rig.broadcast({ channel: "d" }))).toBe("limit");
    expect(waiting.ending).toBe("");
    first.finish();
    rig.broadcast({ channel: "d" }).send(opaque(10));
    expect(waiting.receivedBytes).toBe(10);
  });

  test("max_backlog_total bounds all rings together", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 100_000 });
    const senders = ["a", "b", "c"].map((channel) => rig.broadcast({ channel }));
    for (let at = 0; at < 300_000; at += 5000) {
      for (const sender of senders) sender.send(opaque(5000, at));
      expect(rig.relay.backlogBytes).toBeLessThanOrEqual(100_000);
    }
  });
});

describe("what is given back", () => {
  test("is all memory and every timer, when the last watcher of an ended channel goes", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const stuck = rig.watch({ room: 10 });
    sender.send(opaque(50_000));
    sender.finish();
    expect(rig.relay.backlogBytes).toBeGreaterThan(0);
    stuck.watcher.leave();
    expect(rig.relay.backlogBytes).toBe(0);
    rig.clock.advance(1000);
    expect(rig.clock.pending).toBe(0);
    expect(stuck.ending).toBe("");
  });

  test("is all of a channel whose hold ran out without a watcher", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    sender.send(opaque(50_000));
    sender.break(reset);
    rig.clock.advance(11_000);
    expect([rig.relay.backlogBytes, rig.channels, rig.clock.pending]).toEqual([0, 0, 0]);
  });

  test("is what one channel after the other took", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 80_000 });
    for (let i = 0; i < 20; i++) {
      const sender = rig.broadcast({ channel: `c${i}` });
      const watcher = rig.watch({ channel: `c${i}` });
      sender.send(opaque(70_000));
      sender.finish();
      expect(watcher.ending).toBe("orderly");
    }
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("is what was kept aside of a lapped unit, once it is not needed", () => {
    const rig = new Rig();
    const sender = rig.broadcast({ bufsize: 30_000 });
    const watcher = rig.watch({ room: 10 });
    for (let at = 0; at < 300_000; at += 1000) sender.send(opaque(1000, at));
    watcher.watcher.leave();
    const ring = rig.relay.backlogBytes;
    sender.finish();
    expect(ring).toBeGreaterThan(0);
    expect(rig.relay.backlogBytes).toBe(0);
  });
});

describe("a watcher that goes", () => {
  test("in the middle of a write to it is not written to or ended any more, and the others get everything", () => {
    for (const taken of [-1, 0, 10, 1000]) {
      const rig = new Rig();
      const sender = rig.broadcast();
      const watchers = Array.from({ length: 5 }, () => rig.watch());
      let writes = 0;
      const leaver = watchers[2];
      leaver.room = Math.max(0, taken);
      leaver.onWrite = () => {
        writes++;
        leaver.gone = taken < 0;
        leaver.watcher.leave();
      };
      sender.send(opaque(1000));
      sender.send(opaque(1000, 1000));
      sender.finish();
      expect(writes).toBe(1);
      expect(leaver.ending).toBe("");
      for (const other of watchers) {
        if (other === leaver) continue;
        expect(other.spans).toEqual([[0, 2000]]);
        expect(other.ending).toBe("orderly");
      }
      expect(rig.relay.backlogBytes).toBe(0);
    }
  });

  test("in the middle of its greeting is not written to any more", () => {
    for (const ended of [false, true]) {
      const rig = new Rig();
      const sender = rig.broadcast();
      const watcher = rig.watch({ greeting: "hello", room: 0 });
      sender.send(opaque(9000));
      if (ended) sender.finish();
      let writes = 0;
      watcher.onWrite = () => {
        writes++;
        watcher.watcher.leave();
      };
      watcher.give(1e9);
      expect(writes).toBe(1);
      expect(watcher.ending).toBe("");
    }
  });

  test("in the middle of its last write is not ended a second time", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch({ room: 10 });
    sender.send(opaque(9000));
    sender.finish();
    watcher.onWrite = () => watcher.watcher.leave();
    watcher.give(1e9);
    expect(watcher.ending).toBe("");
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("takes others with it, in the middle of a write to it, without harm to the rest", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watchers = Array.from({ length: 8 }, () => rig.watch());
    watchers[5].onWrite = () => {
      for (const i of [1, 5, 7]) watchers[i].watcher.leave();
    };
    for (let at = 0; at < 20_000; at += 1000) sender.send(opaque(1000, at));
    sender.finish();
    for (const i of [0, 2, 3, 4, 6]) {
      expect(watchers[i].spans).toEqual([[0, 20_000]]);
      expect(watchers[i].ending).toBe("orderly");
    }
    for (const i of [1, 5, 7]) expect(watchers[i].ending).toBe("");
  });

  test("unreported is written to no more, and does not hold an ended stream indefinitely", () => {
    const rig = new Rig({ drainTimeoutMs: 5000 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    watcher.gone = true;
    let writes = 0;
    watcher.onWrite = () => writes++;
    for (let i = 0; i < 10; i++) sender.send(opaque(10, i * 10));
    expect(writes).toBe(1);
    sender.finish();
    rig.clock.advance(6000);
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("twice, or after its end, is gone once", () => {
    const rig = new Rig();
    const sender = rig.broadcast();
    const watcher = rig.watch();
    const other = rig.watch();
    watcher.watcher.leave();
    watcher.watcher.leave();
    sender.send(opaque(10));
    sender.finish();
    other.watcher.leave();
    other.watcher.drained();
    expect([watcher.receivedBytes, other.receivedBytes]).toEqual([0, 10]);
  });

  test("a user's channels that are over and still owe bytes are no more than its channels may be, however fast they end", () => {
    const rig = new Rig({ maxChannelsPerUser: 2 });
    const stuck = [];
    for (let i = 0; i < 10; i++) {
      const sender = rig.broadcast({ channel: `c${i}` });
      sender.send(opaque(sniffedBytes));
      const watcher = rig.watch({ channel: `c${i}`, room: 10 });
      sender.send(opaque(20_000, sniffedBytes));
      sender.finish();
      stuck.push(watcher);
    }
    expect(stuck.map(({ ending }) => ending)).toEqual([...Array(8).fill("slow"), "", ""]);
    expect(rig.relay.backlogBytes).toBeLessThanOrEqual(2 * ringBytes);
  });

  test("a broadcast for which there is no memory takes that of channels that are over, the oldest first", () => {
    const rig = new Rig({ maxBacklogTotalBytes: 2 * ringBytes });
    const stuck = ["a", "b"].map((channel) => {
      const sender = rig.broadcast({ channel });
      sender.send(opaque(sniffedBytes));
      const watcher = rig.watch({ channel, room: 10 });
      for (let at = sniffedBytes; at < 2 * ringBytes; at += 1000) sender.send(opaque(1000, at));
      sender.finish();
      return watcher;
    });
    expect(rig.refusal(() => rig.broadcast({ user: "ann" }))).toBeUndefined();
    expect(stuck.map(({ ending }) => ending)).toEqual(["slow", ""]);
  });
});

describe("max_bitrate", () => {
  const maxBitrate = 80_000;

  test.each(["append", "fill"])("ends a broadcast that sends more, by %s, and holds its watchers", (way) => {
    const rig = new Rig({ maxBitrate });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    const send = (bytes: Uint8Array) => (way === "append" ? sender.send(bytes) : sender.pour(bytes));
    for (let second = 0; second < 30; second++) {
      send(opaque(10_000, second * 10_000));
      rig.clock.advance(1000);
    }
    // Ten seconds' worth may come at once, and no more.
    send(opaque(100_000, 300_000));
    expect(sender.dismissal).toBeUndefined();
    send(opaque(1000, 400_000));
    expect(sender.dismissal?.code).toBe("limit");
    expect(sender.dismissal?.message).toContain("80 kbit/s");
    sender.send(opaque(1000, 401_000));
    expect(watcher.receivedBytes).toBe(401_000);
    expect(watcher.ending).toBe("");
    // What was too much is paid back first.
    rig.clock.advance(5000);
    const back = rig.broadcast();
    back.send(opaque(sniffedBytes));
    expect(watcher.receivedBytes).toBe(401_000 + sniffedBytes);
    expect(back.dismissal).toBeUndefined();
    back.break(reset);
    rig.clock.advance(20_000);
    expect(watcher.ending).toBe("disconnected");
    expect(rig.relay.backlogBytes).toBe(0);
  });

  test("is a channel's, however often it is broadcast to", () => {
    const rig = new Rig({ maxBitrate, holdMs: 0 });
    for (let times = 0; times < 10; times++) {
      const sender = rig.broadcast();
      sender.send(opaque(10_000));
      expect(sender.dismissal).toBeUndefined();
      sender.finish();
    }
    expect(rig.channels).toBe(0);
    const sender = rig.broadcast();
    sender.send(opaque(1000));
    expect(sender.dismissal?.code).toBe("limit");
    // It comes back with time, and is forgotten then.
    rig.clock.advance(20_000);
    const later = rig.broadcast();
    later.send(opaque(100_000));
    expect(later.dismissal).toBeUndefined();
  });

  test("ends an append of more than it allows, however large, after its bytes have been passed on", () => {
    const rig = new Rig({ maxBitrate, holdMs: 0 });
    const sender = rig.broadcast();
    const watcher = rig.watch();
    sender.send(opaque(400_000));
    expect(sender.dismissal?.code).toBe("limit");
    expect([watcher.receivedBytes, watcher.ending]).toEqual([400_000, "limit"]);
    expect(rig.channels).toBe(0);
  });
});
