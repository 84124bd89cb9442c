// A tab's broadcast over a WebSocket, without a socket: its login, its stream, and each of its ends.

import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { framesAtOnce, opcodes } from "../../src/http/frames.ts";
import { maxWordsASecond } from "../../src/http/websocketstages.ts";
import { Broadcasting } from "../../src/session/broadcasting.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { settled, TestServer } from "../session/peer.ts";
import { type ClientFrame, clientFrame, closePayload, joined } from "./clientframes.ts";
import { connectHttp, SocketPeer, upgradeRequest } from "./socketpeer.ts";

const path = "/broadcast/fier/default";
const { text, binary, close, continuation } = opcodes;
const login = { user_password: "123" };

/** A tab whose login is done. */
async function broadcast(server: TestServer, first: object | null = login, at = path): Promise<SocketPeer> {
  const tab = new SocketPeer(connectHttp(server, true), at, first);
  await settled();
  return tab;
}

const many = (frame: ClientFrame, count = 20_000) => Array.from({ length: count }, () => frame);
const stream = (bytes: Uint8Array) => ({ opcode: binary, payload: bytes });

describe("a tab that broadcasts", () => {
  test("is watched as any other broadcaster, and told once a second how it stands", async () => {
    const server = new TestServer();
    const tab = await broadcast(server);
    expect([tab.head.slice(0, 13), tab.take()]).toEqual(["HTTP/1.1 101 ", [{ type: "ok" }]]);
    tab.send(stream(opaque(1000)), { ...stream(opaque(500, 1000)), fin: false });
    const watcher = server.rig.watch();
    tab.send({ opcode: continuation, payload: opaque(300, 1500) });
    server.rig.clock.advance(2500);
    const status = { type: "status", watchers: 1, bytes: 1800 };
    expect(tab.take()).toEqual([status, status]);
    expect(watcher.receivedBytes).toBe(1800);
  });

  test("may send its stream, and end it, before it knows that it may", async () => {
    const server = new TestServer();
    const peer = connectHttp(server, true);
    const tab = new SocketPeer(peer, path, null);
    tab.send(
      { opcode: text, payload: JSON.stringify(login) },
      stream(opaque(700)),
      stream(opaque(300, 700)),
      { opcode: text, payload: '{"type":"end"}' },
      stream(opaque(10)),
    );
    expect([peer.paused, tab.take()]).toEqual([true, []]);
    const watcher = server.watch({ wait: "10" });
    await settled();
    server.rig.clock.advance(0);
    expect(tab.take()).toEqual([{ type: "ok" }, { type: "end", bytes: 1000 }, "close 1000 ended"]);
    expect([watcher.take(), watcher.ends[0]]).toEqual([opaque(1000), "fin"]);
  });

  test("ends in order when it says so", async () => {
    const server = new TestServer();
    const tab = await broadcast(server);
    tab.send(stream(opaque(sniffedBytes)));
    const watcher = server.rig.watch();
    tab.say({ type: "end" });
    expect([watcher.ending, tab.take()]).toEqual([
      "orderly",
      [{ type: "ok" }, { type: "end", bytes: sniffedBytes }, "close 1000 ended"],
    ]);
    tab.peer.fin();
    expect(tab.peer.ends).toEqual(["fin", "close"]);
    server.rig.clock.advance(1000);
    expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("that is gone without an end is broken, however it went: its watchers are held for its return", async () => {
    const ways: ((tab: SocketPeer) => void)[] = [
      (tab) => tab.peer.die(),
      (tab) => tab.peer.fin(),
      (tab) => tab.send({ opcode: close }),
      (tab) => tab.send({ opcode: close, payload: closePayload(1001) }),
      (tab) => tab.send({ opcode: 3 }),
    ];
    for (const leave of ways) {
      const server = new TestServer();
      const tab = await broadcast(server);
      tab.send(stream(opaque(sniffedBytes)));
      const watcher = server.rig.watch();
      leave(tab);
      server.rig.clock.advance(5000);
      expect([watcher.ending, server.rig.relay.find("fier", "default")?.state]).toEqual(["", "held"]);
      const again = await broadcast(server);
      again.send(stream(opaque(sniffedBytes)), stream(opaque(100, sniffedBytes)));
      server.rig.clock.advance(60_000);
      expect([watcher.ending, watcher.receivedBytes > 0]).toEqual(["", true]);
    }
  });

  test("may have a channel's password, and chunks", async () => {
    const server = new TestServer();
    const tab = await broadcast(server, { ...login, channel_password: "456", bufsize: 100 });
    tab.send(stream(opaque(250)));
    expect(server.rig.refusal(() => server.rig.watch())).toBe("forbidden");
    const watcher = server.rig.watch({ password: "456" });
    expect(watcher.receivedBytes).toBe(50);
  });

  test("logs in with a token, which works once", async () => {
    const server = new TestServer();
    const { token } = await server.tokens.issue({ user: "fier", channels: undefined });
    expect((await broadcast(server, { token })).take()).toEqual([{ type: "ok" }]);
    expect((await broadcast(server, { token })).take()[0]).toMatchObject({ code: "unauthorized" });
    const { token: other } = await server.tokens.issue({ user: "fier", channels: undefined });
    expect((await broadcast(server, { token: other, bufsize: "x" })).take()[0]).toMatchObject({
      code: "bad_request",
    });
    expect((await broadcast(server, { token: other })).take()[0]).toMatchObject({ code: "unauthorized" });
  });
});

describe("a tab is refused", () => {
  test("with a wrong password, without any, and for a first message that is none", async () => {
    const server = new TestServer();
    expect((await broadcast(server, { user_password: "124" })).take()).toEqual([
      { type: "error", code: "unauthorized", message: "wrong user or password" },
      "close 1008 unauthorized",
    ]);
    expect((await broadcast(server, {})).take()[0]).toMatchObject({ code: "unauthorized" });
    expect((await broadcast(server, [])).take()[0]).toMatchObject({ code: "bad_request" });
    expect(server.rig.channels).toBe(0);
    server.rig.clock.advance(10_000);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("on a channel that is not its user's to have", async () => {
    const server = new TestServer({}, {}, ["cam*"]);
    expect((await broadcast(server)).take()[0]).toMatchObject({ code: "forbidden" });
    expect((await broadcast(server, login, "/broadcast/fier/cam%201")).take()).toEqual([{ type: "ok" }]);
  });

  test("where passwords do not travel in the clear", async () => {
    const server = new TestServer({ plainPasswords: false });
    const plain = new SocketPeer(connectHttp(server), path, login);
    await settled();
    expect(plain.take()[0]).toMatchObject({ code: "unauthorized" });
    expect((await broadcast(server)).take()).toEqual([{ type: "ok" }]);
  });

  test("by a page of another site, before it can try a password", async () => {
    const server = new TestServer();
    const asked = (fields: Record<string, string>, address?: string, at = path) => {
      const peer = connectHttp(server, true, address);
      peer.send(upgradeRequest(at, fields), clientFrame({ opcode: text, payload: JSON.stringify(login) }));
      return Buffer.from(peer.take()).toString().slice(9, 12);
    };
    expect(asked({ Origin: "https://relay.example" })).toBe("101");
    expect(asked({ Origin: "https://evil.example" })).toBe("403");
    expect(asked({ Origin: "null" })).toBe("403");
    // Who watches from where does not matter.
    expect(asked({ Origin: "https://evil.example" }, undefined, "/watch/fier/default")).toBe("101");
    // Only a trusted proxy is believed that it was asked under another name.
    const proxied = {
      Host: "127.0.0.1:8080",
      "X-Forwarded-Host": "public.example",
      Origin: "https://public.example",
    };
    expect([asked(proxied), asked(proxied, "198.51.100.7")]).toEqual(["403", "101"]);
    await settled();
    expect(server.lookups).toBe(2);
    const named = new TestServer({ publicUrl: "https://public.example/live" });
    const tab = new SocketPeer(connectHttp(named, true), path, login, { Origin: "https://public.example" });
    await settled();
    expect(tab.take()).toEqual([{ type: "ok", url: "https://public.example/live/play/fier/default" }]);
  });

  test("that reads nothing is told nothing more, and what it is told is bounded", async () => {
    const server = new TestServer();
    const tab = await broadcast(server);
    tab.take();
    tab.peer.room = 10;
    server.rig.clock.advance(60_000);
    expect(tab.restBytes).toBe(10);
    tab.peer.read(1e6);
    server.rig.clock.advance(1000);
    expect(tab.take()).toHaveLength(2);
  });
});

describe("of a tab that sends tiny frames", () => {
  afterEach(() => mock.restore());

  const logs = { opcode: text, payload: JSON.stringify(login) };

  test("no text is looked at before its login is done, and the first that means nothing ends it", async () => {
    for (const frame of [{ opcode: text }, { opcode: text, payload: "{}" }, { opcode: text, payload: "x" }]) {
      const server = new TestServer();
      const tab = new SocketPeer(connectHttp(server, true), path, null);
      const read = spyOn(JSON, "parse").mockClear();
      tab.send(logs, ...many(frame));
      await settled();
      server.rig.clock.advance(0);
      // The login, and the first of them.
      expect(read.mock.calls.length).toBe(2);
      expect(tab.take()).toEqual([
        { type: "ok" },
        expect.objectContaining({ type: "error", code: "bad_request" }),
        "close 1008 bad_request",
      ]);
      server.rig.clock.advance(10_000);
      expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
    }
  });

  test("the stream is appended in few pieces, and whole", async () => {
    const server = new TestServer();
    const append = spyOn(Broadcasting.prototype, "append");
    const tab = new SocketPeer(connectHttp(server, true), path, null);
    tab.send(logs, ...many(stream(opaque(1))), { opcode: text, payload: '{"type":"end"}' });
    const watcher = server.watch({ wait: "10" });
    await settled();
    server.rig.clock.advance(100);
    expect(append.mock.calls.length).toBeLessThan(200);
    expect(tab.take()).toEqual([{ type: "ok" }, { type: "end", bytes: 20_000 }, "close 1000 ended"]);
    expect([watcher.take().length, watcher.ends[0]]).toEqual([20_000, "fin"]);
  });

  test("no event takes them all once time is up: the rest have turns, and the peer's end is behind them", async () => {
    const server = new TestServer();
    const tab = await broadcast(server);
    const append = spyOn(Broadcasting.prototype, "append").mockImplementation(() => {
      server.rig.clock.spend(1);
    });
    const left = () => append.mock.calls.length;
    tab.send(...many(stream(opaque(1))));
    const first = left();
    expect([first < 5, tab.peer.paused]).toEqual([true, true]);
    tab.peer.session.ended();
    expect(tab.peer.ends).toEqual([]);
    server.rig.clock.fireNext();
    expect([left() > first, left() < first + 5, tab.peer.ends]).toEqual([true, true, []]);
    while (tab.peer.ends.length === 0) server.rig.clock.fireNext();
    expect(left()).toBe(Math.ceil(20_000 / framesAtOnce));
  });

  test("and of many such the time is one", async () => {
    const server = new TestServer();
    const tabs = await Promise.all(
      Array.from({ length: 10 }, (_, i) => broadcast(server, login, `/broadcast/fier/${i}`)),
    );
    const append = spyOn(Broadcasting.prototype, "append").mockImplementation(() => {
      server.rig.clock.spend(1);
    });
    for (const tab of tabs) tab.send(...many(stream(opaque(1)), 2000));
    // Each once, as it came, and together no more than in a turn.
    expect(append.mock.calls.length).toBeLessThan(tabs.length + 4);
    expect(tabs.filter(({ peer }) => peer.paused).length).toBe(tabs.length);
    append.mockClear();
    server.rig.clock.fireNext();
    expect(append.mock.calls.length).toBeLessThan(4);
  });

  test("pings are answered once for many, and too many of them are its end", async () => {
    for (const opcode of [opcodes.ping, opcodes.pong]) {
      const server = new TestServer();
      const tab = await broadcast(server);
      tab.send(...many({ opcode, payload: "a" }, maxWordsASecond - 1));
      server.rig.clock.advance(0);
      expect(tab.take().slice(1)).toEqual(opcode === opcodes.ping ? ["pong a"] : []);
      server.rig.clock.advance(2000);
      tab.take();
      tab.send(...many({ opcode, payload: "a" }, maxWordsASecond + 1));
      expect(tab.take().at(-1)).toBe("close 1008 bad_request");
    }
  });
});

describe("a tab learns", () => {
  test("that another broadcast has replaced it", async () => {
    const server = new TestServer();
    const first = await broadcast(server);
    await broadcast(server);
    expect(first.take()).toEqual([
      { type: "ok" },
      {
        type: "error",
        code: "replaced",
        message: "the same user started another broadcast on this channel",
      },
      "close 1008 replaced",
    ]);
    first.send(stream(opaque(10)));
    server.rig.clock.advance(3000);
    expect(first.peer.ends).toEqual(["fin", "close"]);
  });

  test("that the server stops", async () => {
    const server = new TestServer();
    const tab = await broadcast(server);
    server.rig.relay.stop();
    expect(tab.take().slice(1)).toEqual([
      { type: "error", code: "shutting_down", message: "the server is shutting down" },
      "close 1001 shutting_down",
    ]);
  });

  test("that it sends more than it may, wherever that comes in what it sends", async () => {
    const server = new TestServer({}, { maxBitrate: 8000 });
    const tab = await broadcast(server);
    tab.send(stream(opaque(1_000_000)), stream(opaque(10)), { opcode: text, payload: '{"type":"end"}' });
    expect(tab.take()[1]).toMatchObject({ code: "limit" });
    server.rig.clock.advance(30_000);
    expect(server.rig.clock.pending).toBe(0);
    const early = new SocketPeer(connectHttp(server, true), path, null);
    early.peer.send(
      joined(
        clientFrame({ opcode: text, payload: JSON.stringify(login) }),
        clientFrame(stream(opaque(1_000_000))),
      ),
    );
    await settled();
    server.rig.clock.advance(0);
    expect(early.take()[1]).toMatchObject({ code: "limit" });
    server.rig.clock.advance(30_000);
    expect(server.rig.clock.pending).toBe(0);
  });
});
