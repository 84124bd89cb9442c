// What a broadcast does after its connection was lost: how long it tries, and where it goes on.

import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { BroadcastClient } from "../../src/client/broadcast.ts";
import { dial } from "../../src/client/dial.ts";
import { Input } from "../../src/client/input.ts";
import { ChunkRejoin, JoinRejoin, type Rejoin } from "../../src/client/rejoin.ts";
import { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { broadcasting, settled, takeAll } from "./broadcasting.ts";
import { testClock } from "./clock.ts";
import { standIn } from "./standin.ts";

setDefaultTimeout(60_000);

test("chunks: while disconnected the input is read and dropped, then it goes on with a whole chunk", async () => {
  const parts: string[] = [];
  let server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.until(6);
    parts.push(peer.received().toString());
    peer.reset();
  });
  const { port } = server;
  const { source, run, said, clock } = broadcasting(server.address, {
    retryMs: Number.POSITIVE_INFINITY,
    rejoin: new ChunkRejoin(4),
  });
  source.give("000011");
  while (parts.length === 0) await Bun.sleep(1);
  server.stop();
  while (clock.slept.length < 2) await Bun.sleep(1);
  source.give("112222");
  source.give("33");
  await source.taken();
  server = standIn(
    async (peer) => {
      await takeAll(peer);
      parts.push(peer.received().toString());
    },
    { port },
  );
  await using _server = server;
  while (server.requests.length === 0) await Bun.sleep(1);
  source.give("33");
  source.end();
  expect(await run).toBe("done, 6 bytes dropped");
  expect(parts).toEqual(["000011", "3333"]);
  expect(said[0]).toContain("reset; trying again");
});

test("opaque data go on at the next byte, and a retry's time begins anew after what worked for long enough", async () => {
  const noise = new Uint8Array(70_000).map((_, index) => (index * 7919) >> 3);
  const parts: Buffer[] = [];
  await using server = standIn(async (peer) => {
    if (peer.number === 3) {
      await takeAll(peer);
      parts.push(peer.received());
      return;
    }
    await peer.frame("ok");
    await peer.until(peer.number === 1 ? noise.length : 4);
    parts.push(peer.received());
    clock.advance(150);
    peer.reset();
  });
  const clock = testClock();
  const { source, run } = broadcasting(server.address, { retryMs: 150, clock });
  source.give(noise);
  while (server.requests.length < 2) await Bun.sleep(1);
  source.give("more");
  while (server.requests.length < 3) await Bun.sleep(1);
  source.give("last");
  source.end();
  expect(await run).toBe("done");
  expect(parts.map((part) => part.length)).toEqual([noise.length, 4, 4]);
  expect(parts[1].toString()).toBe("more");
  expect(parts[2].toString()).toBe("last");
  // The last connection may sleep for its server's first word as well.
  expect(clock.slept.slice(0, 2)).toEqual([100, 100]);
});

test("a retry without success for its duration ends with the last error", async () => {
  const server = standIn(() => undefined);
  server.stop();
  const { run, clock, said } = broadcasting(server.address, { retryMs: 600 });
  expect(await run).toBe("disconnected");
  expect(clock.slept).toEqual([100, 200, 300]);
  expect(said).toEqual([`connection refused by ${server.address}; trying again`]);
});

test("an input that ends while the server is away, with nothing left to send, ends it too", async () => {
  const server = standIn(() => undefined);
  server.stop();
  const { source, run, clock } = broadcasting(server.address, {
    retryMs: Number.POSITIVE_INFINITY,
    rejoin: new ChunkRejoin(4),
  });
  source.give("0000");
  source.end();
  expect(await run).toBe("disconnected");
  expect(clock.slept).toEqual([100]);
});

test("an input that ends while the server is away, with something left to send, gives the server 10 s", async () => {
  const server = standIn(() => undefined);
  server.stop();
  const { source, run, clock } = broadcasting(server.address, { retryMs: Number.POSITIVE_INFINITY });
  source.give("kept");
  source.end();
  expect(await run).toBe("disconnected");
  const [first, ...rest] = clock.slept;
  expect(first).toBe(100);
  expect(rest.reduce((sum, ms) => sum + ms)).toBe(10_000);
});

test("an empty input is a broadcast as well, for which the server is given its time", async () => {
  const before = standIn(() => undefined);
  before.stop();
  const { source, run, clock } = broadcasting(before.address, { retryMs: Number.POSITIVE_INFINITY });
  source.end();
  while (clock.slept.length < 3) await Bun.sleep(1);
  await using server = standIn(takeAll, { port: before.port });
  expect(await run).toBe("done");
  expect(server.requests.length).toBe(1);
});

