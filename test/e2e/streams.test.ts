// Bytes through the whole program: complete, in order, to those they are for, at any speed.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { behindOk, deadlineMs, noise, Run, sha256, TestServer, until, watcherOkBytes } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

describe("a stream", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("reaches every watcher that waited for it, whole, and all end with 0", async () => {
    const bytes = noise(3_000_000);
    const watchers = [1, 2, 3].map(() => server.watch({}, "--wait"));
    await server.watched("fier/default", 3);
    const broadcaster = server.broadcast();
    for (let from = 0; from < bytes.length; from += 100_000) {
      await broadcaster.send(bytes.subarray(from, from + 100_000));
      const so = Math.max(0, from - 1_000_000);
      await until("the watchers keep up", () => watchers.every((watcher) => watcher.length >= so));
    }
    await broadcaster.finish();
    expect(await broadcaster.exit()).toBe(0);
    expect(broadcaster.bytes.length).toBe(0);
    for (const watcher of watchers) {
      expect(await watcher.exit()).toBe(0);
      expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    }
  });

  test("goes to its own channel's watchers and to no other's", async () => {
    const names = ["one", "two/with slash", "drei, vier", "канал"];
    const watchers = names.map((name) => server.watch({ fserv_arg_channel: name }, "--wait"));
    const stranger = server.watch({ fserv_arg_user: "ann", fserv_arg_channel: "one" }, "--wait");
    const annsBytes = noise(50_000, 99);
    for (const name of names) await server.watched(`fier/${name}`, 1);
    await server.watched("ann/one", 1);
    const broadcasters = names.map((name) => server.broadcast({ fserv_arg_channel: name }));
    const ann = server.broadcast({
      fserv_arg_user: "ann",
      fserv_arg_user_password: "abc",
      fserv_arg_channel: "one",
    });
    await Promise.all(broadcasters.map((run, index) => run.finish(noise(200_000, index + 1))));
    await ann.finish(annsBytes);
    for (const run of [...broadcasters, ann]) expect(await run.exit()).toBe(0);
    for (const [index, watcher] of watchers.entries()) {
      expect(await watcher.exit()).toBe(0);
      expect(sha256(watcher.bytes)).toBe(sha256(noise(200_000, index + 1)));
    }
    expect(await stranger.exit()).toBe(0);
    expect(sha256(stranger.bytes)).toBe(sha256(annsBytes));
  });

  test("of unknown bytes begins for a late joiner with the newest byte", async () => {
    const broadcaster = await server.dial();
    broadcaster.request("broadcast,user=fier,user_password=123,channel=late").send(noise(100_000));
    await server.says(/fier\/late: broadcast from/);
    const early = await server.dial();
    early.request("watch,user=fier,channel=late,start=1h");
    await early.received(100_000);
    const late = await server.dial();
    late.request("watch,user=fier,channel=late,reply=1");
    await late.received(7);
    broadcaster.send("the newest bytes");
    broadcaster.finish();
    expect(await late.ended()).toBe("fin");
    expect(behindOk(late.text)).toBe("the newest bytes");
    expect(await early.ended()).toBe("fin");
    expect(early.length).toBe(100_016);
  });

  test("of chunks begins for a late joiner with the first byte of one", async () => {
    const all = noise(1_000_000);
    const bytes = all.subarray(0, 12_345);
    const broadcaster = await server.dial();
    broadcaster.request("broadcast,user=fier,user_password=123,channel=chunks,bufsize=1000").send(bytes);
    await server.says(/fier\/chunks: broadcast from/);
    const early = await server.dial();
    early.request("watch,user=fier,channel=chunks,start=1h");
    await early.received(bytes.length);
    const late = await server.dial();
    late.request("watch,user=fier,channel=chunks");
    await late.received(345);
    expect(Buffer.compare(late.bytes, bytes.subarray(12_000))).toBe(0);
    const next = await server.dial();
    next.request("watch,user=fier,channel=chunks,start=next,reply=1");
    let sent = bytes.length;
    await until("the next chunk begins", () => {
      broadcaster.send(all.subarray(sent, sent + 100));
      sent += 100;
      return next.length > watcherOkBytes;
    });
    const first = Buffer.from(all).indexOf(next.bytes.subarray(watcherOkBytes));
    expect(first).toBeGreaterThan(12_000);
    expect(first % 1000).toBe(0);
    broadcaster.finish();
    for (const peer of [early, late, next]) expect(await peer.ended()).toBe("fin");
  });

  test("can be watched over TLS with the certificate pinned, and not with another one", async () => {
    const tls = `fstreams://127.0.0.1:${server.port("tls")}`;
    const bytes = noise(300_000, 5);
    const right = server.watch({ fserv_arg_channel: "tls" }, "--wait");
    const secure = new Run([tls, "watch", "--wait", "--fingerprint", server.fingerprint], {
      fserv_arg_user: "fier",
      fserv_arg_channel: "tls",
    });
    await server.watched("fier/tls", 2);
    const wrong = new Run([tls, "watch", "--fingerprint", "00".repeat(32)], {
      fserv_arg_user: "fier",
    });
    expect(await wrong.exit()).not.toBe(0);
    const broadcaster = server.broadcast({ fserv_arg_channel: "tls" });
    await broadcaster.finish(bytes);
    expect(await broadcaster.exit()).toBe(0);
    for (const run of [right, secure]) {
      expect(await run.exit()).toBe(0);
      expect(sha256(run.bytes)).toBe(sha256(bytes));
    }
  });
});
