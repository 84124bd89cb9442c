// How broadcasters and watchers end, and what the other end sees of it.

import { describe, expect, test } from "bun:test";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { okBytes, settled, TestServer } from "./peer.ts";

describe("a broadcaster", () => {
  test("that asked for replies hears ok at once, and after its FIN how many bytes were taken", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ reply: "1" }, opaque(1000));
    expect(peer.words()).toBe("|ok");
    peer.send(opaque(234, 1000));
    peer.fin();
    expect(peer.words()).toBe("|ok,bytes=1234");
    server.rig.clock.advance(0);
    // Both sides have ended: there is nothing to linger for.
    expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("that did not sees not a byte, and its FIN is an orderly end", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({}, opaque(1000));
    const watcher = server.rig.watch();
    peer.fin();
    expect(watcher.ending).toBe("orderly");
    expect(peer.take().length).toBe(0);
    expect(peer.ends[0]).toBe("fin");
  });

  test("that acknowledges the answer to its FIN has ended in order", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ reply: "1" }, opaque(1000));
    const watcher = server.rig.watch();
    peer.unread = 20;
    peer.fin();
    server.rig.clock.advance(500);
    expect(watcher.ending).toBe("");
    peer.unread = 0;
    server.rig.clock.advance(700);
    expect(watcher.ending).toBe("orderly");
    expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("that answers with a reset was killed: its watchers are held for its return", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ reply: "1" }, opaque(sniffedBytes));
    const watcher = server.rig.watch();
    peer.unread = 20;
    peer.fin();
    server.rig.clock.advance(20);
    peer.die();
    expect(watcher.ending).toBe("");
    const { asked } = peer;
    server.rig.clock.advance(5000);
    expect(peer.asked).toBe(asked);
    await server.broadcast({ reply: "1" }, opaque(5000));
    server.rig.clock.advance(60_000);
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["", 5000]);
  });

  test("that never acknowledges counts as broken after a while, and is reset", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ reply: "1" }, opaque(1000));
    const watcher = server.rig.watch();
    peer.unread = 20;
    peer.fin();
    server.rig.clock.advance(8000);
    expect(peer.ends).toEqual(["reset"]);
    expect(watcher.ending).toBe("");
    server.rig.clock.advance(11_000);
    expect(watcher.ending).toBe("disconnected");
    expect(server.rig.clock.pending).toBe(0);
  });

  test("where the system does not tell what was acknowledged has ended in order if a second passes without an error", async () => {
    const server = new TestServer();
    const [orderly, killed] = [
      await server.broadcast({ reply: "1", channel: "a" }),
      await server.broadcast({ reply: "1", channel: "b" }),
    ];
    const watchers = [server.rig.watch({ channel: "a" }), server.rig.watch({ channel: "b" })];
    for (const peer of [orderly, killed]) {
      peer.unread = undefined;
      peer.fin();
    }
    server.rig.clock.advance(500);
    killed.die();
    server.rig.clock.advance(600);
    expect(watchers.map((watcher) => watcher.ending)).toEqual(["orderly", ""]);
  });

  test("whose connection is reset counts as broken", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({}, opaque(1000));
    const watcher = server.rig.watch();
    peer.die();
    expect(watcher.ending).toBe("");
    server.rig.clock.advance(11_000);
    expect(watcher.ending).toBe("disconnected");
    expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("that is replaced hears it, if it asked for replies, and is closed", async () => {
    const server = new TestServer();
    const asking = await server.broadcast({ reply: "1" });
    asking.take();
    const silent = await server.broadcast({}, opaque(1));
    expect(asking.words()).toStartWith("|error,code=replaced");
    expect(asking.ends).toEqual(["fin"]);
    await server.broadcast({}, opaque(1));
    expect(silent.take().length).toBe(0);
    expect(silent.ends).toEqual(["fin"]);
    silent.send(opaque(1000));
    server.rig.clock.advance(2100);
    expect([asking.ends.at(-1), silent.ends.at(-1)]).toEqual(["close", "close"]);
  });

  test("that is replaced while it waits for the answer to its FIN does not end the one that replaced it", async () => {
    const server = new TestServer();
    const first = await server.broadcast({ reply: "1" }, opaque(sniffedBytes));
    first.unread = 20;
    first.fin();
    const second = await server.broadcast({ reply: "1" }, opaque(1));
    const watcher = server.rig.watch();
    first.unread = 0;
    server.rig.clock.advance(10_000);
    expect(watcher.ending).toBe("");
    second.send(opaque(sniffedBytes));
    expect(watcher.receivedBytes).toBe(1 + sniffedBytes);
  });

  test("that is silent for too long is reset", async () => {
    const server = new TestServer({}, { broadcasterTimeoutMs: 5000 });
    const peer = await server.broadcast({ reply: "1" });
    server.rig.clock.advance(6000);
    expect(peer.ends).toEqual(["reset"]);
  });

  test("that sends more than max_bitrate on average is refused with limit, its watchers are held", async () => {
    const server = new TestServer({}, { maxBitrate: 80_000 });
    const peer = await server.broadcast({ reply: "1" }, opaque(20_000));
    const watcher = server.rig.watch();
    for (let second = 0; second < 30; second++) {
      server.rig.clock.advance(1000);
      peer.send(opaque(10_000));
    }
    expect(peer.words()).toBe("|ok");
    // Ten seconds' worth may come at once, and no more.
    peer.send(opaque(79_000));
    expect(peer.ends).toEqual([]);
    peer.send(opaque(2000));
    expect(peer.words()).toStartWith("|error,code=limit");
    expect(watcher.ending).toBe("");
  });

  test("hears that the server stops", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ reply: "1" });
    peer.take();
    server.rig.relay.stop();
    expect(peer.words()).toStartWith("|error,code=shutting_down");
    expect(peer.ends).toEqual(["fin"]);
  });
});

