// Playback over a WebSocket, without a socket: what a watcher says and gets, and how it ends.

import { describe, expect, mock, spyOn, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { opcodes } from "../../src/http/frames.ts";
import { maxWordsASecond } from "../../src/http/websocketstages.ts";
import { ringBytes } from "../relay/rig.ts";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "../relay/streams.ts";
import { settled, TestServer } from "../session/peer.ts";
import { clientFrame, closePayload, joined, serverFrames } from "./clientframes.ts";
import { connectHttp, SocketPeer, upgradeRequest } from "./socketpeer.ts";

const path = "/watch/fier/default";
const { text, binary, close, ping } = opcodes;
const unknown = { type: "ok", container: "", media_type: "application/octet-stream", codecs: [] };
const flv = joined(
  flvHead,
  flvConfig(0),
  ...Array.from({ length: 10 }, (_, i) => flvFrame(i * 40, i === 0, 500)),
);

function watch(server: TestServer, first: object | null = {}, at = path): SocketPeer {
  return new SocketPeer(connectHttp(server), at, first);
}

describe("a watcher on a WebSocket", () => {
  test("is greeted with what the stream is, and gets it from its join point on", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({}, flv);
    const watcher = watch(server);
    expect(watcher.head).toStartWith("HTTP/1.1 101 Switching Protocols\r\n");
    expect(watcher.take()).toEqual([
      { type: "ok", container: "flv", media_type: "video/x-flv", codecs: ["h264"] },
    ]);
    expect(watcher.stream).toEqual(flv);
    sender.send(flvFrame(400, false, 300));
    expect([watcher.take(), watcher.stream.length]).toEqual([[], flv.length + 300]);
  });

  test("gets nothing while it waits, and then the stream from its first byte", async () => {
    const server = new TestServer();
    const watcher = watch(server, { wait: 10 });
    expect([watcher.take(), server.waiting.taken]).toEqual([[], 1]);
    const sender = await server.broadcast({}, opaque(100));
    expect([watcher.take(), server.waiting.taken]).toEqual([[], 1]);
    sender.send(opaque(sniffedBytes, 100));
    expect([watcher.take(), server.waiting.taken]).toEqual([[unknown], 0]);
    expect(watcher.stream).toEqual(opaque(sniffedBytes + 100));
  });

  test("gets a stream that ends before it is known what it is", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({}, opaque(100));
    const watcher = watch(server);
    sender.fin();
    expect(watcher.take()).toEqual([unknown, { type: "end", reason: "ended" }, "close 1000 ended"]);
    expect(watcher.stream).toEqual(opaque(100));
    expect(watcher.peer.ends[0]).toBe("fin");
  });

  test("gives a channel's password on this server's pages alone, as others' could guess at it", async () => {
    const server = new TestServer({ publicUrl: "https://relay.example" });
    await server.broadcast({ channel_password: "456" }, flv);
    const said = async (password: string, fields: Record<string, string>) => {
      const watcher = new SocketPeer(connectHttp(server), path, { channel_password: password }, fields);
      await settled();
      return (watcher.take()[0] as { type: string; message?: string }).message ?? "ok";
    };
    expect(await said("456", { Origin: "https://relay.example" })).toBe("ok");
    expect(await said("456", {})).toBe("ok");
    const guess = "only pages of this server can watch channels that are not public";
    for (const password of ["456", "457"]) {
      expect(await said(password, { Origin: "https://evil.example" })).toBe(guess);
      // A name that was made to lead here.
      const rebound = { Host: "evil.example", Origin: "https://evil.example" };
      expect(await said(password, rebound)).toBe(guess);
    }
  });

  test("says with its first message where it starts, and may say it in pieces", async () => {
    const server = new TestServer();
    await server.broadcast({ bufsize: "1000" }, opaque(5500));
    const watcher = watch(server, null);
    const frame = clientFrame({ opcode: text, payload: '{"start":"1h"}' });
    for (const byte of frame) watcher.peer.send(Uint8Array.of(byte));
    expect(watch(server).take()).toEqual([unknown]);
    watcher.take();
    expect(watcher.stream.length).toBe(5500);
  });

  test("names its channel in the path, with a slash in it as %2F", async () => {
    const server = new TestServer();
    await server.broadcast({ channel: "a/b c" }, opaque(sniffedBytes));
    expect(watch(server, {}, "/watch/fier/a%2Fb%20c").take()).toEqual([unknown]);
    expect(watch(server, {}, "/watch/fier/a").take()[0]).toMatchObject({ code: "not_live" });
  });

  test("goes on through its broadcaster's return", async () => {
    const server = new TestServer();
    const first = await server.broadcast({}, opaque(sniffedBytes));
    const watcher = watch(server);
    first.die();
    server.rig.clock.advance(5000);
    const second = await server.broadcast({}, opaque(sniffedBytes));
    second.send(opaque(1000, sniffedBytes));
    expect([watcher.take(), watcher.stream.length > sniffedBytes, watcher.peer.ends]).toEqual([
      [unknown],
      true,
      [],
    ]);
  });
});

