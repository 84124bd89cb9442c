// Playback and broadcasts over WebSockets, against another implementation of them, over ws:// and wss://.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { clientFrame, serverFrames } from "../http/clientframes.ts";
import { upgradeRequest } from "../http/socketpeer.ts";
import { feed, skip } from "./paced.ts";
import { deadlineMs, noise, sha256, TestServer, until } from "./program.ts";
import { SocketClient } from "./socketclient.ts";

setDefaultTimeout(2 * deadlineMs);

const mebi = 1024 * 1024;
const listeners = {
  listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
  http_listen: "127.0.0.1:0",
};

describe.each(["http", "https"] as const)("over %s", (listener) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ listeners, fstream: 'backlog = "16MiB"\nhold = "1h"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const open = (path: string, first: object) =>
    new SocketClient(
      `${listener === "http" ? "ws" : "wss"}://127.0.0.1:${server.port(listener)}${path}`,
    ).begin(first);
  const login = { user_password: "123" };

  test("a tab's stream reaches every kind of watcher whole, and its end is in order", async () => {
    const bytes = noise(3_000_000, 51);
    const raw = server.watch({ fserv_arg_channel: "all" }, "--wait");
    const watcher = await open("/watch/fier/all", { wait: 60 });
    await server.watched("fier/all", 2);
    const tab = await open("/broadcast/fier/all", login);
    expect(await tab.answer()).toEqual({ type: "ok" });
    for (let from = 0; from < bytes.length; from += 100_000) {
      tab.socket.send(bytes.subarray(from, from + 100_000));
      if (from % 1_000_000 === 0) await until("the watcher keeps up", () => watcher.length >= from);
    }
    await until("it is told how many watch", () => tab.texts.some(({ watchers }) => watchers === 2));
    tab.socket.send('{"type":"end"}');
    expect([await tab.end(), tab.texts.at(-1)]).toEqual([[1000, true], { type: "end", bytes: bytes.length }]);
    expect(await watcher.end()).toEqual([1000, true]);
    expect(watcher.texts).toEqual([
      { type: "ok", container: "", media_type: "application/octet-stream", codecs: [] },
      { type: "end", reason: "ended" },
    ]);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    expect(await raw.exit()).toBe(0);
    expect(sha256(raw.bytes)).toBe(sha256(bytes));
  });

  test("a watcher is told what the stream is, and goes on through a broadcaster's return", async () => {
    const file = new Uint8Array(
      await Bun.file(`${import.meta.dir}/../fixtures/mpegts-h264-aac.mpegts`).arrayBuffer(),
    );
    const watcher = await open("/watch/fier/back", { wait: 60 });
    await server.watched("fier/back", 1);
    const first = await server.dial();
    first.request("broadcast,user=fier,user_password=123,channel=back", "\n\n", file);
    await until("the first broadcast comes", () => watcher.length >= file.length);
    expect(await watcher.answer()).toMatchObject({
      type: "ok",
      container: "mpegts",
      media_type: "video/mp2t",
      codecs: ["h264", "aac"],
    });
    first.reset();
    await server.says(/fier\/back: broadcast interrupted/);
    const tab = await open("/broadcast/fier/back", login);
    await tab.answer();
    tab.socket.send(file);
    await until("the second broadcast comes", () => watcher.length >= 1.5 * file.length);
    expect([watcher.texts.length, watcher.closed]).toEqual([1, undefined]);
    watcher.socket.close();
    tab.socket.close();
    await server.says(
      /fier\/back: broadcast interrupted after \d+ bytes: the connection was closed before the end/,
    );
  });

  test("a channel's password is asked for, and refusals say why", async () => {
    const tab = await open("/broadcast/fier/guarded", { ...login, channel_password: "456" });
    await tab.answer();
    tab.socket.send(noise(10_000));
    const wrong = await open("/watch/fier/guarded", { channel_password: "4567" });
    expect(await wrong.answer()).toMatchObject({ type: "error", code: "forbidden" });
    expect(await wrong.end()).toEqual([1008, true]);
    const right = await open("/watch/fier/guarded", { channel_password: "456" });
    expect(await right.answer()).toMatchObject({ type: "ok" });
    const none = await open("/watch/fier/nothing", {});
    expect(await none.answer()).toMatchObject({ type: "error", code: "not_live" });
    const stranger = await open("/broadcast/fier/guarded", { user_password: "wrong" });
    expect(await stranger.answer()).toMatchObject({ type: "error", code: "unauthorized" });
    expect(await stranger.end()).toEqual([1008, true]);
    const next = await open("/broadcast/fier/guarded", { ...login, channel_password: "456" });
    await next.answer();
    await tab.end();
    expect(tab.texts.at(-1)).toMatchObject({ type: "error", code: "replaced" });
    next.socket.send('{"type":"end"}');
    expect(await right.end()).toEqual([1000, true]);
  });
});

