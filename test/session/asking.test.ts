// How a stream ended, for the watcher that asks: see src/session/ends.ts.

import { describe, expect, test } from "bun:test";
import { networkOf } from "../../src/auth/network.ts";
import { FstreamError } from "../../src/errors.ts";
import { EndRecords } from "../../src/session/endrecords.ts";
import { FakeClock } from "../relay/clock.ts";
import { ringBytes } from "../relay/rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "../relay/streams.ts";
import { idOf, okBytes, TestServer } from "./peer.ts";

describe("a watcher that asks how its stream ended", () => {
  test("learns that it was in order, and how many bytes were written to it", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    server.watch({ reply: "1" });
    sender.send(opaque(1234));
    sender.fin();
    expect(server.askEnd(1)).toBe("|ok,bytes=1234,skipped=0,reason=ended");
    // It may ask again.
    expect(server.askEnd(1)).toBe("|ok,bytes=1234,skipped=0,reason=ended");
  });

  test("finds the answer there as soon as it can see the end", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    let answer = "";
    const shutdown = watcher.shutdown.bind(watcher);
    watcher.shutdown = () => {
      answer = server.askEnd(1);
      shutdown();
    };
    sender.send(opaque(10));
    sender.fin();
    expect(answer).toBe("|ok,bytes=10,skipped=0,reason=ended");
  });

  test("is answered with the bytes that came in place of others, the header included", async () => {
    const server = new TestServer();
    const frames = Array.from({ length: 20 }, (_, i) => flvFrame(i * 40, i % 10 === 0, 500));
    const sender = await server.broadcast({}, flvHead, flvConfig(0), ...frames);
    const watcher = server.watch({ reply: "1" });
    const got = watcher.take().length - okBytes;
    expect(got).toBe(flvHead.length + flvConfig(0).length + 10 * 500);
    sender.fin();
    expect(server.askEnd(1)).toBe(`|ok,bytes=${got},skipped=0,reason=ended`);
  });

  test("is answered with what it was skipped over", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    const watcher = server.watch({ reply: "1" });
    watcher.room = 5000;
    for (let at = sniffedBytes; at < sniffedBytes + 2 * ringBytes; at += 1000) {
      sender.send(opaque(1000, at));
      server.rig.clock.advance(10);
    }
    watcher.read(1e9);
    const sent = sniffedBytes + 2 * ringBytes;
    sender.send(opaque(10, sent));
    sender.fin();
    const got = watcher.take().length - okBytes;
    const [skipped] = server.rig.skipped;
    expect(skipped).toBeGreaterThan(0);
    expect(server.askEnd(1)).toBe(`|ok,bytes=${got},skipped=${skipped},reason=ended`);
    // From where it joined, the end of what was settled, to the end of all.
    expect(got + skipped).toBeLessThanOrEqual(sent + 10);
  });

  test("learns why it was cut short", async () => {
    const server = new TestServer();
    const slow = await server.broadcast({ channel: "slow" });
    const gone = await server.broadcast({ channel: "gone" });
    const stopped = await server.broadcast({ channel: "stopped" });
    const late = server.watch({ channel: "slow", reply: "1", lag: "close" });
    server.watch({ channel: "gone", reply: "1" });
    server.watch({ channel: "stopped", reply: "1" });
    late.room = 100;
    slow.send(opaque(100_000));
    server.rig.clock.advance(5);
    gone.send(opaque(10));
    gone.die();
    server.rig.clock.advance(12_000);
    stopped.send(opaque(20));
    server.rig.relay.stop();
    expect(server.askEnd(1)).toBe("|ok,bytes=100,skipped=0,reason=slow");
    expect(server.askEnd(2)).toBe("|ok,bytes=10,skipped=0,reason=not_live");
    expect(server.askEnd(3)).toBe("|ok,bytes=20,skipped=0,reason=shutting_down");
  });

  test("learns nothing while the stream flows, of an id that there is not, or after a long time", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    server.watch({ reply: "1" });
    expect(server.askEnd(1)).toStartWith("|error,code=not_live");
    expect(server.askEnd(7)).toStartWith("|error,code=not_live");
    sender.send(opaque(10));
    sender.fin();
    server.rig.clock.advance(60_000);
    expect(server.askEnd(1)).toBe("|ok,bytes=10,skipped=0,reason=ended");
    server.rig.clock.advance(600_000);
    expect(server.askEnd(1)).toStartWith("|error,code=not_live");
  });

  test("is answered where a limit would refuse everything else", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    server.watch({ reply: "1" });
    sender.send(opaque(10));
    sender.fin();
    server.full = new FstreamError("limit", "the server is full");
    expect(server.askEnd(1)).toBe("|ok,bytes=10,skipped=0,reason=ended");
  });

  test("gets no id if it did not ask for replies, or was refused", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const plain = server.watch();
    const refused = server.watch({ channel: "none", reply: "1" });
    sender.send(opaque(10));
    sender.fin();
    expect(plain.take()).toEqual(opaque(10));
    expect(refused.words()).toStartWith("|error,code=not_live");
    expect(server.askEnd(1)).toStartWith("|error,code=not_live");
  });

  test("and goes itself leaves nothing behind", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    sender.send(opaque(10));
    watcher.die();
    sender.fin();
    expect(server.askEnd(1)).toStartWith("|error,code=not_live");
  });
});

const bounded = (network: (address: string) => string | undefined = networkOf) => {
  const clock = new FakeClock();
  return new EndRecords(
    { max: 6, maxPerNetwork: 2, networkOf: network, random: () => new Uint8Array(16) },
    clock,
  );
};
const ended = { bytes: 1, skipped: 0, end: { type: "orderly" } } as const;
const known = (ends: EndRecords, ids: readonly string[]) =>
  ids.filter((id) => {
    try {
      return ends.ask(id).length > 0;
    } catch {
      return false;
    }
  });

describe("ends", () => {
  test("of one network push out those of that network alone, the oldest first", () => {
    const ends = bounded();
    ends.keep("other", "192.0.2.1", ended);
    for (const id of ["a", "b", "c", "d"]) ends.keep(id, `2001:db8::${id}`, ended);
    expect(known(ends, ["other", "a", "b", "c", "d"])).toEqual(["other", "c", "d"]);
  });

  test("are bounded in all, the oldest go first, those of exempt addresses included", () => {
    const ids = Array.from({ length: 10 }, (_, i) => idOf(i));
    const networks = bounded();
    ids.forEach((id, i) => networks.keep(id, `192.0.2.${i}`, ended));
    const exempt = bounded(() => undefined);
    for (const id of ids) exempt.keep(id, "127.0.0.1", ended);
    expect(known(networks, ids)).toEqual(ids.slice(4));
    expect(known(exempt, ids)).toEqual(ids.slice(4));
  });

  test("have been asked for once all that are new were, or after a moment", async () => {
    const clock = new FakeClock();
    const ends = new EndRecords(
      { max: 6, maxPerNetwork: 6, networkOf, random: () => new Uint8Array(16) },
      clock,
    );
    await ends.asked();
    ends.keep("old", "192.0.2.1", ended);
    clock.advance(10_000);
    ends.keep("a", "192.0.2.1", ended);
    ends.keep("b", "192.0.2.1", ended);
    let done = false;
    const asked = ends.asked().then(() => {
      done = true;
    });
    ends.ask("a");
    await Promise.resolve();
    expect(done).toBe(false);
    ends.ask("b");
    await asked;
    expect(clock.pending).toBe(0);
    ends.keep("c", "192.0.2.1", ended);
    const waited = ends.asked();
    clock.advance(2000);
    await waited;
  });
});
