// Broadcasters that send faster than they are read: most of their bytes are not read by events.

import { describe, expect, test } from "bun:test";
import { Turns } from "../../src/relay/turns.ts";
import { floodBytes, Intake } from "../../src/session/intake.ts";
import { FakeClock } from "../relay/clock.ts";
import { opaque } from "../relay/streams.ts";
import { type FakePeer, settled, TestServer } from "./peer.ts";

const server = (changes: ConstructorParameters<typeof TestServer>[1] = {}) =>
  new TestServer({}, { backlogBytes: 8 * 2 ** 20, maxBacklogTotalBytes: 2 ** 26, ...changes });

/** Sends the next bytes: some by an event, and behind them so many that can be had without one. */
function flood(peer: FakePeer, from: number, event: number, behind: number): void {
  const bytes = opaque(event + behind, from);
  peer.flood = bytes.slice(event);
  peer.send(bytes.subarray(0, event));
}

/** Has each read past events take a millisecond. */
function slow(peer: FakePeer, clock: FakeClock): void {
  const receive = peer.receive.bind(peer);
  peer.receive = (...where) => {
    clock.spend(1);
    return receive(...where);
  };
}

describe("a flood", () => {
  test("is read past events, all of it in order, and then events have the rest", async () => {
    const at = server();
    const peer = await at.broadcast({ reply: "1" });
    const watcher = at.rig.watch();
    flood(peer, 0, 200_000, 3_000_000);
    expect(peer.paused).toBe(true);
    at.rig.clock.advance(0);
    expect(peer.paused).toBe(false);
    expect(peer.flood.length).toBeLessThan(floodBytes);
    const left = peer.flood;
    peer.flood = new Uint8Array(0);
    peer.send(left);
    peer.send(opaque(1000, 3_200_000));
    expect(watcher.receivedBytes).toBe(3_201_000);
    expect(Buffer.from(watcher.received).equals(opaque(3_201_000))).toBe(true);
    peer.fin();
    at.rig.clock.advance(0);
    expect(peer.words()).toBe("|ok|ok,bytes=3201000");
    expect(watcher.ending).toBe("orderly");
  });

  test("leaves others their turns", async () => {
    const at = server();
    const names = ["one", "other"];
    const peers = await Promise.all(names.map((channel) => at.broadcast({ channel })));
    const watchers = names.map((channel) => at.rig.watch({ channel }));
    const order: string[] = [];
    watchers.forEach((watcher, i) => {
      watcher.onWrite = () => order.push(names[i]);
    });
    for (const peer of peers) flood(peer, 0, 200_000, 6_000_000);
    order.length = 0;
    at.rig.clock.advance(0);
    for (const watcher of watchers) expect(watcher.receivedBytes).toBeGreaterThan(6_000_000);
    const changes = order.filter((name, i) => name !== order[i - 1]).length;
    expect(changes).toBeGreaterThanOrEqual(10);
  });

  test("is none where little lies ready, or little came", async () => {
    const at = server();
    const peer = await at.broadcast();
    flood(peer, 0, 200_000, floodBytes - 1);
    expect(peer.paused).toBe(false);
    flood(peer, 200_000, 1000, 3_000_000);
    expect(peer.paused).toBe(false);
    at.rig.clock.advance(0);
    expect(peer.flood.length).toBe(3_000_000);
  });

  test("of one that is replaced stops, and what it still sends is dropped", async () => {
    const at = server();
    const peer = await at.broadcast({ reply: "1" });
    const watcher = at.rig.watch();
    slow(peer, at.rig.clock);
    flood(peer, 0, 200_000, 6_000_000);
    at.rig.clock.fireNext();
    expect(peer.flood.length).toBeGreaterThan(floodBytes);
    const left = peer.flood.length;
    await at.broadcast({ reply: "1" }, opaque(1));
    expect(peer.words()).toStartWith("|ok|error,code=replaced");
    expect([peer.paused, peer.ends]).toEqual([false, ["fin"]]);
    peer.send(opaque(300_000));
    at.rig.clock.advance(2000);
    expect(peer.ends).toEqual(["fin", "close"]);
    expect([peer.flood.length, watcher.receivedBytes]).toEqual([left, 6_200_001 - left]);
  });

  test("whose connection breaks stops, and its watchers are held", async () => {
    const at = server();
    const peer = await at.broadcast();
    const watcher = at.rig.watch();
    slow(peer, at.rig.clock);
    flood(peer, 0, 200_000, 6_000_000);
    at.rig.clock.fireNext();
    expect(peer.flood.length).toBeGreaterThan(floodBytes);
    const left = peer.flood.length;
    // A reset ends a paused socket as well, and at once.
    peer.session.closed(new Error("ECONNRESET"));
    at.rig.clock.advance(0);
    expect([peer.flood.length, peer.paused, watcher.ending]).toEqual([left, false, ""]);
    at.rig.clock.advance(20_000);
    expect(watcher.ending).toBe("disconnected");
    expect(at.rig.clock.pending).toBe(0);
  });

  test("of more than max_bitrate is refused", async () => {
    const at = server({ maxBitrate: 1_000_000 });
    const peer = await at.broadcast({ reply: "1" });
    at.rig.watch();
    flood(peer, 0, 200_000, 6_000_000);
    at.rig.clock.advance(0);
    expect(peer.words()).toStartWith("|ok|error,code=limit");
    expect([peer.paused, peer.ends]).toEqual([false, ["fin"]]);
    expect(at.lines.at(-1)).toStartWith("fstream: warning: fier/default: broadcast from 192.0.2.1 ended: ");
  });

  test("in which something throws costs the connection, and leaves no turn behind", () => {
    const server = new TestServer();
    const peer = server.connect();
    const clock = new FakeClock();
    peer.flood = opaque(1_000_000);
    const turns = new Turns<{ turn(): void }>(clock, (one) => one.turn());
    const intake = new Intake(
      peer,
      { clock, turns, polling: server.services.polling },
      {
        take: (bytes) => bytes.length,
        fill: () => {
          throw new Error("a bug");
        },
      },
    );
    intake.look();
    expect(() => clock.advance(0)).toThrow("a bug");
    expect([peer.ends, clock.pending]).toEqual([["reset"], 0]);
  });

  test("that came during the login is read behind what came with the request", async () => {
    const at = server();
    const wait = Promise.withResolvers<void>();
    at.lookup = wait.promise;
    const peer = at.connect();
    const watcher = at.rig.watch({ waitMs: 60_000 });
    peer.flood = opaque(1_000_000, 300_000);
    peer.request("broadcast", { user: "fier", user_password: "123" }, opaque(300_000));
    wait.resolve();
    await settled();
    expect(peer.flood.length).toBe(1_000_000);
    at.rig.clock.advance(0);
    expect([peer.paused, peer.flood.length < floodBytes]).toEqual([false, true]);
    const { received } = watcher;
    expect(Buffer.from(received).equals(opaque(received.length))).toBe(true);
    expect(received.length).toBe(1_300_000 - peer.flood.length);
  });

  test("of many takes no more time than one before others have their turns", async () => {
    const at = server();
    const { clock } = at.rig;
    const peers = await Promise.all(["a", "b", "c", "d", "e"].map((channel) => at.broadcast({ channel })));
    for (const peer of peers) {
      slow(peer, clock);
      flood(peer, 0, 200_000, 6_000_000);
    }
    const left = () => peers.map((peer) => peer.flood.length);
    clock.fireNext();
    const changed = left().filter((length) => length < 6_000_000).length;
    expect(changed).toBe(1);
    for (let i = 0; i < 10; i++) clock.fireNext();
    expect(Math.max(...left())).toBeLessThan(6_000_000);
  });

  test("can end in order", async () => {
    const at = server();
    const peer = await at.broadcast({ reply: "1" });
    const watcher = at.rig.watch();
    flood(peer, 0, 200_000, 1_000_000);
    peer.fin();
    expect(watcher.ending).toBe("");
    at.rig.clock.advance(0);
    expect(watcher.ending).toBe("orderly");
  });
});
