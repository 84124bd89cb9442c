import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { BroadcastClient, type Delivery } from "../../src/client/broadcast.ts";
import { dial } from "../../src/client/dial.ts";
import { Input } from "../../src/client/input.ts";
import { ChunkRejoin, JoinRejoin, type Rejoin } from "../../src/client/rejoin.ts";
import { Signal } from "../../src/client/signal.ts";
import type { Trust } from "../../src/client/trust.ts";
import { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { certificates } from "../certificates.ts";
import { type TestClock, testClock } from "./clock.ts";
import { frameBytes, type Peer, standIn } from "./standin.ts";

setDefaultTimeout(60_000);

/** An input that a test feeds. */
function feed() {
  const signal = new Signal();
  const state = { queue: [] as Uint8Array[], ended: false, reads: 0 };
  const reader = {
    async read(): Promise<{ done: boolean; value?: Uint8Array }> {
      state.reads++;
      while (state.queue.length === 0 && !state.ended) await signal.next();
      const value = state.queue.shift();
      return value === undefined ? { done: true } : { done: false, value };
    },
  };
  return {
    input: new Input(reader),
    reads: () => state.reads,
    give(bytes: string | Uint8Array) {
      state.queue.push(Buffer.from(bytes as Uint8Array));
      signal.notify();
    },
    end() {
      state.ended = true;
      signal.notify();
    },
    /** Resolves when everything given was read. */
    async drained() {
      while (state.queue.length > 0) await Bun.sleep(1);
      await Bun.sleep(1);
    },
  };
}

interface Options {
  trust?: Trust;
  retryMs?: number;
  rejoin?: Rejoin;
  fetchToken?: () => Promise<string>;
  clock?: TestClock;
  confirmMs?: number;
}

function broadcasting(
  address: string,
  {
    trust = { type: "system" },
    retryMs = 0,
    rejoin = new JoinRejoin(),
    fetchToken,
    clock = testClock(),
    confirmMs,
  }: Options = {},
) {
  const source = feed();
  const said: string[] = [];
  const broadcaster = new BroadcastClient({
    dial: () => dial(parseAddress(address), trust),
    request: (token) =>
      encodeRequest("broadcast", [
        ["user", "fier"],
        ["token", token ?? ""],
        ["reply", "1"],
      ]),
    fetchToken,
    retryMs,
    ...(confirmMs === undefined ? {} : { confirmMs }),
    rejoin,
    input: source.input,
    clock,
    meter: undefined,
    say: (text) => said.push(text),
  });
  return { broadcaster, source, clock, said, run: settled(broadcaster.run()) };
}

/** The code that `promise` fails with, or "done". */
async function settled(promise: Promise<Delivery>): Promise<string> {
  return await promise.then(
    ({ confirmed, sent }) => (confirmed ? "done" : `${sent} bytes, unconfirmed`),
    (error: unknown) => {
      if (error instanceof FstreamError) return error.code;
      throw error;
    },
  );
}

/** The server's part of an orderly broadcast. */
async function takeAll(peer: Peer): Promise<void> {
  await peer.frame("ok");
  const bytes = await peer.finished;
  await peer.frame(`ok,bytes=${bytes.length}`);
  peer.fin();
}

/** Sends `bytes` again and again until the client has gone. */
async function keepSending(peer: Peer, bytes: Uint8Array): Promise<void> {
  const state = { open: true };
  void peer.gone.then(() => {
    state.open = false;
  });
  while (state.open) {
    await peer.send(bytes);
    await Bun.sleep(0);
  }
}

test("everything is sent, and it is done when the server has confirmed as many bytes", async () => {
  let got = "";
  await using server = standIn(async (peer) => {
    await takeAll(peer);
    got = peer.received().toString();
  });
  const { source, run } = broadcasting(server.address);
  source.give("one ");
  source.give("two");
  source.end();
  expect(await run).toBe("done");
  expect(got).toBe("one two");
});

test("the request leaves although the input has nothing yet, and media although the server says nothing", async () => {
  const asked = Promise.withResolvers<Peer>();
  await using server = standIn((peer) => asked.resolve(peer));
  const { source, run } = broadcasting(server.address);
  const peer = await asked.promise;
  source.give("media");
  await peer.until(5);
  expect(peer.received().toString()).toBe("media");
  source.end();
  await peer.finished;
  peer.fin();
  expect(await run).toBe("5 bytes, unconfirmed");
});

test("over TLS, which no original server speaks, what is not confirmed was not taken", async () => {
  await using server = standIn(
    async (peer) => {
      await peer.finished;
      peer.fin();
    },
    { tls: certificates.loopback },
  );
  const trust: Trust = { type: "fingerprint", sha256: certificates.loopback.sha256 };
  const { source, run } = broadcasting(`fstreams://${server.address}`, { trust });
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
});

test("a confirmation of fewer bytes is a broken connection", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.finished;
    await peer.frame("ok,bytes=4");
    peer.fin();
  });
  const { source, run } = broadcasting(server.address);
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
});

