// Watchers that log in, over every way in; and the end of what a login allows.

import { describe, expect, test } from "bun:test";
import { flvConfig, flvFrame, flvHead, opaque, sniffedBytes } from "../relay/streams.ts";
import { settled, TestServer } from "../session/peer.ts";
import { joined } from "./clientframes.ts";
import { answerOf, basic, chunk, HttpTestServer, head } from "./requesting.ts";
import { connectHttp, SocketPeer } from "./socketpeer.ts";

const film = joined(flvHead, flvConfig(0), flvFrame(0, true, 5000));
const logIn = { authenticateWatchers: true } as const;
const ann = { watcher: "ann", watcher_password: "123" };
const asks = "watchers must log in here: watcher or watcher_password is missing";

function unauthorized(message: string): string {
  return `|error,code=unauthorized,message*=${message.replaceAll(",", "%2C")}`;
}

async function said(server: TestServer, fields: Record<string, string>): Promise<string> {
  const peer = server.watch({ reply: "1", ...fields });
  await settled();
  return peer.words();
}

describe("a watcher", () => {
  test("logs in with its own name, and learns nothing of the channel before", async () => {
    const server = new TestServer(logIn);
    const nothing = [];
    for (const live of [false, true]) {
      if (live) await server.broadcast({ channel_password: "456" }, film);
      nothing.push(await said(server, {}), await said(server, { ...ann, watcher_password: "124" }));
    }
    expect(nothing.slice(0, 2)).toEqual([unauthorized(asks), unauthorized("wrong user or password")]);
    expect(nothing.slice(2)).toEqual(nothing.slice(0, 2));
    expect(await said(server, ann)).toContain("code=forbidden");
    expect(await said(server, { ...ann, channel_password: "456" })).toStartWith("|ok,id=");
    expect(server.lastLogin).toEqual({
      action: "watch",
      user: "fier",
      channel: "default",
      watcher: "ann",
      password: "123",
      address: "192.0.2.1",
      protocol: "fstream",
      id: expect.any(String),
    });
  });

  test("is not asked for anything where nobody logs in to watch", async () => {
    const server = new TestServer();
    await server.broadcast({}, film);
    const before = server.lookups;
    expect(await said(server, { watcher: "nobody", watcher_password: "x" })).toStartWith("|ok,id=");
    expect(server.lookups).toBe(before);
  });

  test("with a name that no user can have is refused before anything is looked up", async () => {
    const server = new TestServer(logIn);
    expect(await said(server, { ...ann, watcher: "../ann" })).toContain("code=bad_request");
    expect(server.lookups).toBe(0);
  });

  test("sends no password over a plain connection where that is not wanted", async () => {
    const server = new TestServer({ ...logIn, plainPasswords: false });
    expect(await said(server, ann)).toContain("no passwords on a plain connection");
    const secure = server.connect(true);
    secure.request("watch", { user: "fier", reply: "1", ...ann });
    await settled();
    expect(secure.words()).toContain("code=not_live");
    expect(server.lastLogin).toMatchObject({ protocol: "fstreams" });
  });

  test("may be let in without a password, as by an address or what its request says", async () => {
    const server = new TestServer(logIn);
    server.needsPassword = false;
    await said(server, { ticket: "a b", user_password: "123" });
    expect(server.lastLogin).toMatchObject({ query: "ticket=a+b" });
    expect(server.lastLogin).not.toHaveProperty("watcher");
    expect(server.lastLogin).not.toHaveProperty("password");
  });
});

/** What a browser says of a request that a page makes. */
function from(site: string, dest: string): string[] {
  return [`Sec-Fetch-Site: ${site}`, `Sec-Fetch-Dest: ${dest}`];
}

