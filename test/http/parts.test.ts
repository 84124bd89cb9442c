// Broadcasts that come in several requests, as GStreamer's souphttpclientsink sends them.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { contentRangeOf } from "../../src/http/parts.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import type { FakePeer } from "../session/peer.ts";
import { answerOf, basic, HttpTestServer } from "./requesting.ts";

/** A PUT with the bytes of `opaque` from `first` on, `length` in number, of which `sent` come. */
function part(
  server: HttpTestServer,
  first: number,
  length: number,
  more: { total?: number; query?: string; sent?: number; login?: string } = {},
): Promise<FakePeer> {
  const { total, query = "", sent = length, login = "fier:123" } = more;
  const range = `Content-Range: bytes ${first}-${first + length - 1}/${total ?? "*"}`;
  const ranged = first > 0 || total !== undefined ? [range] : [];
  return server.request(
    `PUT /broadcast/fier/default${query}`,
    [basic(login), `Content-Length: ${length}`, ...ranged],
    opaque(sent, first),
  );
}

describe("parts that follow each other", () => {
  test("are one broadcast, each answered for itself", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    for (let first = 0; first < 10_000; first += 1000) {
      expect(answerOf(await part(server, first, 1000)).body).toBe("1000 bytes\n");
      server.rig.clock.advance(first === 0 ? 1900 : 4900);
    }
    expect([watcher.ending, Buffer.from(watcher.received).equals(opaque(10_000))]).toEqual(["", true]);
    expect(server.lines.filter((line) => line.includes(" started"))).toHaveLength(1);
  });

  test("that come no more were a broken broadcast, as nothing says that all is there", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, sniffedBytes);
    await part(server, sniffedBytes, 1000);
    server.rig.clock.advance(14_000);
    expect(watcher.ending).toBe("");
    server.rig.clock.advance(2000);
    expect(watcher.ending).toBe("disconnected");
    expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("are over with the last of a total that is known", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, 1000, { total: 1500 });
    await part(server, 1000, 500, { total: 1500 });
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["orderly", 1500]);
  });

  test("may begin in the middle, where the first was lost for want of a login", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const unknown = await server.request("PUT /broadcast/fier/default", ["Content-Length: 500"], opaque(500));
    expect(answerOf(unknown).status).toBe(401);
    expect(answerOf(await part(server, 0, 0)).body).toBe("0 bytes\n");
    await part(server, 500, 500);
    await part(server, 1000, 500);
    expect([watcher.received, watcher.ending]).toEqual([opaque(1000, 500), ""]);
  });

  test("may overlap: what has come is not relayed twice", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, 1000);
    await part(server, 600, 900);
    await part(server, 1500, 10);
    expect(watcher.received).toEqual(opaque(1510));
  });

  test("may be sent again where one broke off", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, 1000);
    const broken = await part(server, 1000, 1000, { sent: 300 });
    broken.die();
    const short = await part(server, 1000, 1000, { sent: 200 });
    short.fin();
    await part(server, 1000, 1000);
    expect([watcher.received, watcher.ending]).toEqual([opaque(2000), ""]);
  });

  test("are floods too, but for what has come before", async () => {
    const server = new HttpTestServer({}, { backlogBytes: 8 * 2 ** 20, maxBacklogTotalBytes: 2 ** 26 });
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, 500_000);
    const peer = await part(server, 100_000, 1_000_000, { sent: 0 });
    const bytes = opaque(1_000_000, 100_000);
    peer.flood = bytes.slice(450_000);
    peer.send(bytes.subarray(0, 200_000));
    expect(peer.paused).toBe(false);
    peer.send(bytes.subarray(200_000, 450_000));
    server.rig.clock.advance(0);
    const left = peer.flood;
    expect(left.length).toBeLessThan(550_000);
    peer.flood = new Uint8Array(0);
    peer.send(left);
    expect(answerOf(peer).body).toBe("1000000 bytes\n");
    server.rig.clock.advance(100);
    expect(Buffer.from(watcher.received).equals(opaque(1_100_000))).toBe(true);
  });
});

describe("a part that does not follow", () => {
  test("begins another broadcast, for which watchers stay", async () => {
    for (const other of [{ first: 5000 }, { first: 2000, query: "?bufsize=10" }, { first: 0 }]) {
      const server = new HttpTestServer();
      await part(server, 0, 1000);
      await part(server, 1000, 1000);
      const watcher = server.rig.watch();
      await part(server, other.first, 100, other);
      server.rig.clock.advance(500);
      expect(watcher.ending).toBe("");
      expect(server.lines.filter((line) => line.includes(" started"))).toHaveLength(2);
    }
  });

  test("takes no channel from another user's", async () => {
    const server = new HttpTestServer();
    await part(server, 0, 1000);
    expect(answerOf(await part(server, 1000, 1000, { login: "ann:123" })).status).toBe(403);
    expect(answerOf(await part(server, 1000, 1000, { login: "fier:no" })).status).toBe(401);
    const watcher = server.rig.watch();
    await part(server, 1000, 1000);
    expect(watcher.receivedBytes).toBeGreaterThan(0);
  });

  test("may take the place of one that waits where takeovers are not allowed", async () => {
    const server = new HttpTestServer({}, { takeover: false });
    await part(server, 0, 1000);
    expect(answerOf(await part(server, 0, 1000)).status).toBe(200);
  });
});

describe("a whole that may have been the first part", () => {
  test("ends in order once no other comes", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    await part(server, 0, 1000);
    server.rig.clock.advance(1900);
    expect(watcher.ending).toBe("");
    server.rig.clock.advance(200);
    expect([watcher.ending, server.rig.clock.pending]).toEqual(["orderly", 0]);
  });

  test("ends at once when it is replaced, or the server stops", async () => {
    for (const way of ["replaced", "stopped"]) {
      const server = new HttpTestServer();
      await part(server, 0, 1000);
      if (way === "stopped") server.rig.relay.stop();
      else await server.broadcast();
      await part(server, 1000, 10);
      server.rig.clock.advance(60_000);
      expect(server.rig.clock.pending).toBeLessThanOrEqual(1);
    }
  });
});

const of = (value: string) => contentRangeOf(new Headers({ "Content-Range": value }));

test("a Content-Range is the place of a part, and nothing else", () => {
  expect(contentRangeOf(new Headers())).toBeUndefined();
  expect(of("bytes 0-0/1")).toEqual({ first: 0, last: 0, total: 1 });
  expect(of("Bytes 5-9/*")).toEqual({ first: 5, last: 9, total: undefined });
  const wrong = [
    "",
    "bytes */5",
    "bytes 5-4/*",
    "bytes 0-5/5",
    "bytes 0-/*",
    "items 0-1/2",
    "bytes 0-1",
    "bytes=0-1/2",
  ];
  for (const value of [...wrong, "bytes 1-9999999999999999/*", "bytes 0-1/2, bytes 2-3/4"]) {
    expect(() => of(value)).toThrow(FstreamError);
  }
});