test("a server that has answered, but closes without confirming, has not taken everything", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.finished;
    peer.fin();
  });
  const { source, run } = broadcasting(server.address);
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
});

test("a server that closes before the input's end has broken the connection, and the input is left alone", async () => {
  await using server = standIn(async (peer) => {
    await peer.until(5);
    peer.fin();
  });
  const { source, run } = broadcasting(server.address);
  source.give("media");
  expect(await run).toBe("disconnected");
});

test("a server that hangs up at once is not taken for one that answers the end of a short broadcast", async () => {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end() },
  });
  const { source, run, clock } = broadcasting(`127.0.0.1:${listener.port}`, {
    clock: { ...testClock(), sleep: (ms) => Bun.sleep(ms) },
  });
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
  expect(clock.slept).toEqual([]);
  listener.stop(true);
});

test("a server that complains in TLS or HTTP is none, however it ends, and is not tried again", async () => {
  for (const complaint of ["\x15\x03\x01\0\x02\x02\x46", "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
    for (const end of ["fin", "reset", "none"] as const) {
      await using server = standIn(async (peer) => {
        await peer.send(Buffer.from(complaint, "latin1"));
        await peer.delivered();
        if (end === "fin") peer.fin();
        if (end === "reset") peer.reset();
      });
      const { source, run } = broadcasting(server.address, { retryMs: 60_000 });
      source.give("media");
      if (end === "fin") source.end();
      expect(await run).toBe("failed");
      expect(server.requests.length).toBe(1);
    }
  }
});

test("an error frame in mid-stream ends it with the server's code, and the input is read no further", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.until(5);
    await peer.frame("error,code=replaced,message*=replaced");
  });
  const { source, run } = broadcasting(server.address, { retryMs: 60_000 });
  source.give("media");
  expect(await run).toBe("replaced");
  const before = source.reads();
  source.give("more");
  await Bun.sleep(5);
  expect(source.reads()).toBe(before);
  expect(server.requests.length).toBe(1);
});

test("a connection that breaks after the end was sent, but before it was confirmed, is an error", async () => {
  await using server = standIn(async (peer) => {
    await peer.finished;
    peer.reset();
  });
  const { source, run } = broadcasting(server.address);
  source.give("media");
  source.end();
  expect(await run).toBe("disconnected");
});

test("without a retry a refused connection is the end", async () => {
  const server = standIn(() => undefined);
  server.stop();
  expect(await broadcasting(server.address).run).toBe("disconnected");
});

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
  await source.drained();
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
  expect(await run).toBe("done");
  expect(parts).toEqual(["000011", "3333"]);
  expect(said[0]).toContain("reset; trying again");
});

test("opaque data go on at the next byte, and a retry's patience is renewed by what works for long enough", async () => {
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

test("a retry that is in vain for its duration ends with what stood in the way", async () => {
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
    sendable: (bytes) => [bytes],
    rest: () => [],
  };
  const { source, run, clock } = broadcasting(server.address, { retryMs: Number.POSITIVE_INFINITY, rejoin });
  while (server.requests.length < 2) await Bun.sleep(1);
  source.give("dropped");
  await source.drained();
  clock.advance(15_000);
  source.give("sent");
  source.end();
  expect(await run).toBe("done");
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

test("each connection gets a token of its own, and a refused one is fetched again without losing a byte", async () => {
  for (const retryMs of [0, 60_000]) {
    const tokens: string[] = [];
    let got = "";
    await using server = standIn(async (peer) => {
      if (peer.number < 3) {
        await peer.until(5);
        await peer.frame("error,code=unauthorized,message*=no");
        peer.fin();
        return;
      }
      await takeAll(peer);
      got = peer.received().toString();
    });
    const { source, run, clock } = broadcasting(server.address, {
      retryMs,
      // Opaque: what was dropped would be missing.
      rejoin: new ChunkRejoin(1),
      fetchToken: async () => {
        await Bun.sleep(0);
        source.give(`, before token ${tokens.length + 1}`);
        await source.drained();
        tokens.push(`t${tokens.length + 1}`);
        return tokens[tokens.length - 1];
      },
    });
    source.give("media");
    while (server.requests.length < 3) await Bun.sleep(1);
    source.give(", and more");
    source.end();
    expect(await run).toBe("done");
    expect(got).toBe("media, before token 1, before token 2, before token 3, and more");
    expect(server.requests).toEqual(
      ["t1", "t2", "t3"].map((token) => `broadcast,user=fier,token=${token},reply=1`),
    );
    // The last connection may sleep for its server's first word as well.
    expect(clock.slept.slice(0, 2)).toEqual([100, 200]);
  }
});

test("a token that is refused again and again is refused for good", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("error,code=unauthorized,message*=no");
    peer.fin();
  });
  const { run } = broadcasting(server.address, { fetchToken: () => Promise.resolve("t") });
  expect(await run).toBe("unauthorized");
  expect(server.requests.length).toBe(5);
});

