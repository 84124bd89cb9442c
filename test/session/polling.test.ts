// Broadcasters that are polled: what they send arrives as with events, and so does their end.

import { beforeEach, expect, test } from "bun:test";
import { floodBytes } from "../../src/session/intake.ts";
import { Polling, type Readiness } from "../../src/session/polling.ts";
import { opaque } from "../relay/streams.ts";
import { type FakePeer, settled, TestServer } from "./peer.ts";

let server: TestServer;
let peer: FakePeer;

beforeEach(async () => {
  server = new TestServer({}, { backlogBytes: 1024 * 1024, maxBacklogTotalBytes: 16 * 1024 * 1024 });
  peer = await server.broadcast({ reply: "1" });
  peer.words();
});

const watched = (watcher: { readonly received: Uint8Array }) => Buffer.from(watcher.received);

test("what comes is read from the socket at a poll, and events bring the rest when polling stops", () => {
  const { polling } = server.services;
  const watcher = server.rig.watch();
  const bytes = opaque(300_000);
  peer.send(bytes.subarray(0, 10_000));
  polling.start();
  expect(peer.paused).toBe(true);
  peer.flood = bytes.subarray(10_000, 100_000);
  polling.poll(() => {});
  expect(peer.flood.length).toBe(0);
  polling.poll(() => {});
  polling.stop();
  expect(peer.paused).toBe(false);
  peer.send(bytes.subarray(100_000));
  server.rig.clock.advance(100);
  expect(watched(watcher)).toEqual(Buffer.from(bytes));
});

test("a broadcast that begins while others are polled is polled too", async () => {
  server.services.polling.start();
  const other = await server.broadcast({ channel: "other" });
  expect(other.paused).toBe(true);
  const watcher = server.rig.watch({ channel: "other" });
  other.flood = opaque(5000);
  server.services.polling.poll(() => {});
  server.rig.clock.advance(100);
  expect(watcher.receivedBytes).toBe(5000);
});

test("one whose end has come is left to events: they bring what came before it", async () => {
  const { polling } = server.services;
  const watcher = server.rig.watch();
  polling.start();
  peer.send("the last of it");
  peer.fin();
  await settled();
  expect(peer.words()).toBe("");
  polling.poll(() => {});
  expect(peer.paused).toBe(false);
  expect(peer.words()).toBe("|ok,bytes=14");
  server.rig.clock.advance(100);
  expect(watched(watcher).toString()).toBe("the last of it");
  expect(server.readiness.polled.size).toBe(0);
});

test("what came before an end is read before another can take over", async () => {
  const { polling } = server.services;
  const watcher = server.rig.watch();
  polling.start();
  peer.flood = opaque(5000);
  peer.fin();
  await settled();
  polling.poll(() => {});
  expect(peer.flood.length).toBe(0);
  await server.broadcast({}, opaque(1000, 5000));
  server.rig.clock.advance(100);
  expect(watched(watcher).subarray(0, 5000)).toEqual(Buffer.from(opaque(5000)));
});

test("one that breaks off, or is replaced, is not polled any more", async () => {
  const { polling } = server.services;
  polling.start();
  peer.die();
  polling.poll(() => {});
  expect(polling.size).toBe(0);
  const again = await server.broadcast({ reply: "1" });
  expect(polling.size).toBe(1);
  await server.broadcast({}, opaque(10));
  expect(again.words()).toContain("error,code=replaced");
  expect([again.paused, polling.size, server.readiness.polled.size]).toEqual([false, 1, 1]);
});

test("one that sends a flood is read in turns, and polled again when that is over", () => {
  const { polling } = server.services;
  const watcher = server.rig.watch();
  polling.start();
  peer.flood = opaque(3_000_000);
  polling.poll(() => {});
  expect(peer.flood.length).toBeGreaterThan(floodBytes);
  server.rig.clock.advance(100);
  expect(peer.flood.length).toBeLessThan(floodBytes);
  expect(peer.paused).toBe(true);
  polling.poll(() => {});
  expect(peer.flood.length).toBe(0);
  server.rig.clock.advance(100);
  expect(watcher.receivedBytes).toBe(3_000_000);
  polling.stop();
  expect(peer.paused).toBe(false);
});

test("a broadcast over TLS, whose bytes can't be had otherwise, goes on by events", async () => {
  const secure = server.connect(true);
  secure.request("broadcast", { user: "ann", user_password: "123" });
  await settled();
  server.services.polling.start();
  expect(secure.paused).toBe(false);
  const watcher = server.rig.watch({ user: "ann" });
  secure.send("as ever");
  server.rig.clock.advance(100);
  expect(watched(watcher).toString()).toBe("as ever");
});

test("one that waits to take over is not polled before it has", async () => {
  peer.send("on");
  const second = await server.broadcast({ reply: "1" });
  server.services.polling.start();
  expect(second.paused).toBe(false);
  second.send("first");
  expect(second.paused).toBe(true);
});

function broken(): never {
  throw new Error("a bug");
}

test("a bug in what is done for one is reported, and the others are polled", () => {
  const failures: unknown[] = [];
  const done: string[] = [];
  const readiness: Readiness = {
    add: () => true,
    remove: () => undefined,
    watchEvents: () => true,
    ignoreEvents() {},
    wait(_ms, readable, over) {
      over(1);
      readable(2);
      readable(3);
      return false;
    },
  };
  const polling = new Polling(readiness, (error) => failures.push(error));
  polling.add(1, { startPolling() {}, stopPolling: broken, poll: () => 0, pollLast() {} });
  polling.add(2, { startPolling() {}, stopPolling() {}, poll: broken, pollLast() {} });
  polling.add(3, { startPolling() {}, stopPolling() {}, poll: () => done.push("polled"), pollLast() {} });
  polling.start();
  polling.poll(() => done.push("brought"));
  expect(failures).toHaveLength(2);
  expect(done).toEqual(["brought", "polled", "brought"]);
  polling.add(1, { startPolling() {}, stopPolling: broken, poll: () => 0, pollLast() {} });
  expect(polling.wait(10)).toBe("bytes");
  expect(failures).toHaveLength(4);
});

test("what comes while it is waited for is read from the socket, and events bring the rest when that stops", () => {
  const { polling } = server.services;
  const watcher = server.rig.watch();
  const bytes = opaque(300_000);
  expect(polling.startWaiting()).toBe(false);
  server.readiness.isLoopKnown = true;
  peer.send(bytes.subarray(0, 10_000));
  expect(polling.startWaiting()).toBe(true);
  expect(peer.paused).toBe(true);
  expect(polling.wait(5)).toBe("nothing");
  peer.flood = bytes.subarray(10_000, 100_000);
  expect(polling.wait(5)).toBe("bytes");
  expect(peer.flood.length).toBe(0);
  server.readiness.hasEvents = true;
  peer.flood = bytes.subarray(100_000, 110_000);
  expect(polling.wait(5)).toBe("events");
  expect(peer.flood.length).toBe(0);
  polling.stopWaiting();
  expect([peer.paused, server.readiness.isLoopWatched]).toEqual([false, false]);
  peer.send(bytes.subarray(110_000));
  server.rig.clock.advance(100);
  expect(watched(watcher)).toEqual(Buffer.from(bytes));
});
