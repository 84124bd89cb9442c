// What the settings limit: the one too many is refused with the reason, and no other peer notices.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { behindOk, deadlineMs, noise, type Peer, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const ok = "\0\0\0\x02\0ok";

/** Waits for the answer to a request that is refused. */
async function refusal(peer: Peer): Promise<string> {
  expect(await peer.ended()).toBe("fin");
  return decodeURIComponent(peer.text.slice(5));
}

/** So many connections that have said nothing yet. */
function idle(server: TestServer, count: number): Promise<Peer[]> {
  return Promise.all(Array.from({ length: count }, () => server.dial()));
}

describe("a limit", () => {
  test("on connections refuses watchers first, and does not count those that have asked for nothing yet", async () => {
    const server = await TestServer.start({ server: "max_connections = 20" });
    const live = await server.dial();
    live.request(`${login},reply=1`);
    await live.received(ok.length);
    const others = await idle(server, 17);
    for (const peer of others) peer.request("watch,user=ann,wait=60");
    await server.watched("ann/default", 17);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,reply=1,start=live");
    await watcher.received(ok.length);

    // The twentieth place is kept for broadcasters and tokens.
    const late = server.watch();
    const { status, stdout, stderr } = await late.outcome();
    expect([status, stdout]).toEqual([6, ""]);
    expect(stderr).toStartWith("fstream: error: the server is full\nfstream: hint: try again later");
    const token = server.call("token", { fserv_arg_user: "fier", fserv_arg_user_password: "123" });
    expect(await token.exit()).toBe(0);
    const second = await server.dial();
    second.request(`${login},channel=second,reply=1`);
    await second.received(ok.length);
    const third = await server.dial();
    third.request(`${login},channel=third,reply=1`);
    expect(await refusal(third)).toBe("error,code=limit,message*=the server is full");

    // The first of them have to make room.
    const silent = await idle(server, 100);
    const madeRoom = () => silent.filter(({ end }) => end === "reset").length;
    await until("those that are too many have made room", () => madeRoom() >= 100 - 64);
    const fourth = await server.dial();
    fourth.request(`${login},channel=fourth,reply=1`);
    expect(await refusal(fourth)).toBe("error,code=limit,message*=the server is full");
    others[0].reset();
    const room = await server.dial();
    room.request(`${login},channel=room,reply=1`);
    expect(Buffer.from(await room.received(ok.length)).toString()).toBe(ok);
    others.push(...silent, room);
    live.send("media").finish();
    expect(await watcher.ended()).toBe("fin");
    expect(behindOk(watcher.text)).toBe("media");

    for (const peer of [...others, second]) peer.reset();
    await until("there is room again", async () => (await server.watch().exit()) === 4);
    expect(server.run.stderr).not.toContain("fstream: error:");
    expect(await server.stop()).toBe(0);
  });

  test("on connections of one address does not count this machine's", async () => {
    const server = await TestServer.start({ server: "max_connections_per_ip = 1" });
    const watchers = ["a", "b", "c"].map(() => server.watch({}, "--wait"));
    await server.watched("fier/default", 3);
    const broadcaster = server.broadcast();
    await broadcaster.finish("media");
    expect(await broadcaster.exit()).toBe(0);
    for (const run of watchers) expect((await run.outcome()).stdout).toBe("media");
    expect(await server.stop()).toBe(0);
  });

  test("on waiting watchers refuses one too many, and does not count those that have a stream", async () => {
    const server = await TestServer.start({ server: "max_waiting = 2", fstream: 'max_wait = "1s"' });
    const live = await server.dial();
    live.request(`${login},channel=live,reply=1`);
    await live.received(ok.length);
    const watching = await idle(server, 3);
    for (const peer of watching) peer.request("watch,user=fier,channel=live,start=live,reply=1,wait=9");
    for (const peer of watching) await peer.received(ok.length);
    const waiting = await idle(server, 2);
    for (const peer of waiting) peer.request("watch,user=fier,reply=1,wait=99999999");
    await server.watched("fier/default", 2);
    const late = await server.dial();
    late.request("watch,user=ann,reply=1,wait=9");
    expect(await refusal(late)).toBe("error,code=limit,message*=too many watchers are already waiting");
    // No watcher waits longer than max_wait.
    for (const peer of waiting) {
      expect(await refusal(peer)).toBe("error,code=not_live,message*=no broadcast started on this channel");
    }
    const again = await server.dial();
    again.request("watch,user=ann,reply=1,wait=9");
    await server.watched("ann/default", 1);
    for (const peer of [...watching, live, again]) peer.reset();
    expect(await server.stop()).toBe(0);
  });

  test("on watchers of a channel refuses one too many, and has room when one has gone", async () => {
    const server = await TestServer.start({ fstream: "max_watchers_per_channel = 1" });
    const live = await server.dial();
    live.request(`${login},reply=1`);
    await live.received(ok.length);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,start=live,reply=1");
    await watcher.received(ok.length);
    const late = await server.watch().outcome();
    expect([late.status, late.stdout]).toEqual([6, ""]);
    expect(late.stderr).toStartWith("fstream: error: the channel is full\nfstream: hint: ");
    watcher.reset();
    const next = server.watch({ fserv_arg_start: "live" }, "--wait");
    await server.watched("fier/default", 2);
    live.send("media").finish();
    expect(await next.outcome()).toMatchObject({ status: 0, stdout: "media" });
    expect(await server.stop()).toBe(0);
  });

  test("on a user's channels counts each user alone, and a channel taken over once", async () => {
    const server = await TestServer.start({ fstream: "max_channels_per_user = 2" });
    const open = async (request: string) => {
      const peer = await server.dial();
      peer.request(`${request},reply=1`);
      await peer.received(ok.length);
      return peer;
    };
    const one = await open(`${login},channel=one`);
    const two = await open(`${login},channel=two`);
    const ann = await open("broadcast,user=ann,user_password=abc,channel=one");
    const again = await open(`${login},channel=two`);
    expect(await two.ended()).toBe("fin");
    expect(two.text).toStartWith(`${ok}\0\0\0`);
    expect(two.text).toContain("error,code=replaced,");
    const third = await server.dial();
    third.request(`${login},channel=three,reply=1`);
    expect(await refusal(third)).toBe("error,code=limit,message*=a user can have at most 2 channels live");
    one.finish();
    expect(await one.ended()).toBe("fin");
    const room = await open(`${login},channel=three`);
    for (const peer of [ann, again, room]) peer.reset();
    expect(await server.stop()).toBe(0);
  });

  test("on a broadcaster's bits ends the one that sends more, and allows a burst", async () => {
    // Ten seconds' worth may come at once.
    const server = await TestServer.start({ fstream: 'max_bitrate = 80000\nhold = "0s"' });
    const within = server.broadcast();
    await within.finish(noise(90_000));
    expect(await within.exit()).toBe(0);

    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 1);
    const above = server.broadcast();
    await above.send(noise(400_000));
    const { status, stdout, stderr } = await above.outcome();
    expect([status, stdout]).toEqual([6, ""]);
    expect(stderr).toStartWith("fstream: error: the bit rate is above the limit of 80 kbit/s\n");
    expect(stderr).toContain("fstream: hint: lower the encoder's bit rate");
    const cut = await watcher.outcome();
    expect([cut.status, cut.stderr]).toEqual([
      6,
      "fstream: error: the stream was cut short: the broadcast exceeded a limit of the server\n",
    ]);
    expect(await server.stop()).toBe(0);
  });

  test("on all backlogs together refuses a channel that there is no memory for", async () => {
    const server = await TestServer.start({ fstream: 'backlog = "64KiB"\nmax_backlog_total = "64KiB"' });
    const first = await server.dial();
    first.request(`${login},reply=1`).send(noise(300_000));
    await first.received(ok.length);
    await until("the backlog is full", async () => {
      const second = await server.dial();
      second.request(`${login},channel=second,reply=1`);
      await until("it is answered", () => second.length >= ok.length);
      const refused = second.text.includes("error,code=limit,");
      second.reset();
      return refused;
    });
    first.finish();
    expect(await first.ended()).toBe("fin");
    expect(first.text).toContain("ok,bytes=300000");
    const third = server.broadcast({ fserv_arg_channel: "third" });
    await third.finish("room again");
    expect(await third.exit()).toBe(0);
    expect(await server.stop()).toBe(0);
  });
});
