// How broadcasters and watchers end, and what the other end sees of it.

import { describe, expect, test } from "bun:test";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { House, okBytes, settled } from "./peer.ts";

describe("a broadcaster", () => {
  test("that asked for replies hears ok at once, and after its FIN how many bytes were taken", async () => {
    const house = new House();
    const peer = await house.broadcast({ reply: "1" }, opaque(1000));
    expect(peer.words()).toBe("|ok");
    peer.send(opaque(234, 1000));
    peer.fin();
    expect(peer.words()).toBe("|ok,bytes=1234");
    house.rig.clock.advance(0);
    // Both sides have ended: there is nothing to linger for.
    expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("that did not sees not a byte, and its FIN is an orderly end", async () => {
    const house = new House();
    const peer = await house.broadcast({}, opaque(1000));
    const watcher = house.rig.watch();
    peer.fin();
    expect(watcher.ending).toBe("orderly");
    expect(peer.take().length).toBe(0);
    expect(peer.ends[0]).toBe("fin");
  });

  test("that acknowledges the answer to its FIN has ended in order", async () => {
    const house = new House();
    const peer = await house.broadcast({ reply: "1" }, opaque(1000));
    const watcher = house.rig.watch();
    peer.unread = 20;
    peer.fin();
    house.rig.clock.advance(500);
    expect(watcher.ending).toBe("");
    peer.unread = 0;
    house.rig.clock.advance(700);
    expect(watcher.ending).toBe("orderly");
    expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("that answers with a reset was killed: its watchers are held for its return", async () => {
    const house = new House();
    const peer = await house.broadcast({ reply: "1" }, opaque(sniffedBytes));
    const watcher = house.rig.watch();
    peer.unread = 20;
    peer.fin();
    house.rig.clock.advance(20);
    peer.die();
    expect(watcher.ending).toBe("");
    const { asked } = peer;
    house.rig.clock.advance(5000);
    expect(peer.asked).toBe(asked);
    await house.broadcast({ reply: "1" }, opaque(5000));
    house.rig.clock.advance(60_000);
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["", 5000]);
  });

  test("that never acknowledges counts as broken after a while, and is reset", async () => {
    const house = new House();
    const peer = await house.broadcast({ reply: "1" }, opaque(1000));
    const watcher = house.rig.watch();
    peer.unread = 20;
    peer.fin();
    house.rig.clock.advance(8000);
    expect(peer.ends).toEqual(["reset"]);
    expect(watcher.ending).toBe("");
    house.rig.clock.advance(11_000);
    expect(watcher.ending).toBe("disconnected");
    expect(house.rig.clock.pending).toBe(0);
  });

  test("where the system does not tell what was acknowledged has ended in order if a second passes without an error", async () => {
    const house = new House();
    const [orderly, killed] = [
      await house.broadcast({ reply: "1", channel: "a" }),
      await house.broadcast({ reply: "1", channel: "b" }),
    ];
    const watchers = [house.rig.watch({ channel: "a" }), house.rig.watch({ channel: "b" })];
    for (const peer of [orderly, killed]) {
      peer.unread = undefined;
      peer.fin();
    }
    house.rig.clock.advance(500);
    killed.die();
    house.rig.clock.advance(600);
    expect(watchers.map((watcher) => watcher.ending)).toEqual(["orderly", ""]);
  });

  test("whose connection is reset counts as broken", async () => {
    const house = new House();
    const peer = await house.broadcast({}, opaque(1000));
    const watcher = house.rig.watch();
    peer.die();
    expect(watcher.ending).toBe("");
    house.rig.clock.advance(11_000);
    expect(watcher.ending).toBe("disconnected");
    expect([house.rig.channels, house.rig.clock.pending]).toEqual([0, 0]);
  });

  test("that is replaced hears it, if it asked for replies, and is closed", async () => {
    const house = new House();
    const asking = await house.broadcast({ reply: "1" });
    asking.take();
    const silent = await house.broadcast();
    expect(asking.words()).toStartWith("|error,code=replaced");
    expect(asking.ends).toEqual(["fin"]);
    await house.broadcast();
    expect(silent.take().length).toBe(0);
    expect(silent.ends).toEqual(["fin"]);
    silent.send(opaque(1000));
    house.rig.clock.advance(2100);
    expect([asking.ends.at(-1), silent.ends.at(-1)]).toEqual(["close", "close"]);
  });

  test("that is replaced while it waits for the answer to its FIN does not end the one that replaced it", async () => {
    const house = new House();
    const first = await house.broadcast({ reply: "1" }, opaque(sniffedBytes));
    first.unread = 20;
    first.fin();
    const second = await house.broadcast({ reply: "1" });
    const watcher = house.rig.watch();
    first.unread = 0;
    house.rig.clock.advance(10_000);
    expect(watcher.ending).toBe("");
    second.send(opaque(sniffedBytes));
    expect(watcher.receivedBytes).toBe(sniffedBytes);
  });

  test("that is silent for too long is reset", async () => {
    const house = new House({}, { broadcasterTimeoutMs: 5000 });
    const peer = await house.broadcast({ reply: "1" });
    house.rig.clock.advance(6000);
    expect(peer.ends).toEqual(["reset"]);
  });

  test("that sends more than max_bitrate on average is refused with limit, its watchers are held", async () => {
    const house = new House({}, { maxBitrate: 80_000 });
    const peer = await house.broadcast({ reply: "1" }, opaque(20_000));
    const watcher = house.rig.watch();
    for (let second = 0; second < 30; second++) {
      house.rig.clock.advance(1000);
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
    const house = new House();
    const peer = await house.broadcast({ reply: "1" });
    peer.take();
    house.rig.relay.stop();
    expect(peer.words()).toStartWith("|error,code=shutting_down");
    expect(peer.ends).toEqual(["fin"]);
  });
});

describe("a watcher", () => {
  test("that did not ask for replies sees the stream and a FIN, and not a byte of a frame", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch();
    sender.send(opaque(1000));
    sender.fin();
    expect(watcher.take()).toEqual(opaque(1000));
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("that did not ask for replies sees a FIN however its stream ends", async () => {
    for (const end of ["hold", "stop", "slow"] as const) {
      const house = new House();
      const sender = await house.broadcast();
      const watcher = house.watch(end === "slow" ? { lag: "close" } : {});
      sender.send(opaque(1000));
      if (end === "hold") sender.die();
      if (end === "stop") house.rig.relay.stop();
      if (end === "slow") {
        watcher.room = 0;
        sender.send(opaque(100_000, 1000));
      }
      house.rig.clock.advance(13_000);
      expect(watcher.take()).toEqual(opaque(1000));
      expect(watcher.ends).toEqual(["fin", "close"]);
    }
  });

  test("that asked for replies hears ok before the stream's first byte, and not while it waits", async () => {
    const house = new House();
    const watcher = house.watch({ reply: "1", wait: "60" });
    expect(watcher.take().length).toBe(0);
    const sender = await house.broadcast({}, opaque(1000));
    const bytes = watcher.take();
    expect(Buffer.from(bytes.subarray(0, okBytes)).toString()).toBe(`\0\0\0\x26\0ok,id=${"0".repeat(31)}1`);
    expect(bytes.subarray(okBytes)).toEqual(opaque(1000));
    sender.fin();
    expect(watcher.ends).toEqual(["fin"]);
    house.rig.clock.advance(2000);
    expect(watcher.ends).toEqual(["fin", "close"]);
  });

  test("that asked for replies and waited in vain hears not_live", () => {
    const house = new House({ maxWaitMs: 5000 });
    const watcher = house.watch({ reply: "1", wait: "999999999" });
    house.rig.clock.advance(4900);
    expect(watcher.take().length).toBe(0);
    house.rig.clock.advance(500);
    expect(watcher.words()).toStartWith("|error,code=not_live");
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("that asked for replies is reset when its stream is cut short, once it has acknowledged everything", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1" });
    sender.send(opaque(1000));
    sender.die();
    watcher.unread = 500;
    house.rig.clock.advance(12_000);
    expect(watcher.ends).toEqual([]);
    watcher.unread = 0;
    house.rig.clock.advance(700);
    expect(watcher.ends).toEqual(["reset"]);
    expect(watcher.take().length).toBe(okBytes + 1000);
    expect(house.rig.clock.pending).toBe(0);
  });

  test("that never acknowledges is reset after drain_timeout", async () => {
    const house = new House({ drainTimeoutMs: 20_000 });
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1" });
    sender.send(opaque(1000));
    watcher.unread = 500;
    house.rig.relay.stop();
    house.rig.clock.advance(19_000);
    expect(watcher.ends).toEqual([]);
    house.rig.clock.advance(1700);
    expect(watcher.ends).toEqual(["reset"]);
  });

  test("that goes while its last bytes are acknowledged is asked about no more", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1" });
    sender.send(opaque(1000));
    watcher.unread = 500;
    house.rig.relay.stop();
    house.rig.clock.advance(20);
    watcher.die();
    const { asked } = watcher;
    house.rig.clock.advance(1000);
    expect(watcher.asked).toBe(asked);
    expect(watcher.ends).toEqual([]);
  });

  test("that is too slow and asked to be closed then is reset at once", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1", lag: "close" });
    watcher.unread = 500;
    watcher.room = 10;
    sender.send(opaque(100_000));
    house.rig.clock.advance(5);
    expect(watcher.ends).toEqual(["reset"]);
  });

  test("that half-closes goes on being served", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch();
    watcher.fin();
    sender.send(opaque(1000));
    expect(watcher.take()).toEqual(opaque(1000));
    expect(watcher.ends).toEqual([]);
  });

  test("may send anything: it is dropped", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch();
    watcher.send(opaque(100_000));
    sender.send(opaque(10));
    expect(watcher.take()).toEqual(opaque(10));
  });

  test("that goes is off the channel, and does not come back with a drain", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch();
    watcher.room = 5;
    sender.send(opaque(10));
    watcher.die();
    watcher.session.drained();
    sender.send(opaque(10));
    expect(watcher.take()).toEqual(opaque(5));
    expect([...house.rig.relay.channels][0].watchers).toBe(0);
  });

  test("that is blocked gets the rest when it reads, and its end after that", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1" });
    watcher.room = 50;
    sender.send(opaque(1000));
    sender.fin();
    expect(watcher.ends).toEqual([]);
    watcher.read(2000);
    expect(watcher.take().subarray(okBytes)).toEqual(opaque(1000));
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("gets what it is owed when the server stops, and is reset then", async () => {
    const house = new House();
    const sender = await house.broadcast();
    const watcher = house.watch({ reply: "1" });
    const waiting = house.watch({ reply: "1", channel: "none", wait: "50" });
    watcher.room = 50;
    sender.send(opaque(1000));
    house.rig.relay.stop();
    expect(waiting.words()).toStartWith("|error,code=shutting_down");
    expect(watcher.ends).toEqual([]);
    watcher.read(2000);
    house.rig.clock.advance(10);
    expect(watcher.ends).toEqual(["reset"]);
    expect(watcher.take().subarray(okBytes)).toEqual(opaque(1000));
  });
});

describe("everything", () => {
  test("is given back when all have gone", async () => {
    const house = new House();
    const senders = await Promise.all(
      ["a", "b", "c"].map((channel) => house.broadcast({ channel, reply: "1" })),
    );
    const watchers = ["a", "a", "b", "c"].map((channel) => house.watch({ channel, reply: "1" }));
    for (const sender of senders) sender.send(opaque(20_000));
    watchers[0].die();
    senders[0].fin();
    senders[1].die();
    house.rig.relay.stop();
    await settled();
    house.rig.clock.advance(60_000);
    expect(house.rig.clock.pending).toBe(0);
    expect(house.rig.relay.backlogBytes).toBe(0);
    expect(house.rig.channels).toBe(0);
  });
});