test("a token that was accepted is not fetched again, whatever is refused then", async () => {
  let fetched = 0;
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.delivered();
    await peer.frame("error,code=unauthorized,message*=no");
    peer.fin();
  });
  const { run } = broadcasting(server.address, { fetchToken: async () => `t${++fetched}` });
  expect(await run).toBe("unauthorized");
  expect([fetched, server.requests.length]).toEqual([1, 1]);
});

test("a token that is refused late is fetched no more often than one that is refused at once", async () => {
  const clock = testClock();
  let fetched = 0;
  await using server = standIn(async (peer) => {
    clock.advance(peer.number % 2 === 0 ? 4900 : 0);
    await peer.frame("error,code=unauthorized,message*=no");
    peer.fin();
  });
  const { run } = broadcasting(server.address, { clock, fetchToken: async () => `t${++fetched}` });
  expect(await run).toBe("unauthorized");
  expect(fetched).toBe(5);
});

test("a server that accepts and closes at once, again and again, is tried with growing pauses, and in vain", async () => {
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

test("a server that takes all and never confirms is in vain after the retry's time, though the input has ended", async () => {
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

test("a confirmation before the end is an error, though it is of all that was sent so far", async () => {
  for (const retryMs of [0, 60_000]) {
    await using server = standIn(async (peer) => {
      await peer.frame("ok");
      await peer.until(5);
      await peer.frame("ok,bytes=5");
      peer.fin();
    });
    const { source, run } = broadcasting(server.address, { retryMs });
    source.give("media");
    expect(await run).toBe("failed");
    source.give(" and more");
    source.end();
  }
});

test("a server that says nothing after the end, or anything but the confirmation, is not waited for without end", async () => {
  for (const chatty of [false, true]) {
    await using server = standIn(async (peer) => {
      await peer.frame("ok");
      await peer.finished;
      if (chatty) await keepSending(peer, frameBytes("ok,x=y"));
    });
    const { source, run } = broadcasting(server.address, { confirmMs: 200 });
    source.give("media");
    source.end();
    expect(await run).toBe("disconnected");
  }
});

test("a flood of frames leaves timers their turn", async () => {
  const frames = Buffer.concat(Array.from({ length: 50_000 }, () => frameBytes("ok,x=y")));
  await using server = standIn(async (peer) => {
    await keepSending(peer, frames);
  });
  const { source, run } = broadcasting(server.address);
  while (server.requests.length === 0) await Bun.sleep(1);
  // Each of these waits for a turn of the event loop.
  for (let i = 0; i < 50; i++) await Bun.sleep(1);
  server.stop();
  source.end();
  expect(await run).toBe("disconnected");
});

test("an input that always has more leaves timers their turn, while the server is away and while it takes it", async () => {
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

test("a password that is refused where the token is fetched is refused at once", async () => {
  await using server = standIn(() => undefined);
  const { run } = broadcasting(server.address, {
    retryMs: 60_000,
    fetchToken: () => Promise.reject(new FstreamError("unauthorized", "wrong")),
  });
  expect(await run).toBe("unauthorized");
  expect(server.requests.length).toBe(0);
});

test("a large input arrives whole at a server that reads slowly", async () => {
  const input = new Uint8Array(8_000_000).map((_, index) => index >> 8);
  let same = false;
  await using server = standIn(async (peer) => {
    peer.pause();
    await Bun.sleep(50);
    peer.resume();
    await takeAll(peer);
    same = peer.received().equals(input);
  });
  const { source, run } = broadcasting(server.address);
  for (let at = 0; at < input.length; at += 65_536) source.give(input.subarray(at, at + 65_536));
  source.end();
  expect(await run).toBe("done");
  expect(same).toBe(true);
});