describe("a slow watcher on a WebSocket", () => {
  test("skips as any other, and what it gets are whole frames", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({ bufsize: "100" }, opaque(1000));
    const watcher = watch(server);
    watcher.take();
    watcher.peer.room = 3000;
    for (let at = 1000; at < 3 * ringBytes; at += 1000) {
      sender.send(opaque(1000, at));
      server.rig.clock.advance(10);
    }
    expect(watcher.restBytes).toBeGreaterThan(0);
    watcher.peer.read(1e9);
    sender.send(opaque(1000, 3 * ringBytes));
    expect([watcher.take(), watcher.restBytes, server.rig.skipped.length]).toEqual([[], 0, 1]);
    // Whole chunks, wherever they are from.
    const { stream } = watcher;
    expect(stream.length % 100).toBe(0);
    expect(stream.subarray(-1000)).toEqual(opaque(1000, 3 * ringBytes));
  });

  test("that is to be closed is told why where that can be said, else reset", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({ bufsize: "100" }, opaque(1000));
    const watchers = [watch(server, { lag: "close" }), watch(server, { lag: "close" })];
    const [within, between] = watchers;
    for (const watcher of watchers) watcher.take();
    within.peer.room = 50;
    between.peer.room = 0;
    for (let at = 1000; at < 3 * ringBytes; at += 1000) {
      sender.send(opaque(1000, at));
      server.rig.clock.advance(10);
    }
    server.rig.clock.advance(10);
    expect(within.peer.ends).toEqual(["reset"]);
    between.peer.room = 1000;
    between.peer.session.drained();
    expect(between.take()).toEqual([{ type: "end", reason: "slow" }, "close 1008 slow"]);
  });
});

