// A broadcaster that goes and comes back: whose watchers stay, for how long, and what they are told in the end.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { behindOk, deadlineMs, noise, Run, sha256, TestServer, until, watcherOkBytes } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";

/** Waits until so many bytes have come to a client. */
async function received(run: Run, length: number): Promise<void> {
  await until(`${length} bytes come`, () => run.length >= length);
}

describe("a broadcast", () => {
  let server: TestServer;
  beforeAll(async () => {
    // So much that no watcher here is ever lapped.
    server = await TestServer.start({ fstream: 'hold = "1h"\nbacklog = "128MiB"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("whose connection is reset keeps its watchers until it is back, and new ones wait", async () => {
    const channel = { fserv_arg_channel: "reset" };
    const bytes = noise(600_000, 11);
    const plain = await server.dial();
    plain.request("watch,user=fier,channel=reset,wait=60");
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/reset", 2);
    const broken = await server.dial();
    broken.request(`${login},channel=reset,reply=1`, "\n\n", bytes.subarray(0, 200_000));
    await received(watcher, 200_000);
    await plain.received(200_000);
    broken.reset();
    await server.says(/fier\/reset: broadcast interrupted after 200000 bytes/);
    const late = server.watch(channel);
    await server.watched("fier/reset", 3);
    const back = server.broadcast(channel);
    await back.finish(bytes.subarray(200_000));
    expect(await back.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    expect(await plain.ended()).toBe("fin");
    expect(sha256(plain.bytes)).toBe(sha256(bytes));
    expect(await late.exit()).toBe(0);
    expect(sha256(late.bytes)).toBe(sha256(bytes.subarray(200_000)));
  });

  test("that is reset while it sends as fast as it can keeps them too", async () => {
    const channel = { fserv_arg_channel: "flood" };
    const bytes = noise(100_000_000, 14);
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/flood", 1);
    const broken = await server.dial();
    broken.request(`${login},channel=flood,reply=1`, "\n\n", bytes);
    await received(watcher, 10_000_000);
    broken.reset();
    const [, count] = await server.says(/fier\/flood: broadcast interrupted after (\d+) bytes/);
    await received(watcher, Number(count));
    const back = server.broadcast(channel);
    await back.finish(bytes.subarray(0, 1000));
    expect(await back.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    const whole = Buffer.concat([bytes.subarray(0, Number(count)), bytes.subarray(0, 1000)]);
    expect(sha256(watcher.bytes)).toBe(sha256(whole));
  });

  test("whose process is killed keeps its watchers, again and again", async () => {
    const channel = { fserv_arg_channel: "killed" };
    const bytes = noise(400_000, 12);
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/killed", 1);
    for (let from = 0; from < 300_000; from += 100_000) {
      const killed = server.broadcast(channel);
      await killed.send(bytes.subarray(from, from + 100_000));
      await received(watcher, from + 100_000);
      killed.process.kill("SIGKILL");
      await killed.exit();
      const breaks = "fier/killed: broadcast interrupted after 100000 bytes";
      await until("the server has seen it", () => {
        return server.run.stderr.split(breaks).length - 1 === from / 100_000 + 1;
      });
    }
    const last = server.broadcast(channel);
    await last.finish(bytes.subarray(300_000));
    expect(await last.exit()).toBe(0);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stderr: "" });
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
  });

  test("that ends in order ends its watchers, however far behind, with every byte", async () => {
    const bytes = noise(12_000_000, 13);
    const slow = await server.dial();
    slow.request("watch,user=fier,channel=order,reply=1,wait=60");
    await server.watched("fier/order", 1);
    slow.pause();
    const watcher = server.watch({ fserv_arg_channel: "order" }, "--wait");
    await server.watched("fier/order", 2);
    const broadcaster = server.broadcast({ fserv_arg_channel: "order" });
    await broadcaster.finish(bytes);
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    slow.resume();
    expect(await slow.ended()).toBe("fin");
    expect(sha256(slow.bytes.subarray(watcherOkBytes))).toBe(sha256(bytes));
  });

  test("is taken over by the same user, and watchers get all of the old one first", async () => {
    const channel = { fserv_arg_channel: "taken" };
    const old = noise(12_000_000, 14);
    const fresh = noise(300_000, 15);
    const slow = await server.dial();
    slow.request("watch,user=fier,channel=taken,reply=1,wait=60");
    await server.watched("fier/taken", 1);
    slow.pause();
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/taken", 2);
    const first = server.broadcast(channel);
    await first.send(old);
    await received(watcher, old.length);
    const second = server.broadcast(channel);
    await second.send(fresh.subarray(0, 200_000));
    const replaced = await first.outcome();
    expect([replaced.status, replaced.stdout]).toEqual([3, ""]);
    expect(replaced.stderr).toMatch(
      /^fstream: error: the same user started another broadcast on this channel\nfstream: hint: .+\n$/,
    );
    slow.resume();
    await slow.received(7 + old.length + 200_000);
    await second.finish(fresh.subarray(200_000));
    expect(await second.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(await slow.ended()).toBe("fin");
    const whole = sha256(Buffer.concat([old, fresh]));
    expect(sha256(watcher.bytes)).toBe(whole);
    expect(sha256(slow.bytes.subarray(watcherOkBytes))).toBe(whole);
  });

  test("is not touched by another user's on a channel of the same name", async () => {
    const channel = { fserv_arg_channel: "same" };
    const watchers = ["fier", "ann"].map((user) =>
      server.watch({ ...channel, fserv_arg_user: user }, "--wait"),
    );
    await server.watched("fier/same", 1);
    await server.watched("ann/same", 1);
    const fier = server.broadcast(channel);
    await fier.send("of fier");
    const ann = server.broadcast({ ...channel, fserv_arg_user: "ann", fserv_arg_user_password: "abc" });
    await ann.send("of ann");
    await received(watchers[1], 6);
    await fier.finish(", all of it");
    await ann.finish(" too");
    for (const run of [fier, ann]) expect(await run.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect((await watchers[0].outcome()).stdout).toBe("of fier, all of it");
    expect((await watchers[1].outcome()).stdout).toBe("of ann too");
  });

  test("with another channel password closes the old one's watchers, but for those who know it", async () => {
    const channel = { fserv_arg_channel: "secret" };
    const wait = "channel=secret,wait=60";
    const plain = await server.dial();
    plain.request(`watch,user=fier,${wait},channel_password=old`);
    const knows = await server.dial();
    knows.request(`watch,user=fier,${wait},channel_password=new`);
    const watcher = server.watch({ ...channel, fserv_arg_channel_password: "old" }, "--wait");
    await server.watched("fier/secret", 3);
    const first = server.broadcast({ ...channel, fserv_arg_channel_password: "old" });
    await first.send("old");
    await received(watcher, 3);
    expect(await knows.ended()).toBe("fin");
    expect(knows.length).toBe(0);
    const second = server.broadcast({ ...channel, fserv_arg_channel_password: "new" });
    await second.send("new");
    expect((await first.outcome()).status).toBe(3);
    const cut = await watcher.outcome();
    expect([cut.status, cut.stdout]).toEqual([3, "old"]);
    expect(cut.stderr).toStartWith("fstream: error: the stream was cut short: ");
    expect(await plain.ended()).toBe("fin");
    expect(plain.text).toBe("old");
    await second.finish();
    expect((await second.outcome()).status).toBe(0);
  });
});

describe("over TLS", () => {
  test("a broadcast is held, taken over and ended as on the plain connection", async () => {
    const server = await TestServer.start({ fstream: 'hold = "1h"\nbacklog = "32MiB"' });
    const tls = `fstreams://127.0.0.1:${server.port("tls")}`;
    const pinned = ["--fingerprint", server.fingerprint];
    const call = (verb: string, ...flags: string[]) =>
      new Run([tls, verb, ...flags, ...pinned], { fserv_arg_user: "fier", fserv_arg_user_password: "123" });
    const bytes = noise(12_000_000, 16);
    const watcher = call("watch", "--wait");
    const plain = await server.dial();
    plain.request("watch,user=fier,wait=60");
    await server.watched("fier/default", 2);
    plain.pause();

    const killed = call("broadcast");
    await killed.send(bytes.subarray(0, 1000));
    await received(watcher, 1000);
    killed.process.kill("SIGKILL");
    await killed.exit();
    await server.says(/broadcast interrupted after 1000 bytes/);
    const replaced = call("broadcast");
    await replaced.send(bytes.subarray(1000, 6_000_000));
    await received(watcher, 6_000_000);
    const last = call("broadcast");
    await last.finish(bytes.subarray(6_000_000));
    expect(await replaced.exit()).toBe(3);
    expect(await last.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    plain.resume();
    expect(await plain.ended()).toBe("fin");
    expect(sha256(plain.bytes)).toBe(sha256(bytes));
    expect(await server.stop()).toBe(0);
  });
});

describe("a broadcaster that falls silent", () => {
  test("counts as gone after broadcaster_timeout, and its watchers are held", async () => {
    const server = await TestServer.start({ fstream: 'hold = "1h"\nbroadcaster_timeout = "500ms"' });
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 1);
    const silent = server.broadcast();
    await silent.send("something and ");
    const gone = await silent.outcome();
    expect([gone.status, gone.stdout]).toEqual([5, ""]);
    const back = server.broadcast();
    await back.finish("more");
    expect(await back.exit()).toBe(0);
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "something and more", stderr: "" });
    expect(await server.stop()).toBe(0);
  });
});

describe("a hold in vain", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ fstream: 'hold = "300ms"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("ends a watcher with all that came, and tells it that there should be more", async () => {
    const plain = await server.dial();
    plain.request("watch,user=fier,wait=60");
    const asking = await server.dial();
    asking.request("watch,user=fier,wait=60,reply=1");
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 3);
    const broken = await server.dial();
    broken.request(login, "\n\n", "all that came");
    await asking.received(20);
    await plain.received(13);
    broken.reset();
    expect(await plain.ended()).toBe("fin");
    expect(plain.text).toBe("all that came");
    expect(await asking.ended()).toBe("reset");
    expect(behindOk(asking.text)).toBe("all that came");
    const cut = await watcher.outcome();
    expect([cut.status, cut.stdout]).toEqual([5, "all that came"]);
    expect(cut.stderr).toStartWith("fstream: error: the stream was cut short: ");
  });

  test("ends in words for who has got nothing yet", async () => {
    const broken = await server.dial();
    broken.request(`${login},channel=early`, "\n\n", "x");
    await server.says(/fier\/early: broadcast from/);
    broken.reset();
    await server.says(/fier\/early: broadcast interrupted/);
    const watcher = server.watch({ fserv_arg_channel: "early" });
    const { status, stdout, stderr } = await watcher.outcome();
    expect([status, stdout]).toEqual([4, ""]);
    expect(stderr).toStartWith("fstream: error: the broadcast ended before there was anything to play\n");
  });
});