describe("a watcher", () => {
  test("that did not ask for replies sees the stream and a FIN, and not a byte of a frame", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch();
    sender.send(opaque(1000));
    sender.fin();
    expect(watcher.take()).toEqual(opaque(1000));
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("that did not ask for replies sees a FIN however its stream ends", async () => {
    for (const end of ["hold", "stop", "slow"] as const) {
      const server = new TestServer();
      const sender = await server.broadcast();
      const watcher = server.watch(end === "slow" ? { lag: "close" } : {});
      sender.send(opaque(1000));
      if (end === "hold") sender.die();
      if (end === "stop") server.rig.relay.stop();
      if (end === "slow") {
        watcher.room = 0;
        sender.send(opaque(100_000, 1000));
      }
      server.rig.clock.advance(13_000);
      expect(watcher.take()).toEqual(opaque(1000));
      expect(watcher.ends).toEqual(["fin", "close"]);
    }
  });

  test("that asked for replies hears ok before the stream's first byte, and not while it waits", async () => {
    const server = new TestServer();
    const watcher = server.watch({ reply: "1", wait: "60" });
    expect(watcher.take().length).toBe(0);
    const sender = await server.broadcast({}, opaque(1000));
    const bytes = watcher.take();
    expect(Buffer.from(bytes.subarray(0, okBytes)).toString()).toBe(`\0\0\0\x26\0ok,id=${"0".repeat(31)}1`);
    expect(bytes.subarray(okBytes)).toEqual(opaque(1000));
    sender.fin();
    expect(watcher.ends).toEqual(["fin"]);
    server.rig.clock.advance(2000);
    expect(watcher.ends).toEqual(["fin", "close"]);
  });

  test("that asked for replies and waited in vain hears not_live", () => {
    const server = new TestServer({ maxWaitMs: 5000 });
    const watcher = server.watch({ reply: "1", wait: "999999999" });
    server.rig.clock.advance(4900);
    expect(watcher.take().length).toBe(0);
    server.rig.clock.advance(500);
    expect(watcher.words()).toStartWith("|error,code=not_live");
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("that asked for replies is reset when its stream is cut short, once it has acknowledged everything", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    sender.send(opaque(1000));
    sender.die();
    watcher.unread = 500;
    server.rig.clock.advance(12_000);
    expect(watcher.ends).toEqual([]);
    watcher.unread = 0;
    server.rig.clock.advance(700);
    expect(watcher.ends).toEqual(["reset"]);
    expect(watcher.take().length).toBe(okBytes + 1000);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("that never acknowledges is reset after drain_timeout", async () => {
    const server = new TestServer({ drainTimeoutMs: 20_000 });
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    sender.send(opaque(1000));
    watcher.unread = 500;
    server.rig.relay.stop();
    server.rig.clock.advance(19_000);
    expect(watcher.ends).toEqual([]);
    server.rig.clock.advance(1700);
    expect(watcher.ends).toEqual(["reset"]);
  });

  test("that goes while its last bytes are acknowledged is asked about no more", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    sender.send(opaque(1000));
    watcher.unread = 500;
    server.rig.relay.stop();
    server.rig.clock.advance(20);
    watcher.die();
    const { asked } = watcher;
    server.rig.clock.advance(1000);
    expect(watcher.asked).toBe(asked);
    expect(watcher.ends).toEqual([]);
  });

  test("that is too slow and asked to be closed then is reset at once", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1", lag: "close" });
    watcher.unread = 500;
    watcher.room = 10;
    sender.send(opaque(100_000));
    server.rig.clock.advance(5);
    expect(watcher.ends).toEqual(["reset"]);
  });

  test("that half-closes goes on being served", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch();
    watcher.fin();
    sender.send(opaque(1000));
    expect(watcher.take()).toEqual(opaque(1000));
    expect(watcher.ends).toEqual([]);
  });

  test("may send anything: it is dropped", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch();
    watcher.send(opaque(100_000));
    sender.send(opaque(10));
    expect(watcher.take()).toEqual(opaque(10));
  });

  test("that goes is off the channel, and does not come back with a drain", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch();
    watcher.room = 5;
    sender.send(opaque(10));
    watcher.die();
    watcher.session.drained();
    sender.send(opaque(10));
    expect(watcher.take()).toEqual(opaque(5));
    expect([...server.rig.relay.channels][0].watchers).toBe(0);
  });

  test("that is blocked gets the rest when it reads, and its end after that", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    watcher.room = 50;
    sender.send(opaque(1000));
    sender.fin();
    expect(watcher.ends).toEqual([]);
    watcher.read(2000);
    expect(watcher.take().subarray(okBytes)).toEqual(opaque(1000));
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("gets what it is owed when the server stops, and is reset then", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch({ reply: "1" });
    const waiting = server.watch({ reply: "1", channel: "none", wait: "50" });
    watcher.room = 50;
    sender.send(opaque(1000));
    server.rig.relay.stop();
    expect(waiting.words()).toStartWith("|error,code=shutting_down");
    expect(watcher.ends).toEqual([]);
    watcher.read(2000);
    server.rig.clock.advance(10);
    expect(watcher.ends).toEqual(["reset"]);
    expect(watcher.take().subarray(okBytes)).toEqual(opaque(1000));
  });
});

describe("everything", () => {
  test("is given back when all have gone", async () => {
    const server = new TestServer();
    const senders = await Promise.all(
      ["a", "b", "c"].map((channel) => server.broadcast({ channel, reply: "1" })),
    );
    const watchers = ["a", "a", "b", "c"].map((channel) => server.watch({ channel, reply: "1" }));
    for (const sender of senders) sender.send(opaque(20_000));
    watchers[0].die();
    senders[0].fin();
    senders[1].die();
    server.rig.relay.stop();
    await settled();
    server.rig.clock.advance(60_000);
    expect(server.rig.clock.pending).toBe(0);
    expect(server.rig.relay.backlogBytes).toBe(0);
    expect(server.rig.channels).toBe(0);
  });
});
