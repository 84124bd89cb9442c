// From a connection's first byte to what it becomes: deadlines, refusals, logins, tokens.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { opaque } from "../relay/streams.ts";
import { idOf, settled, TestServer } from "./peer.ts";

async function issue(server: TestServer): Promise<string> {
  return (await server.tokens.issue({ user: "fier", channels: undefined })).token;
}

describe("a handshake", () => {
  test("that is not whole in time is closed without a word", () => {
    const server = new TestServer({ handshakeTimeoutMs: 10_000 });
    const peer = server.connect();
    peer.send("\n\n\0\0");
    server.rig.clock.advance(9900);
    expect(peer.ends).toEqual([]);
    server.rig.clock.advance(200);
    expect(peer.ends).toEqual(["fin"]);
    server.rig.clock.advance(2000);
    expect(peer.ends).toEqual(["fin", "close"]);
    expect(peer.take().length).toBe(0);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("that never comes behind an HTTP request is answered in HTTP, and so is one whose body comes instead", () => {
    const server = new TestServer({ handshakeTimeoutMs: 10_000 });
    const heads = [
      "GET / HTTP/1.1\r\nHost: relay\r\n\r\n",
      "PUT /broadcast/fier/x HTTP/1.1\r\nHost: relay\r\n\r\n",
    ];
    const [waiting, sending, ending] = [heads[0], heads[1] + "GARBAGE", heads[0]].map((text) => {
      const peer = server.connect();
      peer.send(text);
      return peer;
    });
    expect(Buffer.from(sending.take()).toString()).toStartWith("HTTP/1.1 404 ");
    ending.fin();
    expect(Buffer.from(ending.take()).toString()).toMatch(/^HTTP\/1\.1 404 [^]*HTTPS port, 7443\n$/);
    server.rig.clock.advance(2900);
    expect(waiting.take().length).toBe(0);
    server.rig.clock.advance(200);
    expect(Buffer.from(waiting.take()).toString()).toStartWith("HTTP/1.1 404 ");
    expect(waiting.ends[0]).toBe("fin");
    server.rig.clock.advance(20_000);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("behind HTTP headers is served, also where it comes later", async () => {
    const server = new TestServer();
    await server.broadcast();
    const peer = server.connect();
    peer.send("GET / HTTP/1.1\r\nHost: relay\r\n\r\n");
    server.rig.clock.advance(2900);
    peer.send("\0\0");
    server.rig.clock.advance(3000);
    peer.send(
      encodeRequest("watch", [
        ["user", "fier"],
        ["reply", "1"],
      ]).subarray(4),
    );
    await settled();
    expect(Buffer.from(peer.take()).toString()).toContain("ok,id=");
    expect(peer.ends).toEqual([]);
  });

  test("that comes a byte at a time has no more time than another", () => {
    const server = new TestServer({ handshakeTimeoutMs: 10_000 });
    const peer = server.connect();
    for (let i = 0; i < 11; i++) {
      peer.send("G");
      server.rig.clock.advance(1000);
    }
    expect(peer.ends[0]).toBe("fin");
  });

  test("that is done has no deadline any more", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    const watcher = server.watch();
    server.rig.clock.advance(60_000);
    expect([sender.ends, watcher.ends]).toEqual([[], []]);
  });

  test("that ends within the request is closed at once, since nothing more can come", () => {
    const server = new TestServer();
    const peer = server.connect();
    peer.send("\n\n\0\0");
    peer.fin();
    expect(peer.ends[0]).toBe("fin");
    server.rig.clock.advance(2000);
    expect(peer.ends.at(-1)).toBe("close");
    expect([peer.take().length, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("while the server stops has a moment to be whole, and is closed then", () => {
    const server = new TestServer();
    const peer = server.connect();
    peer.send("\n\n");
    peer.session.stop();
    server.rig.clock.advance(900);
    expect(peer.ends).toEqual([]);
    server.rig.clock.advance(100);
    expect(peer.ends).toEqual(["fin"]);
    server.rig.clock.advance(2000);
    expect(peer.ends).toEqual(["fin", "close"]);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("that becomes whole while the server stops is refused in words, but for a question about an end", async () => {
    const server = new TestServer();
    const sender = await server.broadcast();
    server.watch({ reply: "1" });
    sender.send(opaque(10));
    sender.fin();
    const [asking, watching] = [server.connect(), server.connect()];
    for (const peer of [asking, watching]) peer.session.stop();
    server.rig.relay.stop();
    asking.request("end", { id: idOf(1), reply: "1" });
    watching.request("watch", { user: "fier", reply: "1", wait: "9" });
    expect(asking.words()).toBe("|ok,bytes=10,skipped=0,reason=ended");
    expect(watching.words()).toStartWith("|error,code=shutting_down");
    server.rig.clock.advance(2000);
    for (const peer of [asking, watching]) expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("that is reset leaves nothing behind", () => {
    const server = new TestServer();
    server.connect().die();
    expect(server.rig.clock.pending).toBe(0);
  });

  test("of garbage is refused without a word, and the log says so in a line that the peer can't shape", () => {
    const server = new TestServer();
    const peer = server.connect();
    peer.send("\n\n", Uint8Array.of(0, 0, 0, 20, 0), "steal,user=a\nfstream: b");
    expect(peer.ends).toEqual(["fin"]);
    expect(peer.take().length).toBe(0);
    expect(server.lines.length).toBe(1);
    expect(server.lines[0].trimEnd()).not.toContain("\n");
  });

  test("is the same byte by byte", async () => {
    const server = new TestServer();
    const peer = server.connect();
    for (const byte of encodeRequest("broadcast", [
      ["user", "fier"],
      ["user_password", "123"],
      ["reply", "1"],
    ])) {
      peer.send(Uint8Array.of(byte));
    }
    await settled();
    expect(peer.words()).toBe("|ok");
  });
});

describe("a refusal", () => {
  const cases: [
    name: string,
    intent: "watch" | "broadcast" | "token",
    Record<string, string>,
    code: string,
  ][] = [
    ["a wrong password", "broadcast", { user: "fier", user_password: "124" }, "unauthorized"],
    ["no password", "broadcast", { user: "fier" }, "unauthorized"],
    ["a wrong token", "broadcast", { user: "fier", token: "x" }, "unauthorized"],
    ["a wrong password for a token", "token", { user: "fier", user_password: "124" }, "unauthorized"],
    ["no password for a token", "token", { user: "fier" }, "unauthorized"],
    ["a channel that is not live", "watch", { user: "fier" }, "not_live"],
    ["a user that leads out of the folder", "watch", { user: "../../etc/passwd" }, "bad_request"],
    [
      "a user that leads out of it with a password",
      "broadcast",
      { user: "..", user_password: "123" },
      "bad_request",
    ],
    ["a bad bufsize", "broadcast", { user: "fier", user_password: "123", bufsize: "x" }, "bad_request"],
    [
      "a bufsize above half the backlog",
      "broadcast",
      { user: "fier", user_password: "123", bufsize: "32769" },
      "bad_request",
    ],
    ["a bad start", "watch", { user: "fier", start: "soon" }, "bad_request"],
  ];
  for (const [name, intent, fields, code] of cases) {
    test(`of ${name} is a frame for a client that asked for replies, and a closed connection for another`, async () => {
      const server = new TestServer();
      const asking = server.connect();
      asking.request(intent, { ...fields, reply: "1" });
      const silent = server.connect();
      silent.request(intent, fields);
      await settled();
      expect(asking.words()).toStartWith(`|error,code=${code},message*=`);
      expect(silent.take().length).toBe(0);
      expect([asking.ends, silent.ends]).toEqual([["fin"], ["fin"]]);
      server.rig.clock.advance(2000);
      expect([asking.ends, silent.ends]).toEqual([
        ["fin", "close"],
        ["fin", "close"],
      ]);
      expect(server.rig.clock.pending).toBe(0);
    });
  }

  test("reads and drops what still comes for at most 2 s, so that the final bytes are not lost", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ user_password: "124", reply: "1" }, opaque(5000));
    expect(peer.words()).toStartWith("|error,code=unauthorized");
    expect(peer.paused).toBe(false);
    for (let i = 0; i < 19; i++) {
      peer.send(opaque(1000));
      server.rig.clock.advance(100);
    }
    expect(peer.ends).toEqual(["fin"]);
    server.rig.clock.advance(200);
    expect(peer.ends).toEqual(["fin", "close"]);
  });

  test("ends as soon as the peer has ended too", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ user_password: "124", reply: "1" });
    peer.fin();
    expect(peer.ends).toEqual(["fin", "close"]);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("that the peer does not take is over after 2 s, with a reset", async () => {
    const server = new TestServer();
    const peer = server.connect();
    peer.room = 3;
    peer.request("watch", { user: "fier", reply: "1" });
    server.rig.clock.advance(1900);
    expect(peer.ends).toEqual([]);
    server.rig.clock.advance(200);
    expect(peer.ends).toEqual(["reset"]);
    expect(server.rig.clock.pending).toBe(0);
  });

  test("that the peer takes piece by piece arrives whole", () => {
    const server = new TestServer();
    const peer = server.connect();
    peer.room = 1;
    peer.request("watch", { user: "fier", reply: "1" });
    for (let i = 0; i < 500 && peer.ends.length === 0; i++) peer.read(1);
    expect(peer.words()).toBe("|error,code=not_live,message*=fier is not broadcasting on channel default");
    expect(peer.ends).toEqual(["fin"]);
    peer.read(1);
    expect(peer.ends).toEqual(["fin"]);
  });

  test("of a password on a plain connection, where the server takes none there, comes before it is looked at", async () => {
    const server = new TestServer({ plainPasswords: false });
    for (const intent of ["broadcast", "token"] as const) {
      const plain = server.connect(false);
      plain.request(intent, { user: "fier", user_password: "123", reply: "1" });
      await settled();
      expect(plain.words()).toStartWith("|error,code=unauthorized");
    }
    expect(server.lookups).toBe(0);
    const secure = server.connect(true);
    secure.request("broadcast", { user: "fier", user_password: "123", reply: "1" });
    await settled();
    expect(secure.words()).toBe("|ok");
  });

  test("of a channel that the user may not have", async () => {
    const server = new TestServer({}, {}, ["default", "cam*"]);
    expect((await server.broadcast({ channel: "cam7", reply: "1" })).words()).toBe("|ok");
    const peer = await server.broadcast({ channel: "other", reply: "1" });
    expect(peer.words()).toStartWith("|error,code=forbidden");
  });

  test("of one too many", async () => {
    const server = new TestServer();
    server.full = new FstreamError("limit", "too many connections");
    const peer = server.watch({ reply: "1" });
    expect(peer.words()).toStartWith("|error,code=limit");
  });

  test("where the login could not be looked up says nothing of why", async () => {
    const server = new TestServer();
    server.lookup = Promise.reject(new Error("EIO: /srv/users is gone"));
    const peer = await server.broadcast({ reply: "1" });
    expect(peer.words()).toBe("|error,code=internal,message*=internal server error");
    expect(server.lines.join("")).toContain("EIO");
  });
});

describe("a login", () => {
  test("that takes long loses nothing of what came before, with or after it, in order", async () => {
    const server = new TestServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.lookup = promise;
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peer = server.connect();
    peer.request("broadcast", { user: "fier", user_password: "123", reply: "1" }, opaque(1000));
    expect(peer.paused).toBe(true);
    // It was on its way already.
    peer.session.data(opaque(500, 1000));
    peer.send(opaque(700, 1500));
    await settled();
    expect(watcher.receivedBytes).toBe(0);
    resolve();
    await settled();
    expect(peer.paused).toBe(false);
    peer.send(opaque(100, 2200));
    expect(watcher.received).toEqual(opaque(2300));
    peer.fin();
    expect(peer.words()).toBe("|ok|ok,bytes=2300");
  });

  test("of one that has sent everything and its FIN by then is a whole broadcast", async () => {
    const server = new TestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peer = server.connect();
    peer.request("broadcast", { user: "fier", user_password: "123" }, opaque(1000));
    peer.session.ended();
    await settled();
    expect([watcher.receivedBytes, watcher.ending]).toEqual([1000, "orderly"]);
    expect(peer.ends[0]).toBe("fin");
  });

  test("of one that is gone by then begins nothing", async () => {
    const server = new TestServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.lookup = promise;
    const peer = server.connect();
    peer.request("broadcast", { user: "fier", user_password: "123" });
    peer.session.closed(new Error("ECONNRESET"));
    resolve();
    await settled();
    expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("while the server stops ends, and what the peer sends is read and dropped", async () => {
    const server = new TestServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.lookup = promise;
    const peer = server.connect();
    peer.request("broadcast", { user: "fier", user_password: "123", reply: "1" });
    peer.session.stop();
    resolve();
    await settled();
    expect(peer.ends).toEqual(["fin"]);
    expect(peer.paused).toBe(false);
    server.rig.clock.advance(2000);
    expect(peer.ends).toEqual(["fin", "close"]);
    expect(server.rig.channels).toBe(0);
  });
});

describe("a token", () => {
  test("is issued in a frame, or bare to a client that did not ask for replies, and then the connection ends", async () => {
    const server = new TestServer();
    const asking = server.connect();
    asking.request("token", { user: "fier", user_password: "123", reply: "1" });
    await settled();
    expect(asking.words()).toMatch(/^\|ok,token=[\w-]{32},expires=120$/);
    const bare = server.connect();
    bare.request("token", { user: "fier", user_password: "123" });
    await settled();
    expect(Buffer.from(bare.take()).toString()).toMatch(/^[\w-]{32}$/);
    expect([asking.ends, bare.ends]).toEqual([["fin"], ["fin"]]);
  });

  test("lets its user broadcast once", async () => {
    const server = new TestServer();
    const value = await issue(server);
    expect((await server.broadcast({ user_password: "", token: value, reply: "1" })).words()).toBe("|ok");
    const again = await server.broadcast({ user_password: "", token: value, reply: "1" });
    expect(again.words()).toBe("|error,code=unauthorized,message*=token already used");
    expect(server.lookups).toBe(0);
  });

  test("alone counts where there is a password as well", async () => {
    const server = new TestServer();
    const peer = await server.broadcast({ token: "wrong", reply: "1" });
    expect(peer.words()).toStartWith("|error,code=unauthorized");
    expect(server.lookups).toBe(0);
  });

  test("of another user is not used up by a guess at whose it is", async () => {
    const server = new TestServer();
    const value = await issue(server);
    await server.broadcast({ user: "other", token: value });
    expect((await server.broadcast({ token: value, reply: "1" })).words()).toBe("|ok");
  });

  test("is used up by a request that is refused for its bufsize", async () => {
    const server = new TestServer();
    const value = await issue(server);
    const first = await server.broadcast({ token: value, bufsize: "40000", reply: "1" });
    expect(first.words()).toStartWith("|error,code=bad_request");
    const second = await server.broadcast({ token: value, reply: "1" });
    expect(second.words()).toStartWith("|error,code=unauthorized");
  });

  test("is used up by a request for which there is no room", async () => {
    const server = new TestServer();
    const value = await issue(server);
    server.full = new FstreamError("limit", "too many connections");
    const first = await server.broadcast({ token: value, reply: "1" });
    expect(first.words()).toStartWith("|error,code=limit");
    server.full = undefined;
    const second = await server.broadcast({ token: value, reply: "1" });
    expect(second.words()).toStartWith("|error,code=unauthorized");
  });

  test("is used up by a request with another value that breaks the rules", async () => {
    const server = new TestServer();
    const value = await issue(server);
    const first = await server.broadcast({ token: value, bufsize: "x", reply: "1" });
    expect(first.words()).toStartWith("|error,code=bad_request");
    const second = await server.broadcast({ token: value, reply: "1" });
    expect(second.words()).toStartWith("|error,code=unauthorized");
  });

  test("is used up by a request for a channel that can't be had", async () => {
    const server = new TestServer({}, { takeover: false });
    await server.broadcast();
    const value = await issue(server);
    expect((await server.broadcast({ token: value, reply: "1" })).words()).toStartWith("|error,code=busy");
    const second = await server.broadcast({ token: value, channel: "free", reply: "1" });
    expect(second.words()).toStartWith("|error,code=unauthorized");
  });
});

test("a broadcaster that asked for replies gets the address of its channel's page, where that is known", async () => {
  const server = new TestServer({ publicUrl: "https://relay.example/live" });
  const asking = await server.broadcast({ reply: "1", channel: "left, right" });
  expect(asking.words()).toBe("|ok,url=https://relay.example/live/play/fier/left%2C%20right");
  const silent = await server.broadcast({ channel: "other" });
  expect(silent.words()).toBe("");
  const unknown = await new TestServer().broadcast({ reply: "1" });
  expect(unknown.words()).toBe("|ok");
});