describe("a watcher over HTTP", () => {
  test("is asked for its name first, and nothing is logged of that", async () => {
    const server = new HttpTestServer(logIn);
    await server.broadcast({}, film);
    server.lines.length = 0;
    for (const needsPassword of [true, false]) {
      server.needsPassword = needsPassword;
      const { status, fields, body } = answerOf(await server.request("GET /watch/fier", []));
      expect([status, fields.get("x-fstream-code"), body]).toEqual([
        401,
        "unauthorized",
        needsPassword ? `${asks}\n` : "wrong user or password\n",
      ]);
      expect(fields.get("www-authenticate")).toStartWith("Basic ");
    }
    expect(server.lines).toEqual([]);
    await server.request("GET /watch/fier", [basic("ann:124")]);
    expect(server.lines.join("")).toContain(
      "watch of fier/default by ann from 192.0.2.1 refused: wrong user or password",
    );
  });

  test("or a broadcaster without a password is asked in the same way, where one may do without", async () => {
    const server = new HttpTestServer();
    server.needsPassword = false;
    const asked = answerOf(await server.request("PUT /broadcast/fier", ["Transfer-Encoding: chunked"]));
    expect([asked.status, asked.fields.get("www-authenticate")?.slice(0, 5)]).toEqual([401, "Basic"]);
    expect([server.lookups, server.lastLogin?.action, server.lines]).toEqual([1, "broadcast", []]);
  });

  test("gives it in Basic authentication, or in keys of the query, which nothing else gets to see", async () => {
    const server = new HttpTestServer(logIn);
    await server.broadcast({ channel_password: "456" }, film);
    for (const [target, fields] of [
      ["channel_password=456&ticket=7&a=%20b", [basic("ann:123"), "User-Agent: VLC"]],
      ["watcher=ann&ticket=7&watcher_password=123&channel_p%61ssword=456&a=%20b", ["User-Agent: VLC"]],
    ] as const) {
      const { status, fields: answered } = answerOf(
        await server.request(`GET /watch/fier?${target}`, fields),
      );
      expect([status, answered.get("access-control-allow-origin")]).toEqual([200, null]);
      expect(server.lastLogin).toMatchObject({
        watcher: "ann",
        protocol: "http",
        query: "ticket=7&a=%20b",
        userAgent: "VLC",
      });
    }
    const { status } = answerOf(
      await server.request("HEAD /watch/fier?channel_password=456", [basic("ann:123")]),
    );
    expect(status).toBe(200);
  });

  test("is asked in the same way on the port of the protocol", async () => {
    const server = new TestServer(logIn);
    await server.broadcast({}, film);
    const get = async (...fields: string[]) => {
      const peer = server.connect();
      peer.send(head("GET /watch/fier", fields));
      await settled();
      return answerOf(peer).status;
    };
    expect([await get(), await get(basic("ann:124")), await get(basic("ann:123"))]).toEqual([401, 401, 200]);
    expect(server.lastLogin).toMatchObject({ protocol: "http" });
  });

  test("in a page is not asked by the browser, and a page elsewhere can try no passwords", async () => {
    const server = new HttpTestServer(logIn);
    await server.broadcast({}, film);
    const ask = async (fields: readonly string[], query = "") => {
      const answer = answerOf(await server.request(`GET /watch/fier${query}`, fields));
      return [
        answer.status,
        answer.fields.has("www-authenticate"),
        answer.fields.has("access-control-allow-origin"),
      ];
    };
    const wrong = "?watcher=ann&watcher_password=124";
    const right = "?watcher=ann&watcher_password=123";
    expect(await ask(from("same-origin", "video"))).toEqual([403, false, false]);
    expect(await ask(from("same-origin", "video"), right)).toEqual([200, false, false]);
    const before = server.lookups;
    for (const query of [wrong, right])
      expect(await ask(from("cross-site", "video"), query)).toEqual([403, false, false]);
    expect(server.lookups).toBe(before);
    // A link that leads here.
    expect(await ask([...from("cross-site", "document"), basic("ann:123")])).toEqual([200, false, false]);
  });
});

describe("a watcher on a WebSocket", () => {
  const path = "/watch/fier/default";
  const open = async (server: TestServer, first: object, fields: Record<string, string> = {}) => {
    const watcher = new SocketPeer(connectHttp(server), path, first, fields);
    await settled();
    return watcher;
  };

  test("says it with its first message, and to be asked for it is nothing for the log", async () => {
    const server = new TestServer(logIn);
    await server.broadcast({}, film);
    server.lines.length = 0;
    expect((await open(server, {})).take()).toContainEqual({
      type: "error",
      code: "unauthorized",
      message: asks,
    });
    expect(server.lines).toEqual([]);
    expect((await open(server, { ...ann, watcher_password: "124" })).take()).toMatchObject([
      { code: "unauthorized", message: "wrong user or password" },
      "close 1008 unauthorized",
    ]);
    expect(server.lines.join("")).toContain("watch of fier/default by ann");
    const watcher = await open(server, ann);
    expect(watcher.take()).toMatchObject([{ type: "ok", container: "flv" }]);
    expect(watcher.stream).toEqual(film);
    expect(server.lastLogin).toMatchObject({ protocol: "ws", watcher: "ann" });
  });

  test("does so on this server's pages alone", async () => {
    const server = new TestServer({ ...logIn, publicUrl: "https://relay.example" });
    await server.broadcast({}, film);
    const before = server.lookups;
    const elsewhere = await open(server, ann, { Origin: "https://evil.example" });
    expect(elsewhere.take()).toMatchObject([{ code: "forbidden" }, "close 1008 forbidden"]);
    expect(server.lookups).toBe(before);
    const here = await open(server, ann, { Origin: "https://relay.example" });
    expect(here.take()).toMatchObject([{ type: "ok" }]);
  });
});

