// When a broadcast takes the place of the one that is on: with its first byte, or after a while.

import { beforeEach, expect, test } from "bun:test";
import { opaque } from "../relay/streams.ts";
import { type FakePeer, settled, TestServer } from "./peer.ts";

let server: TestServer;
let first: FakePeer;

beforeEach(async () => {
  server = new TestServer();
  first = await server.broadcast({ reply: "1" }, opaque(10));
  expect(first.words()).toBe("|ok");
});

test("a broadcast that ends without a byte does not disturb the one that is on", async () => {
  const second = await server.broadcast({ reply: "1" });
  second.fin();
  await settled();
  expect(second.words()).toBe("|ok|ok,bytes=0");
  const silent = await server.broadcast();
  silent.fin();
  const killed = await server.broadcast({ reply: "1" });
  killed.die();
  server.rig.clock.advance(60_000);
  const watcher = server.watch();
  first.send("goes on");
  server.rig.clock.advance(100);
  expect(Buffer.from(watcher.take()).toString()).toEndWith("goes on");
  expect(first.ends).toEqual([]);
  expect(first.words()).toBe("");
});

test("a broadcast takes over with its first byte", async () => {
  const second = await server.broadcast({ reply: "1" });
  server.rig.clock.advance(1900);
  expect(first.ends).toEqual([]);
  second.send("a");
  expect(first.words()).toContain("|error,code=replaced,");
  expect(first.ends).toEqual(["fin"]);
  const watcher = server.watch();
  second.send("b");
  second.fin();
  server.rig.clock.advance(100);
  expect(Buffer.from(watcher.take()).toString()).toBe("ab");
  expect(second.words()).toBe("|ok|ok,bytes=2");
});

test("a broadcast that is still there after 2 s without a byte takes over", async () => {
  const second = await server.broadcast({ reply: "1" });
  server.rig.clock.advance(2000);
  expect(first.words()).toContain("|error,code=replaced,");
  second.fin();
  await settled();
  expect(second.words()).toBe("|ok|ok,bytes=0");
});

test("a broadcast that waits to take over is told that the server stops", async () => {
  const second = await server.broadcast({ reply: "1" });
  second.session.stop();
  expect(second.words()).toBe("|ok|error,code=shutting_down,message*=the server is shutting down");
});

test("a broadcast that waited is refused if the user has too many channels by then", async () => {
  server = new TestServer({}, { maxChannelsPerUser: 1 });
  first = await server.broadcast({}, opaque(10));
  const second = await server.broadcast({ reply: "1" });
  first.fin();
  server.rig.clock.advance(100);
  await server.broadcast({ channel: "other" }, opaque(10));
  second.send("a");
  expect(second.words()).toMatch(/\|error,code=limit,/);
  expect(second.ends).toEqual(["fin"]);
});

test("where a user may not take over, a second broadcast is refused at once", async () => {
  server = new TestServer({}, { takeover: false });
  await server.broadcast({}, opaque(10));
  const second = await server.broadcast({ reply: "1" });
  expect(second.words()).toMatch(/\|error,code=busy,/);
});
