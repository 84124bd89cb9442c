// Guessing at channel passwords is slow, and nothing else is slowed by it.

import { describe, expect, test } from "bun:test";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { type FakePeer, House, settled } from "./peer.ts";

const wrong = { user: "fier", channel_password: "wrong", reply: "1" };
const right = { ...wrong, channel_password: "456" };

/** A house with a channel that has a password, and one that has none. */
async function guarded(): Promise<House> {
  const house = new House();
  await house.broadcast({ channel_password: "456" }, opaque(sniffedBytes));
  await house.broadcast({ channel: "open" }, opaque(sniffedBytes));
  return house;
}

async function watch(house: House, address: string, fields: Record<string, string>): Promise<FakePeer> {
  const peer = house.connect(false, address);
  peer.request("watch", fields);
  await settled();
  return peer;
}

/** So many wrong passwords from there. */
async function fail(house: House, address: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const peer = await watch(house, address, wrong);
    expect(peer.words()).toStartWith("|error,code=forbidden,message*=wrong channel password");
  }
}

function first(peer: FakePeer): string {
  return Buffer.from(peer.take().subarray(5, 7)).toString();
}

describe("a wrong channel password", () => {
  test("is answered at once a few times, then after a delay, as a wrong login is", async () => {
    const house = await guarded();
    await fail(house, "192.0.2.9", 11);
    for (const delayMs of [250, 500, 1000]) {
      const peer = await watch(house, "192.0.2.9", wrong);
      house.rig.clock.advance(delayMs - 1);
      await settled();
      expect(peer.take().length).toBe(0);
      house.rig.clock.advance(1);
      await settled();
      expect(peer.words()).toStartWith("|error,code=forbidden");
    }
  });

  test("of one network delays no other, and none where there is no password", async () => {
    const house = await guarded();
    await fail(house, "192.0.2.9", 11);
    const [other, open] = [
      await watch(house, "192.0.2.1", right),
      await watch(house, "192.0.2.9", { ...wrong, channel: "open" }),
    ];
    expect([first(other), first(open)]).toEqual(["ok", "ok"]);
    const known = await watch(house, "192.0.2.9", right);
    expect(known.take().length).toBe(0);
    house.rig.clock.advance(250);
    await settled();
    expect(first(known)).toBe("ok");
  });

  test("counts before it is answered: in parallel no more are looked at", async () => {
    const house = await guarded();
    const peers = Array.from({ length: 200 }, () => house.connect(false, "192.0.2.9"));
    for (const peer of peers) peer.request("watch", wrong);
    await settled();
    const words = peers.map((peer) => peer.words());
    expect(words.filter((text) => text.startsWith("|error,code=forbidden"))).toHaveLength(11);
    expect(words.filter((text) => text.startsWith("|error,code=limit"))).toHaveLength(200 - 11 - 16);
  });

  test("counts as well if it was given while the channel was waited for", async () => {
    const house = new House();
    const waiting = Array.from({ length: 11 }, () => house.connect(false, "192.0.2.9"));
    for (const peer of waiting) peer.request("watch", { ...wrong, wait: "60" });
    await house.broadcast({ channel_password: "456" }, opaque(sniffedBytes));
    for (const peer of waiting) expect(peer.words()).toStartWith("|error,code=forbidden");
    const peer = await watch(house, "192.0.2.9", wrong);
    expect(peer.take().length).toBe(0);
    expect(house.lines.filter((line) => line.includes("watch of fier from 192.0.2.9 refused"))).toHaveLength(
      1,
    );
  });

  test("is none of a watcher that was there when the broadcaster changed it", async () => {
    const house = await guarded();
    const watching = await Promise.all(Array.from({ length: 20 }, () => watch(house, "192.0.2.9", right)));
    for (const peer of watching) expect(first(peer)).toBe("ok");
    await house.broadcast({ channel_password: "new" }, opaque(sniffedBytes));
    house.rig.clock.advance(10);
    for (const peer of watching) expect(peer.ends).toEqual(["reset"]);
    const again = await watch(house, "192.0.2.9", { ...right, channel_password: "new" });
    expect(first(again)).toBe("ok");
  });
});

describe("a watcher that waits for its answer", () => {
  test("is not looked at when it has gone, and hears that the server stops", async () => {
    const house = await guarded();
    await fail(house, "192.0.2.9", 11);
    const gone = await watch(house, "192.0.2.9", right);
    gone.die();
    const waiting = await watch(house, "192.0.2.9", right);
    waiting.session.stop();
    expect(waiting.words()).toStartWith("|error,code=shutting_down");
    house.rig.clock.advance(5000);
    await settled();
    expect([...house.rig.relay.channels].map((channel) => channel.watchers)).toEqual([0, 0]);
  });
});
