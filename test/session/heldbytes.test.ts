// What is kept of a connection that is paused: all of it, in order, up to a bound.

import { expect, test } from "bun:test";
import { HeldBytes, maxHeldBytes } from "../../src/session/heldbytes.ts";
import { dice } from "../protocol/dice.ts";
import { opaque } from "../relay/streams.ts";
import { settled, TestServer } from "./peer.ts";

test("bytes that are held come out as they went in", () => {
  const held = new HeldBytes();
  const roll = dice(1);
  const stream = opaque(50_000);
  const got: Uint8Array[] = [];
  for (let at = 0; at < stream.length || held.length > 0; ) {
    const next = stream.subarray(at, at + roll(700));
    expect(held.add(next)).toBe(true);
    at += next.length;
    const first = held.first(roll(700));
    got.push(first.slice());
    held.drop(first.length);
  }
  expect(Buffer.concat(got).equals(stream)).toBe(true);
});

test("no more than the bound is held", () => {
  const held = new HeldBytes();
  expect([held.add(new Uint8Array(maxHeldBytes)), held.add(new Uint8Array(1))]).toEqual([true, false]);
  expect(held.length).toBe(maxHeldBytes);
  held.drop(1);
  expect(held.add(new Uint8Array(1))).toBe(true);
});

test("a peer that sends more than that while its login is looked up is refused", async () => {
  const server = new TestServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.lookup = promise;
  const peer = await server.broadcast({ reply: "1" });
  // As over TLS, where what was read with the request is reported though the socket is paused.
  for (let i = 0; i < 20; i++) peer.session.data(new Uint8Array(maxHeldBytes / 16));
  expect(peer.words()).toStartWith("|error,code=bad_request,");
  expect(peer.ends).toEqual(["fin"]);
  resolve();
  await settled();
  expect(server.rig.channels).toBe(0);
});