describe("without a hold", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ fstream: 'hold = "0s"\nhold_ended = "1h"\ntakeover = false' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("a broadcast that breaks off ends its watchers at once", async () => {
    const channel = { fserv_arg_channel: "broken" };
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/broken", 1);
    const broadcaster = server.broadcast(channel);
    await broadcaster.send("bytes");
    await received(watcher, 5);
    broadcaster.process.kill("SIGKILL");
    await broadcaster.exit();
    expect(await watcher.outcome()).toMatchObject({ status: 5, stdout: "bytes" });
    expect((await server.watch(channel).outcome()).status).toBe(4);
  });

  test("one that ended in order can be held for its return all the same", async () => {
    const channel = { fserv_arg_channel: "again" };
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/again", 1);
    for (const [text, length] of [
      ["first ", 6],
      ["second ", 13],
    ] as const) {
      const broadcaster = server.broadcast(channel);
      await broadcaster.finish(text);
      expect(await broadcaster.exit()).toBe(0);
      if (length === 6) await received(watcher, length);
    }
    const third = await server.dial();
    third.request(`${login},channel=again`, "\n\n", noise(300_000));
    await received(watcher, 13 + 300_000);
    expect(Buffer.from(watcher.bytes.subarray(0, 13)).toString()).toBe("first second ");
    third.reset();
    expect((await watcher.outcome()).status).toBe(5);
  });

  test("a second broadcast is refused where it may not take over, and disturbs none", async () => {
    const channel = { fserv_arg_channel: "mine" };
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/mine", 1);
    const first = await server.dial();
    first.request(`${login},channel=mine`, "\n\n", "one");
    await received(watcher, 3);
    const second = server.broadcast(channel);
    await second.send("two");
    const busy = await second.outcome();
    expect([busy.status, busy.stdout]).toEqual([6, ""]);
    expect(busy.stderr).toMatch(
      /^fstream: error: this channel already has a broadcaster\nfstream: hint: .*--retry/,
    );
    first.send(" and only");
    await received(watcher, 12);
    first.reset();
    expect(await watcher.outcome()).toMatchObject({ status: 5, stdout: "one and only" });
  });
});

describe("a server that is started again", () => {
  test("is found again by watch --retry and broadcast --retry", async () => {
    const before = noise(300_000, 21);
    const after = noise(200_000, 22);
    let server = await TestServer.start();
    const watcher = server.watch({}, "--wait", "--retry");
    await server.watched("fier/default", 1);
    const broadcaster = server.broadcast({}, "--retry");
    await broadcaster.send(before);
    await received(watcher, before.length);
    server = await server.restart();
    await server.says(/fier\/default: broadcast from .* started/);
    await server.watched("fier/default", 1);
    await broadcaster.send(after);
    await received(watcher, before.length + after.length);
    await broadcaster.finish();
    expect((await broadcaster.outcome()).status).toBe(0);
    watcher.process.kill("SIGTERM");
    expect(await watcher.exit()).toBe(143);
    expect(sha256(watcher.bytes)).toBe(sha256(Buffer.concat([before, after])));
    expect(await server.stop()).toBe(0);
  });
});
