// Guessing at channel passwords is slow, and nothing else is slowed by it.

import { describe, expect, test } from "bun:test";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { type FakePeer, settled, TestServer } from "./peer.ts";

const wrong = { user: "fier", channel_password: "wrong", reply: "1" };
const right = { ...wrong, channel_password: "456" };

/** A server with a channel that has a password, and one that has none. */
async function guarded(): Promise<TestServer> {
  const server = new TestServer();
  await server.broadcast({ channel_password: "456" }, opaque(sniffedBytes));
  await server.broadcast({ channel: "open" }, opaque(sniffedBytes));
  return server;
}

async function watch(server: TestServer, address: string, fields: Record<string, string>): Promise<FakePeer> {
  const peer = server.connect(false, address);
  peer.request("watch", fields);
  await settled();
  return peer;
}

/** So many wrong passwords from there. */
async function fail(server: TestServer, address: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const peer = await watch(server, address, wrong);
    expect(peer.words()).toStartWith("|error,code=forbidden,message*=wrong channel password");
  }
}

function first(peer: FakePeer): string {
  return Buffer.from(peer.take().subarray(5, 7)).toString();
}

describe("a wrong channel password", () => {
  test("is answered at once a few times, then after a delay, as a wrong login is", async () => {
    const server = await guarded();
    await fail(server, "192.0.2.9", 11);
    for (const delayMs of [250, 500, 1000]) {
      const peer = await watch(server, "192.0.2.9", wrong);
      server.rig.clock.advance(delayMs - 1);
      await settled();
      expect(peer.take().length).toBe(0);
      server.rig.clock.advance(1);
      await settled();
      expect(peer.words()).toStartWith("|error,code=forbidden");
    }
  });

  test("of one network delays no other, and none where there is no password", async () => {
    const server = await guarded();
    await fail(server, "192.0.2.9", 11);
    const [other, open] = [
      await watch(server, "192.0.2.1", right),
      await watch(server, "192.0.2.9", { ...wrong, channel: "open" }),
    ];
    expect([first(other), first(open)]).toEqual(["ok", "ok"]);
    const known = await watch(server, "192.0.2.9", right);
    expect(known.take().length).toBe(0);
    server.rig.clock.advance(250);
    await settled();
    expect(first(known)).toBe("ok");
  });

  test("counts before it is answered: in parallel no more are looked at", async () => {
    const server = await guarded();
    const peers = Array.from({ length: 200 }, () => server.connect(false, "192.0.2.9"));
    for (const peer of peers) peer.request("watch", wrong);
    await settled();
    const words = peers.map((peer) => peer.words());
    expect(words.filter((text) => text.startsWith("|error,code=forbidden"))).toHaveLength(11);
    expect(words.filter((text) => text.startsWith("|error,code=limit"))).toHaveLength(200 - 11 - 16);
  });

  test("counts as well if it was given while the channel was waited for", async () => {
    const server = new TestServer();
    const waiting = Array.from({ length: 11 }, () => server.connect(false, "192.0.2.9"));
    for (const peer of waiting) peer.request("watch", { ...wrong, wait: "60" });
    await server.broadcast({ channel_password: "456" }, opaque(sniffedBytes));
    for (const peer of waiting) expect(peer.words()).toStartWith("|error,code=forbidden");
    const peer = await watch(server, "192.0.2.9", wrong);
    expect(peer.take().length).toBe(0);
    expect(
      server.lines.filter((line) => line.includes("watch of fier/default from 192.0.2.9 refused")),
    ).toHaveLength(1);
  });

  test("is none of a watcher that was there when the broadcaster changed it", async () => {
    const server = await guarded();
    const watching = await Promise.all(Array.from({ length: 20 }, () => watch(server, "192.0.2.9", right)));
    for (const peer of watching) expect(first(peer)).toBe("ok");
    await server.broadcast({ channel_password: "new" }, opaque(sniffedBytes));
    server.rig.clock.advance(10);
    for (const peer of watching) expect(peer.ends).toEqual(["reset"]);
    const again = await watch(server, "192.0.2.9", { ...right, channel_password: "new" });
    expect(first(again)).toBe("ok");
  });
});

describe("a watcher that waits for its answer", () => {
  test("is not looked at when it has gone, and hears that the server stops", async () => {
    const server = await guarded();
    await fail(server, "192.0.2.9", 11);
    const gone = await watch(server, "192.0.2.9", right);
    gone.die();
    const waiting = await watch(server, "192.0.2.9", right);
    waiting.session.stop();
    expect(waiting.words()).toStartWith("|error,code=shutting_down");
    server.rig.clock.advance(5000);
    await settled();
    expect([...server.rig.relay.channels].map((channel) => channel.watchers)).toEqual([0, 0]);
  });
});