/** The frames behind the response's head. */
function framesOf(bytes: Uint8Array): ReturnType<typeof serverFrames> {
  return serverFrames(bytes.subarray(Buffer.from(bytes).indexOf("\r\n\r\n") + 4));
}

/** The code of the Close frame that came last; 0 if none did. */
function closeCode(bytes: Uint8Array): number {
  const last = framesOf(bytes).frames.at(-1);
  return last?.opcode === 8 ? Buffer.from(last.payload).readUInt16BE() : 0;
}

describe("hostile clients", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({
      listeners,
      server: 'handshake_timeout = "1s"',
      fstream: 'backlog = "1MiB"',
    });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const asked = upgradeRequest("/watch/fier/slow");
  const first = clientFrame({ opcode: 1, payload: '{"wait":60}' });

  /** A connection by hand, which has asked for a WebSocket. */
  async function dial(path: string, ...frames: Uint8Array[]) {
    const peer = await server.dial("http");
    for (const bytes of [Buffer.from(upgradeRequest(path)), ...frames]) peer.send(bytes);
    return peer;
  }

  test("that stop reading cost the server no memory, and go on with the newest, in whole frames", async () => {
    const whole = noise(50_000_000, 52);
    const slow = await server.dial("http");
    slow.send(asked).send(first);
    await server.watched("fier/slow", 1);
    slow.pause();
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=slow,wait=60");
    await server.watched("fier/slow", 2);
    const broadcaster = await server.dial();
    broadcaster.request("broadcast,user=fier,user_password=123,channel=slow");
    await feed(broadcaster, whole.subarray(0, 10_000_000), reader);
    const before = await server.memory();
    await feed(broadcaster, whole.subarray(10_000_000, 40_000_000), reader);
    expect((await server.memory()) - before).toBeLessThan(30 * mebi);
    slow.resume();
    await server.says(/fier\/slow: a slow watcher skipped [\d.]+ [kMG]?B/);
    await feed(broadcaster, whole.subarray(40_000_000), reader);
    broadcaster.finish();
    expect(await slow.ended()).toBe("fin");
    const { frames, rest } = framesOf(slow.bytes);
    expect([rest.length, frames.at(-1)?.opcode]).toEqual([0, 8]);
    const got = Buffer.concat(frames.filter(({ opcode }) => opcode === 2).map(({ payload }) => payload));
    const { stoppedAt, resumedAt } = skip(got, whole);
    expect(resumedAt).toBeGreaterThan(stoppedAt);
    expect(resumedAt).toBeGreaterThan(38_000_000);
  });

  test("are closed with the code for what they did", async () => {
    const cases: [code: number, frame: Uint8Array][] = [
      [1002, clientFrame({ opcode: 1, payload: "{}", key: undefined })],
      [1002, clientFrame({ opcode: 5 })],
      [1002, Buffer.from("\x16\x03\x01\x02\x00\x01\x00")],
      [1007, clientFrame({ opcode: 1, payload: Uint8Array.of(0xff) })],
      [1009, clientFrame({ opcode: 1, length: 2 ** 40 })],
      [1008, clientFrame({ opcode: 2, payload: "{}" })],
      [1008, clientFrame({ opcode: 1, payload: "{" })],
    ];
    for (const [code, frame] of cases) {
      const peer = await dial("/watch/fier/none", frame);
      expect(await peer.ended()).toBe("fin");
      expect([frame.toHex(), closeCode(peer.bytes)]).toEqual([frame.toHex(), code]);
    }
  });

  test("that say nothing, or slowly, are gone when their time is over", async () => {
    const silent = await dial("/watch/fier/none");
    const slow = await dial("/broadcast/fier/none", clientFrame({ opcode: 1, payload: "{}" }).subarray(0, 7));
    expect([await silent.ended(), await slow.ended()]).toEqual(["fin", "fin"]);
    expect([closeCode(silent.bytes), closeCode(slow.bytes)]).toEqual([1008, 1008]);
  });

  test("that send floods of small frames delay no other, and are closed", async () => {
    const ping = clientFrame({ opcode: 9 });
    const flood = new Uint8Array(4_000_000 - (4_000_000 % ping.length));
    for (let at = 0; at < flood.length; at += ping.length) flood.set(ping, at);
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=later,wait=60");
    await server.watched("fier/later", 1);
    const peer = await dial("/watch/fier/later", first, flood);
    const broadcaster = await server.dial();
    broadcaster.request("broadcast,user=fier,user_password=123,channel=later", "\n\n", "media");
    await reader.received(5);
    broadcaster.finish();
    await peer.ended();
    const { frames } = framesOf(peer.bytes);
    expect(frames.filter(({ opcode }) => opcode === 10)).toEqual([]);
    expect(closeCode(peer.bytes)).toBe(1008);
  });
});
