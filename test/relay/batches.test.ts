// Watchers that are sent to by batches get what the others get.

import { expect, test } from "bun:test";
import type { FakeOutlet } from "./outlet.ts";
import { Rig } from "./rig.ts";

function bytesOf(length: number, first = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i * 7) & 0xff);
}

/** An opaque stream, and watchers of it that have all got its beginning. */
function crowd(watchers: number) {
  const rig = new Rig();
  const sender = rig.broadcast({ bufsize: 1 });
  const beginning = bytesOf(1000);
  const outlets = Array.from({ length: watchers }, () =>
    rig.watch({ start: { type: "next" }, isBatched: true }),
  );
  const sent: Uint8Array[] = [];
  const send = (bytes: Uint8Array) => {
    sent.push(bytes);
    sender.send(bytes);
    rig.clock.advance(100);
  };
  send(beginning);
  return { rig, sender, outlets, send, all: () => new Uint8Array(Buffer.concat(sent)) };
}

function expectAll(outlets: readonly FakeOutlet[], bytes: Uint8Array): void {
  for (const { received } of outlets) expect(received).toEqual(bytes);
}

test("all but the first bytes of many watchers go out by batches", () => {
  const { rig, outlets, send, all } = crowd(10);
  expect(rig.batch.sentPieces).toBe(0);
  send(bytesOf(2000, 1));
  send(bytesOf(3000, 2));
  expect(rig.batch.sentPieces).toBe(20);
  expect(rig.batch.problems).toEqual([]);
  expectAll(outlets, all());
  const [channel] = rig.relay.channels;
  expect(channel.bytesOut).toBe(10 * all().length);
});

test("a few are written to one by one", () => {
  const { rig, outlets, send, all } = crowd(3);
  send(bytesOf(2000, 1));
  expect(rig.batch.sentPieces).toBe(0);
  expectAll(outlets, all());
});

test("what lies in two segments goes out, too", () => {
  const { outlets, send, all } = crowd(5);
  send(bytesOf(4000, 1));
  send(bytesOf(9000, 2));
  expectAll(outlets, all());
});

test("a socket that takes a part of its piece is written to as usual, and reports when it has room", () => {
  const { rig, outlets, send, all } = crowd(5);
  const [slow, ...others] = outlets;
  slow.room = 500;
  send(bytesOf(2000, 1));
  expect(slow.receivedBytes).toBe(1500);
  expectAll(others, all());
  send(bytesOf(10, 2));
  expect(slow.receivedBytes).toBe(1500);
  slow.give(1e6);
  expectAll(outlets, all());
  expect(rig.batch.problems).toEqual([]);
});

test("one whose peer is gone is left out, and the others get everything", () => {
  const { rig, outlets, send, all } = crowd(5);
  const [gone, ...others] = outlets;
  gone.gone = true;
  send(bytesOf(2000, 1));
  gone.watcher.leave();
  send(bytesOf(2000, 2));
  expect(gone.receivedBytes).toBe(1000);
  expectAll(others, all());
  expect(rig.batch.problems).toEqual([]);
});

test("a stop ends them with every byte", () => {
  const { outlets, send, all, sender } = crowd(5);
  send(bytesOf(2000, 1));
  sender.finish();
  expectAll(outlets, all());
});

test("one without a socket of its own is written to", () => {
  const { rig, outlets, send, all } = crowd(5);
  const other = rig.watch({ start: { type: "next" } });
  const before = all().length;
  send(bytesOf(2000, 1));
  send(bytesOf(2000, 2));
  expectAll(outlets, all());
  expect(other.received).toEqual(all().subarray(before));
});