test("what was kept for the server is sent when it is back, although the input has ended", async () => {
  const before = standIn(() => undefined);
  before.stop();
  const { source, run, clock } = broadcasting(before.address, { retryMs: Number.POSITIVE_INFINITY });
  source.give("kept");
  source.end();
  while (clock.slept.length < 2) await Bun.sleep(1);
  let got = "";
  await using _server = standIn(
    async (peer) => {
      await takeAll(peer);
      got = peer.received().toString();
    },
    { port: before.port },
  );
  expect(await run).toBe("done");
  expect(got).toBe("kept");
});

test("a stream without a join point goes on anywhere after 15 s", async () => {
  let got = "";
  await using server = standIn(async (peer) => {
    if (peer.number === 1) return peer.reset();
    await takeAll(peer);
    got = peer.received().toString();
  });
  const rejoin: Rejoin = {
    feed: () => undefined,
    start: (anywhere) => (anywhere ? [Buffer.from("<header>")] : undefined),
    startOffset: "dropped".length,
    sendable: (bytes) => [bytes],
    rest: () => [],
  };
  const { source, run, clock } = broadcasting(server.address, { retryMs: Number.POSITIVE_INFINITY, rejoin });
  while (server.requests.length < 2) await Bun.sleep(1);
  source.give("dropped");
  await source.taken();
  clock.advance(15_000);
  source.give("sent");
  source.end();
  expect(await run).toBe("done, 7 bytes dropped");
  expect(got).toBe("<header>sent");
});

test("an input that can't be read ends it as a failure, which a retry does not mend", async () => {
  await using server = standIn(takeAll);
  const broadcaster = new BroadcastClient({
    dial: () => dial(parseAddress(server.address), { type: "system" }),
    request: () => encodeRequest("broadcast", [["user", "fier"]]),
    fetchToken: undefined,
    retryMs: Number.POSITIVE_INFINITY,
    rejoin: new JoinRejoin(),
    input: new Input({ read: () => Promise.reject(new Error("EIO")) }),
    clock: testClock(),
    meter: undefined,
    say: () => undefined,
  });
  expect(await settled(broadcaster.run())).toBe("failed");
});

test("after a stop there is no further attempt", async () => {
  const server = standIn(() => undefined);
  server.stop();
  const { broadcaster, run, clock } = broadcasting(server.address, { retryMs: Number.POSITIVE_INFINITY });
  while (clock.slept.length < 2) await Bun.sleep(1);
  broadcaster.stop();
  expect(await run).toBe("disconnected");
});

test("a server that accepts and closes at once, again and again, is tried with growing pauses, and for the retry's time alone", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.delivered();
    peer.reset();
  });
  const { source, run, clock } = broadcasting(server.address, { retryMs: 3000 });
  source.give("media");
  expect(await run).toBe("disconnected");
  const pauses = clock.slept.filter((ms) => ms > 0);
  expect(pauses.slice(0, 4)).toEqual([100, 200, 400, 800]);
  expect(server.requests.length).toBeLessThan(8);
});

test("a server that takes all and never confirms is given up after the retry's time, though the input has ended", async () => {
  const clock = testClock();
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.finished;
    // Each time it is a while: nothing but a confirmation is a success now.
    clock.advance(5000);
    peer.fin();
  });
  const { source, run } = broadcasting(server.address, { retryMs: 3000, clock });
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
  expect(server.requests.length).toBeLessThan(5);
});

test("an input that always has more yields to timers, while the server is away and while it takes it", async () => {
  const piece = new Uint8Array(65_536);
  const endless = { read: () => Promise.resolve({ done: false, value: piece }) };
  const away = standIn(() => undefined);
  away.stop();
  let taken = 0;
  await using server = standIn(
    async (peer) => {
      await peer.until(10 * piece.length);
      taken = peer.receivedBytes();
      peer.reset();
    },
    { keep: false },
  );
  for (const [address, retryMs] of [
    [away.address, 300],
    [server.address, 0],
  ] as const) {
    const broadcaster = new BroadcastClient({
      dial: () => dial(parseAddress(address), { type: "system" }),
      request: () => encodeRequest("broadcast", [["user", "fier"]]),
      fetchToken: undefined,
      retryMs,
      rejoin: new JoinRejoin(),
      input: new Input(endless),
      clock: testClock(),
      meter: undefined,
      say: () => undefined,
    });
    expect(await settled(broadcaster.run())).toBe("disconnected");
  }
  expect(taken).toBeGreaterThan(0);
});

test("the time of a retry begins with the first attempt, and not when that has failed", async () => {
  const clock = testClock();
  let attempts = 0;
  const { run, said } = broadcasting("127.0.0.1:1", {
    retryMs: 2000,
    clock,
    fetchToken: async () => {
      attempts++;
      clock.advance(30_000);
      throw new FstreamError("disconnected", "no answer for 30 s");
    },
  });
  expect(await run).toBe("disconnected");
  expect([attempts, clock.slept, said]).toEqual([1, [], []]);
});
