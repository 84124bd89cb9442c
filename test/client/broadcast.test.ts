// A broadcast that goes through, and the ways in which one connection of it fails.

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Trust } from "../../src/client/trust.ts";
import { certificates } from "../certificates.ts";
import { broadcasting, keepSending, takeAll } from "./broadcasting.ts";
import { testClock } from "./clock.ts";
import { frameBytes, type Peer, standIn } from "./standin.ts";

setDefaultTimeout(60_000);

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

test("a server that does not answer for long is reported once, and one that has is not", async () => {
  const asked = Promise.withResolvers<Peer>();
  await using server = standIn((peer) => asked.resolve(peer));
  const { source, run, said } = broadcasting(server.address, { noticeMs: 10 });
  source.give("media");
  const peer = await asked.promise;
  while (said.length === 0) await Bun.sleep(1);
  source.end();
  await peer.finished;
  peer.fin();
  expect(await run).toBe("5 bytes, unconfirmed");
  expect(said).toEqual([
    `connected to ${server.address}, which has not answered yet (servers of the original protocol never do)`,
  ]);
});

test("a server whose answer is no reply has taken nothing, and is not tried again", async () => {
  for (const answer of ["220 mail.example ESMTP\r\n", "hello\n"]) {
    await using server = standIn(async (peer) => {
      await peer.send(answer);
      await peer.finished;
      peer.fin();
    });
    const { source, run } = broadcasting(server.address, { retryMs: 60_000 });
    source.give("media");
    source.end();
    expect([await run, server.requests.length]).toEqual(["failed", 1]);
  }
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

test("the page that a server says the channel has is passed on, if it is a web address", async () => {
  const pages = [];
  for (const url of ["https://relay.example/play/fier/default", "javascript:alert(1)"]) {
    await using server = standIn(async (peer) => {
      await peer.frame(`ok,url=${url}`);
      const bytes = await peer.finished;
      await peer.frame(`ok,bytes=${bytes.length}`);
      peer.fin();
    });
    const broadcast = broadcasting(server.address);
    broadcast.source.end();
    expect(await broadcast.run).toBe("done");
    pages.push(...new Set(broadcast.pages));
  }
  expect(pages).toEqual(["https://relay.example/play/fier/default"]);
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
  // Goes to the read that was under way; another one would follow at once.
  source.give("more");
  await source.read();
  await new Promise(setImmediate);
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

test("a flood of frames yields to timers", async () => {
  const frames = Buffer.concat(Array.from({ length: 50_000 }, () => frameBytes("ok,x=y")));
  await using server = standIn(async (peer) => {
    await keepSending(peer, frames);
  });
  const { source, run } = broadcasting(server.address);
  while (server.requests.length === 0) await Bun.sleep(1);
  // Each of these waits for an iteration of the event loop.
  for (let i = 0; i < 50; i++) await Bun.sleep(1);
  server.stop();
  source.end();
  expect(await run).toBe("disconnected");
});

test("a large input arrives whole at a server that reads slowly", async () => {
  const input = new Uint8Array(8_000_000).map((_, index) => index >> 8);
  let same = false;
  const paused = Promise.withResolvers<Peer>();
  await using server = standIn(async (peer) => {
    peer.pause();
    paused.resolve(peer);
    await takeAll(peer);
    same = peer.received().equals(input);
  });
  const { source, run } = broadcasting(server.address);
  for (let at = 0; at < input.length; at += 65_536) source.give(input.subarray(at, at + 65_536));
  source.end();
  const peer = await paused.promise;
  await source.heldUp();
  peer.resume();
  expect(await run).toBe("done");
  expect(same).toBe(true);
});

test("a confirmed broadcast is over once its server has closed: a watcher that comes next finds no channel that is live", async () => {
  const confirmed = Promise.withResolvers<Peer>();
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    const bytes = await peer.finished;
    await peer.frame(`ok,bytes=${bytes.length}`);
    await peer.delivered();
    confirmed.resolve(peer);
  });
  const { source, run } = broadcasting(server.address, { closeMs: 60_000 });
  source.give("media");
  source.end();
  const events: string[] = [];
  const over = run.then((result) => events.push(result));
  const peer = await confirmed.promise;
  for (let turns = 0; turns < 20; turns++) await Bun.sleep(1);
  events.push("closed");
  peer.fin();
  await over;
  expect(events).toEqual(["closed", "done"]);
});

test("a server that has confirmed a broadcast and does not close is not waited for long", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    const bytes = await peer.finished;
    await peer.frame(`ok,bytes=${bytes.length}`);
  });
  const { source, run } = broadcasting(server.address, { closeMs: 1 });
  source.end();
  expect(await run).toBe("done");
});