describe("a permission that expires", () => {
  test("ends a watcher's stream, in whichever way it is sent, and the reason can be asked for", async () => {
    const server = new HttpTestServer(logIn);
    const broadcaster = await server.broadcast({}, film);
    server.granted = { endsMs: server.rig.clock.nowMs() + 5000 };
    const raw = server.watch({ reply: "1", ...ann });
    const http = await server.request("GET /watch/fier", [basic("ann:123")]);
    const socket = new SocketPeer(connectHttp(server), "/watch/fier/default", ann);
    await settled();
    expect([raw.take().length > film.length, answerOf(http).status, socket.take().length]).toEqual([
      true,
      200,
      1,
    ]);
    server.rig.clock.advance(4990);
    broadcaster.send(flvFrame(40, false, 100));
    server.rig.clock.advance(9);
    expect([raw.ends, http.ends, socket.peer.ends]).toEqual([[], [], []]);
    server.rig.clock.advance(2);
    expect([raw.ends, http.ends]).toEqual([["reset"], ["reset"]]);
    expect(socket.take()).toMatchObject([{ type: "end", reason: "unauthorized" }, "close 1008 unauthorized"]);
    expect(server.askEnd(1)).toContain("reason=unauthorized");
    expect(server.lines.join("")).toContain(
      "watcher 192.0.2.1 of fier/default disconnected: the login has expired",
    );
    // Nobody else notices.
    broadcaster.send(flvFrame(80, false, 100));
    expect(broadcaster.ends).toEqual([]);
  });

  test("ends one that takes nothing, in the middle of a WebSocket's frame too", async () => {
    const server = new TestServer(logIn);
    const broadcaster = await server.broadcast({}, film);
    server.granted = { endsMs: server.rig.clock.nowMs() + 5000 };
    const socket = new SocketPeer(connectHttp(server), "/watch/fier/default", ann);
    await settled();
    socket.take();
    socket.peer.room = 10;
    broadcaster.send(flvFrame(40, false, 3000));
    server.rig.clock.advance(5001);
    expect(socket.peer.ends.at(-1)).toBe("reset");
  });

  test("ends a watcher that waits", async () => {
    const server = new TestServer(logIn);
    server.granted = { endsMs: server.rig.clock.nowMs() + 5000 };
    const peer = server.watch({ reply: "1", wait: "60", ...ann });
    await settled();
    expect(server.waiting.taken).toBe(1);
    server.rig.clock.advance(5001);
    expect(peer.words()).toContain("code=unauthorized");
    expect(server.waiting.taken).toBe(0);
  });

  test("dismisses a broadcaster, whose watchers are held for its return", async () => {
    const server = new HttpTestServer();
    server.granted = { endsMs: server.rig.clock.nowMs() + 5000 };
    const broadcaster = await server.broadcast({ reply: "1" }, film);
    const upload = await server.request(
      "PUT /broadcast/fier/up",
      [basic("fier:123"), "Transfer-Encoding: chunked"],
      chunk(opaque(sniffedBytes)),
    );
    const tab = new SocketPeer(connectHttp(server), "/broadcast/fier/tab", { user_password: "123" });
    await settled();
    expect([server.rig.channels, broadcaster.words()]).toEqual([3, "|ok"]);
    const watcher = server.watch({ reply: "1" });
    server.rig.clock.advance(5001);
    expect(broadcaster.words()).toContain("code=unauthorized");
    expect(answerOf(upload).status).toBe(401);
    expect(tab.take().at(-1)).toBe("close 1008 unauthorized");
    expect(watcher.ends).toEqual([]);
    server.granted = {};
    await server.broadcast({}, film);
    server.rig.clock.advance(60_000);
    expect(watcher.ends).toEqual([]);
  });

  test("that is over before the broadcast begins lets none begin", async () => {
    const server = new TestServer();
    server.granted = { endsMs: server.rig.clock.nowMs() + 5000 };
    const asking = server.connect();
    asking.request("token", { user: "fier", user_password: "123" });
    await settled();
    const token = Buffer.from(asking.take()).toString();
    server.rig.clock.advance(5001);
    const late = await server.broadcast({ user_password: "", token, reply: "1" });
    expect(late.words()).toContain("token expired");
    expect(server.rig.channels).toBe(0);
  });
});

describe("what a login allows", () => {
  test("is the broadcast's, with a token too: its bit rate, and how many may watch it", async () => {
    const server = new TestServer();
    server.granted = { maxBitrate: 8000, maxWatchers: 1 };
    const asking = server.connect();
    asking.request("token", { user: "fier", user_password: "123" });
    await settled();
    const token = Buffer.from(asking.take()).toString();
    const broadcaster = await server.broadcast({ user_password: "", token, reply: "1" }, opaque(1000));
    expect((await said(server, {})).slice(0, 3)).toBe("|ok");
    expect(await said(server, {})).toContain("code=limit");
    broadcaster.send(opaque(12_000));
    expect(broadcaster.words()).toContain("above the limit of 8 kbit/s");
  });

  test("may be without limits where the settings have some", async () => {
    const server = new TestServer({}, { maxWatchersPerChannel: 1, maxBitrate: 8000 });
    server.granted = { maxBitrate: 0, maxWatchers: 0 };
    const broadcaster = await server.broadcast({ reply: "1" }, opaque(50_000));
    expect([(await said(server, {})).slice(0, 3), (await said(server, {})).slice(0, 3)]).toEqual([
      "|ok",
      "|ok",
    ]);
    expect(broadcaster.words()).toBe("|ok");
  });
});