describe("a watcher on a WebSocket is refused", () => {
  test("where nothing is live", () => {
    const server = new TestServer();
    const watcher = watch(server);
    expect(watcher.take()).toEqual([
      { type: "error", code: "not_live", message: "fier is not broadcasting on channel default" },
      "close 1008 not_live",
    ]);
    expect(watcher.peer.ends).toEqual(["fin"]);
    expect(server.lines.join("\n")).toContain("watch of fier/default from 192.0.2.1 refused");
    server.rig.clock.advance(60_000);
    expect([watcher.peer.ends, server.rig.clock.pending]).toEqual([["fin", "close"], 0]);
  });

  test("with another password than the channel's, not with the right one", async () => {
    const server = new TestServer();
    await server.broadcast({ channel_password: "456" }, opaque(sniffedBytes));
    const [right, wrong, without] = [{ channel_password: "456" }, { channel_password: "457" }, {}].map(
      (first) => watch(server, first),
    );
    await settled();
    expect(right.take()).toEqual([unknown]);
    expect([wrong.take(), without.take()]).toEqual(
      ["wrong channel password", "this channel has a password"].map((message) => [
        { type: "error", code: "forbidden", message },
        "close 1008 forbidden",
      ]),
    );
  });

  test("over a limit, to be tried again later", async () => {
    const server = new TestServer();
    await server.broadcast();
    server.full = new FstreamError("limit", "the server is full");
    expect(watch(server).take()).toEqual([
      { type: "error", code: "limit", message: "the server is full" },
      "close 1013 limit",
    ]);
  });

  test("for a first message that makes no sense", () => {
    const server = new TestServer();
    expect(watch(server, { start: "soon" }).take()[0]).toMatchObject({
      code: "bad_request",
      message: "start must be join, next, live or a duration such as 10s",
    });
    const binaries = watch(server, null);
    binaries.send({ opcode: binary, payload: "{}" });
    expect(binaries.take()[0]).toMatchObject({
      code: "bad_request",
      message: "the first message is not text",
    });
  });

  test("without a first message in time, or when the server stops before it", () => {
    const server = new TestServer();
    const [silent, stopped] = [watch(server, null), watch(server, null)];
    stopped.peer.session.stop();
    expect(stopped.take()[0]).toMatchObject({ code: "shutting_down" });
    server.rig.clock.advance(9999);
    expect(silent.take()).toEqual([]);
    silent.send({ opcode: ping });
    server.rig.clock.advance(1);
    expect(silent.take()).toEqual([
      "pong",
      { type: "error", code: "bad_request", message: "timed out waiting for the first message" },
      "close 1008 bad_request",
    ]);
  });

  test("by a path without a channel, and by a request that is no whole upgrade", async () => {
    const server = new TestServer();
    const answer = async (request: string) => {
      const peer = connectHttp(server);
      peer.send(request);
      for (let turn = 0; turn < 10; turn++) await settled();
      return Buffer.from(peer.take()).toString();
    };
    expect(await answer(upgradeRequest("/watch/"))).toStartWith("HTTP/1.1 400 ");
    expect(await answer(upgradeRequest(path, { "Sec-WebSocket-Key": "x" }))).toStartWith("HTTP/1.1 400 ");
    const old = await answer(upgradeRequest(path, { "Sec-WebSocket-Version": "8" }));
    expect(old).toStartWith("HTTP/1.1 426 Upgrade Required\r\n");
    expect(old).toContain("\r\nSec-WebSocket-Version: 13\r\n");
    expect(await answer(upgradeRequest("/healthz"))).toStartWith("HTTP/1.1 200 ");
  });
});

describe("a watcher on a WebSocket ends", () => {
  test("with its stream, and why is said", async () => {
    const server = new TestServer();
    const [ended, gone, stopped] = await Promise.all(
      ["ended", "gone", "stopped"].map(async (channel) => {
        const sender = await server.broadcast({ channel }, opaque(sniffedBytes));
        return { sender, watcher: watch(server, {}, `/watch/fier/${channel}`) };
      }),
    );
    ended.sender.fin();
    gone.sender.die();
    server.rig.clock.advance(12_000);
    server.rig.relay.stop();
    expect([ended, gone, stopped].map(({ watcher }) => watcher.take().slice(1))).toEqual([
      [{ type: "end", reason: "ended" }, "close 1000 ended"],
      [{ type: "end", reason: "not_live" }, "close 1008 not_live"],
      [{ type: "end", reason: "shutting_down" }, "close 1001 shutting_down"],
    ]);
    expect([ended, gone, stopped].map(({ watcher }) => watcher.peer.ends[0])).toEqual(["fin", "fin", "fin"]);
  });

  test("when it closes, which is answered, and when it goes without a word", async () => {
    const server = new TestServer();
    await server.broadcast({}, opaque(sniffedBytes));
    const [closing, finishing, dying] = [watch(server), watch(server), watch(server)];
    const channel = server.rig.relay.find("fier", "default");
    expect(channel?.watchers).toBe(3);
    closing.send({ opcode: close, payload: closePayload(1000, "enough") }, { opcode: 3 });
    expect(closing.take()).toEqual([unknown, "close 1000"]);
    closing.peer.fin();
    finishing.peer.fin();
    dying.peer.die();
    expect([closing.peer.ends, finishing.peer.ends, channel?.watchers]).toEqual([
      ["fin", "close"],
      ["fin", "close"],
      0,
    ]);
    expect(server.rig.clock.pending).toBe(1);
  });

  test("when it breaks the rules, with the code for it; other messages it may send", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    const watcher = watch(server);
    watcher.say({ anything: "else" });
    watcher.send({ opcode: binary, payload: "x".repeat(100_000) });
    sender.send(opaque(100, sniffedBytes));
    expect([watcher.take(), watcher.stream.length]).toEqual([[unknown], 100]);
    watcher.send({ opcode: text, payload: "{}", key: undefined });
    expect(watcher.take()).toEqual(["close 1002 a frame is not masked"]);
    expect([watcher.peer.ends[0], server.rig.relay.find("fier", "default")?.watchers]).toEqual(["fin", 0]);
  });

  test("with a reset where a frame is half sent", async () => {
    const server = new TestServer();
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    const watcher = watch(server);
    watcher.take();
    watcher.peer.room = 100;
    sender.send(opaque(1000, sniffedBytes));
    watcher.send({ opcode: close });
    server.rig.clock.advance(2000);
    expect([watcher.take(), watcher.peer.ends]).toEqual([[], ["reset"]]);
  });
});

