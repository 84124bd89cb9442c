// A watcher that waits for a channel which is held, or ends before it has anything for it: the longer of the hold and of its
// own wait counts.

import { describe, expect, test } from "bun:test";
import { opaque } from "../relay/streams.ts";
import { okBytes, TestServer } from "./peer.ts";

/** A channel that is held for two seconds. */
async function held(changes: ConstructorParameters<typeof TestServer>[0] = {}) {
  const server = new TestServer(changes, { holdMs: 2000 });
  const sender = await server.broadcast({}, opaque(1000));
  sender.die();
  return server;
}

describe("a watcher of a held channel", () => {
  test("waits on when the hold ends in vain, and gets the stream that then begins", async () => {
    const server = await held();
    const watcher = server.watch({ wait: "10", reply: "1" });
    server.rig.clock.advance(5000);
    expect(watcher.ends).toEqual([]);
    expect(server.waiting.taken).toBe(1);
    await server.broadcast({}, opaque(300_000));
    expect(watcher.take().length).toBe(okBytes + 300_000);
    expect(server.waiting.taken).toBe(0);
  });

  test("waits no longer in all than it asked for", async () => {
    const server = await held();
    const watcher = server.watch({ wait: "10", reply: "1" });
    server.rig.clock.advance(9500);
    expect(watcher.ends).toEqual([]);
    server.rig.clock.advance(1000);
    expect(watcher.words()).toStartWith("|error,code=not_live");
    expect(server.waiting.taken).toBe(0);
    expect(server.rig.channels).toBe(0);
  });

  test("waits for as long as it is held if it asked for less", async () => {
    const server = await held();
    const watcher = server.watch({ wait: "1", reply: "1" });
    server.rig.clock.advance(1800);
    expect(watcher.ends).toEqual([]);
    await server.broadcast({}, opaque(300_000));
    expect(watcher.take().length).toBe(okBytes + 300_000);
  });

  test("is refused when the hold ends if there is no place to wait on", async () => {
    const server = await held({ maxWaiting: 1 });
    server.watch({ channel: "other", wait: "10" });
    const watcher = server.watch({ wait: "10", reply: "1" });
    expect(watcher.ends).toEqual([]);
    server.rig.clock.advance(3000);
    expect(watcher.words()).toStartWith("|error,code=limit");
    expect(server.waiting.taken).toBe(1);
  });

  test("that has sent its FIN by then makes room for another of its network", async () => {
    const server = await held({ maxWaiting: 8 });
    const dead = server.connect(false, "192.0.2.9");
    dead.request("watch", { user: "fier", wait: "3600" });
    dead.fin();
    server.rig.clock.advance(3000);
    expect(server.waiting.taken).toBe(1);
    const next = server.connect(false, "192.0.2.9");
    next.request("watch", { user: "fier", wait: "3600", reply: "1" });
    expect(next.ends).toEqual([]);
    expect(server.waiting.taken).toBe(1);
  });

  test("that has gone by then leaves nothing behind", async () => {
    const server = await held();
    server.watch({ wait: "10", reply: "1" }).die();
    server.rig.clock.advance(3000);
    expect(server.waiting.taken).toBe(0);
    expect(server.rig.channels).toBe(0);
  });

  test("is refused at once when the server stops", async () => {
    const server = await held();
    const watcher = server.watch({ wait: "10", reply: "1" });
    server.rig.relay.stop();
    expect(watcher.words()).toStartWith("|error,code=shutting_down");
  });
});