describe("pings", () => {
  test("of a client are answered, one for as many as come at once", async () => {
    const server = new TestServer();
    const watcher = watch(server, { wait: 10 });
    watcher.send({ opcode: ping, payload: "a" });
    watcher.send({ opcode: ping, payload: "b" }, { opcode: ping, payload: "c" });
    expect(watcher.take()).toEqual(["pong a", "pong c"]);
  });

  test("go out to a watcher that is sent nothing else for half a minute", async () => {
    const server = new TestServer();
    const watcher = watch(server, { wait: 3600 });
    server.rig.clock.advance(95_000);
    expect(watcher.take()).toEqual(["ping", "ping", "ping"]);
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    for (let i = 0; i < 10; i++) {
      server.rig.clock.advance(10_000);
      sender.send(opaque(10));
    }
    expect(watcher.take()).toEqual([unknown]);
  });

  test("and other frames without bytes that come in floods are looked at for a limited time before others have their turns", async () => {
    const server = new TestServer();
    const watcher = watch(server, { wait: 10 });
    const frame = clientFrame({ opcode: binary });
    const { clock } = server.rig;
    const nowMs = clock.nowMs.bind(clock);
    let looks = 0;
    // Each look at the clock is three milliseconds later than the one before.
    clock.nowMs = () => nowMs() + 3 * looks++;
    watcher.peer.send(joined(...Array.from({ length: 1000 }, () => frame)));
    expect(watcher.peer.paused).toBe(true);
    clock.advance(0);
    expect([watcher.peer.paused, watcher.take()]).toEqual([false, []]);
  });
});

test("what a proxy in between may hold back is what is half a frame, and nothing else", async () => {
  const server = new TestServer();
  await server.broadcast({}, opaque(sniffedBytes + 300_000));
  const peer = connectHttp(server);
  peer.send(upgradeRequest(path), clientFrame({ opcode: text, payload: '{"start":"1h"}' }));
  const bytes = peer.take();
  const { frames, rest } = serverFrames(bytes.subarray(Buffer.from(bytes).indexOf("\r\n\r\n") + 4));
  expect(rest.length).toBe(0);
  expect(Math.max(...frames.map(({ payload }) => payload.length))).toBeLessThanOrEqual(64 * 1024);
});

test("what a watcher sends beyond its first message is dropped unread, and too much of it is its end", async () => {
  for (const frame of [{ opcode: text, payload: "x" }, { opcode: text, payload: "{}" }, { opcode: ping }]) {
    const server = new TestServer();
    await server.broadcast({}, opaque(sniffedBytes));
    const watcher = watch(server);
    const read = spyOn(JSON, "parse");
    watcher.send(...Array.from({ length: maxWordsASecond }, () => frame));
    expect(watcher.peer.ends).toEqual([]);
    watcher.send(...Array.from({ length: 1000 }, () => frame));
    expect(read).not.toHaveBeenCalled();
    mock.restore();
    expect(watcher.take().at(-1)).toBe("close 1008 bad_request");
  }
});
