// Broadcasting over HTTP: who may, what is answered, what becomes of the stream, and that nothing is claimed without one.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { type FakePeer, settled } from "../session/peer.ts";
import { answerOf, basic, chunk, HttpTestServer, head, proxy } from "./requesting.ts";

const login = basic("fier:123");
const chunked = "Transfer-Encoding: chunked";
const put = "PUT /broadcast/fier/default";

const codeOf = (peer: FakePeer) => {
  const { status, fields } = answerOf(peer);
  return [status, fields.get("x-fstream-code")];
};

/** Has room for a flood. */
const large = () => new HttpTestServer({}, { backlogBytes: 8 * 2 ** 20, maxBacklogTotalBytes: 2 ** 26 });

/** Sends the next bytes: some by an event, and behind them what can be had without one. */
function flood(peer: FakePeer, bytes: Uint8Array): void {
  peer.flood = bytes.slice(200_000);
  peer.send(bytes.subarray(0, 200_000));
}

describe("a body", () => {
  test("in chunks is the stream, and its last chunk an orderly end, answered with its size", async () => {
    for (const method of ["PUT", "POST"]) {
      const server = new HttpTestServer();
      const watcher = server.rig.watch({ waitMs: 60_000 });
      const peer = await server.request(
        `${method} /broadcast/fier/default`,
        [login, chunked],
        chunk(opaque(1000)),
      );
      peer.send(chunk(opaque(5, 1000)), chunk(opaque(5, 1005)));
      server.rig.clock.advance(100);
      expect(Buffer.from(watcher.received).equals(opaque(1010))).toBe(true);
      expect([watcher.ending, peer.take().length]).toEqual(["", 0]);
      peer.send("0\r\nTrailer: any\r\n\r\n");
      const { status, body } = answerOf(peer);
      expect([status, body, peer.ends, watcher.ending]).toEqual([200, "1010 bytes\n", ["fin"], "orderly"]);
    }
  });

  test("with a length is over with its last byte", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peer = await server.request("POST /broadcast/fier", [login, "Content-Length: 2000"], opaque(1500));
    expect(peer.take().length).toBe(0);
    peer.send(opaque(600, 1500));
    expect(answerOf(peer).body).toBe("2000 bytes\n");
    expect([watcher.ending, Buffer.from(watcher.received).equals(opaque(2000))]).toEqual(["orderly", true]);
  });

  test("that comes while the login is looked up is not read, and nothing of it is lost", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const looked = Promise.withResolvers<void>();
    server.lookup = looked.promise;
    const peer = await server.request(put, [login, chunked], chunk(opaque(1000)));
    expect([peer.paused, server.rig.channels]).toEqual([true, 1]);
    peer.send(chunk(opaque(1000, 1000)));
    peer.send(chunk());
    peer.fin();
    looked.resolve();
    await settled();
    expect([peer.paused, answerOf(peer).body]).toEqual([false, "2000 bytes\n"]);
    expect([watcher.ending, Buffer.from(watcher.received).equals(opaque(2000))]).toEqual(["orderly", true]);
  });

  test("keeps the channel's password and the chunks that the query asks for", async () => {
    const server = new HttpTestServer();
    await server.request(
      "PUT /broadcast/fier/a%2Fb%20c?bufsize=100&channel_password=4%265",
      [login, chunked],
      chunk(opaque(1050)),
    );
    const watch = (password: string) => () => server.rig.watch({ channel: "a/b c", password });
    expect(server.rig.refusal(watch(""))).toBe("forbidden");
    const watcher = server.rig.watch({ channel: "a/b c", password: "4&5" });
    server.rig.clock.advance(100);
    expect(watcher.received).toEqual(opaque(50, 1000));
  });

  test("that breaks off is a broken broadcast, whose watchers are held", async () => {
    const breaks: ((peer: FakePeer) => void)[] = [
      (peer) => peer.die(),
      (peer) => peer.fin(),
      (peer) => peer.send("no chunk"),
    ];
    for (const way of breaks) {
      const server = new HttpTestServer();
      const peer = await server.request(put, [login, chunked], chunk(opaque(sniffedBytes)));
      const watcher = server.rig.watch();
      way(peer);
      server.rig.clock.advance(5000);
      expect(watcher.ending).toBe("");
      const back = await server.request(put, [login, chunked], chunk(opaque(500)), chunk());
      expect([answerOf(back).status, watcher.receivedBytes, watcher.ending]).toEqual([200, 500, "orderly"]);
    }
  });

  test("that breaks off is answered why, where there is somebody to answer", async () => {
    const server = new HttpTestServer();
    const short = await server.request(put, [login, "Content-Length: 100"], opaque(50));
    short.fin();
    const malformed = await server.request(put, [login, chunked], chunk(opaque(50)), "5\n");
    for (const peer of [short, malformed]) {
      expect(codeOf(peer)).toEqual([400, "bad_request"]);
      expect(peer.ends[0]).toBe("fin");
    }
    // Its end is in the log, and is no refusal there.
    expect(server.lines.filter((line) => line.includes("broadcast interrupted after"))).toHaveLength(2);
    expect(server.lines.join("")).not.toContain("refused");
  });
});

describe("a request without a body", () => {
  const empty: [what: string, fields: string[], body: string][] = [
    ["of no length", ["Content-Length: 0"], ""],
    ["of no chunks", [chunked], "0\r\n\r\n"],
    ["of no chunks, that waited", [chunked, "Expect: 100-continue"], ""],
  ];
  test.each(empty)("%s, claims nothing and disturbs no broadcast", async (_what, fields, body) => {
    const server = new HttpTestServer();
    const send = async () => {
      const peer = await server.request(put, [login, ...fields], body);
      if (fields.includes("Expect: 100-continue")) {
        expect(answerOf(peer).status).toBe(100);
        peer.send("0\r\n\r\n");
      }
      expect(answerOf(peer)).toMatchObject({ status: 200, body: "0 bytes\n" });
    };
    await send();
    expect(server.rig.channels).toBe(0);
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    const watcher = server.rig.watch();
    await send();
    sender.send(opaque(100));
    server.rig.clock.advance(5000);
    expect([sender.ends, watcher.receivedBytes, watcher.ending]).toEqual([[], 100, ""]);
  });

  test("that ends with its connection claims nothing either", async () => {
    const server = new HttpTestServer();
    const sender = await server.broadcast({}, opaque(sniffedBytes));
    for (const ending of ["fin", "die"] as const) {
      const peer = await server.request(put, [login]);
      peer[ending]();
    }
    const source = await server.request("SOURCE /broadcast/fier/default HTTP/1.0", [login]);
    source.fin();
    server.rig.clock.advance(60_000);
    expect(sender.ends).toEqual([]);
  });

  test("that announces none is told so after a while, since its client may wait for an answer", async () => {
    const server = new HttpTestServer({ handshakeTimeoutMs: 3000 });
    const peer = await server.request(put, [login]);
    server.rig.clock.advance(2900);
    expect(peer.take().length).toBe(0);
    server.rig.clock.advance(200);
    expect(codeOf(peer)).toEqual([400, "bad_request"]);
  });
});

describe("a request whose body does not begin", () => {
  const ways: [line: string, fields: string[], body: string][] = [
    [put, ["Content-Length: 1000"], ""],
    [put, [chunked], "3"],
    [put, [chunked, "Expect: 100-continue"], ""],
    ["SOURCE /broadcast/fier/default", [], ""],
    ["SOURCE /broadcast/fier/default HTTP/1.0", [], ""],
  ];
  test.each(ways)("is refused a minute later: %s %p %s", async (line, fields, body) => {
    const server = new HttpTestServer();
    const peer = await server.request(line, [login, ...fields], body);
    server.rig.clock.advance(59_000);
    expect(peer.ends).toEqual([]);
    server.rig.clock.advance(2000);
    expect(peer.ends[0]).toBe("fin");
    server.rig.clock.advance(5000);
    expect([server.rig.channels, server.rig.clock.pending]).toEqual([0, 0]);
  });

  test("has all its time once it has begun", async () => {
    const server = new HttpTestServer();
    const peer = await server.request(put, [login, "Content-Length: 1000"]);
    peer.send("x");
    expect(server.rig.clock.pending).toBeGreaterThan(0);
    server.rig.clock.advance(3000);
    expect(peer.ends).toEqual([]);
    peer.send(opaque(999));
    expect(answerOf(peer).status).toBe(200);
  });
});

describe("who sends it", () => {
  test("has to be said: without credentials the answer asks for them at once, and not a line is logged", async () => {
    const server = new HttpTestServer();
    for (const fields of [[chunked, "Expect: 100-continue"], ["Content-Length: 5"], []]) {
      const peer = await server.request(put, fields);
      const { status, fields: answered } = answerOf(peer);
      expect([status, answered.get("x-fstream-code")]).toEqual([401, "unauthorized"]);
      expect(answered.get("www-authenticate")).toStartWith("Basic realm=");
      expect(peer.ends).toEqual(["fin"]);
    }
    expect([server.lookups, server.lines]).toEqual([0, []]);
  });

  test("is the channel's user, with the right password", async () => {
    const server = new HttpTestServer();
    const refused = async (credentials: string, line = put) =>
      codeOf(await server.request(line, [credentials, chunked], chunk("media")));
    expect(await refused(basic("fier:wrong"))).toEqual([401, "unauthorized"]);
    expect(await refused(basic("fier:"))).toEqual([401, "unauthorized"]);
    expect(await refused(basic("ann:123"))).toEqual([403, "forbidden"]);
    expect(await refused(basic("source:123"), put.replace("PUT", "POST"))).toEqual([403, "forbidden"]);
    expect(await refused("Authorization: Bearer")).toEqual([400, "bad_request"]);
    expect(await refused("Authorization: Digest fier")).toEqual([400, "bad_request"]);
    expect(await refused("Authorization: Basic zzz*")).toEqual([400, "bad_request"]);
    expect(await refused(basic("a/../b:123"), "PUT /broadcast/a%2F..%2Fb/x")).toEqual([400, "bad_request"]);
    expect([server.lookups, server.rig.channels]).toEqual([1, 0]);
  });

  test("may be said by a one-time token, on a plain connection where passwords are not taken too", async () => {
    const server = new HttpTestServer({ plainPasswords: false });
    const { token } = await server.tokens.issue({ user: "fier", channels: undefined });
    expect(codeOf(await server.request(put, [login, chunked], chunk("media")))).toEqual([
      401,
      "unauthorized",
    ]);
    const bearer = `Authorization: Bearer ${token}`;
    const other = await server.request("PUT /broadcast/ann/default", [bearer, chunked], chunk("media"));
    expect(codeOf(other)).toEqual([401, "unauthorized"]);
    const peer = await server.request(put, [bearer, chunked], chunk("media"), chunk());
    expect(answerOf(peer).status).toBe(200);
    const again = await server.request(put, [bearer, chunked], chunk("media"));
    expect(codeOf(again)).toEqual([401, "unauthorized"]);
    // Over TLS a password is as good.
    const secure = server.dial(true);
    secure.send(head(put, [login, chunked]), chunk("media"), chunk());
    await settled();
    expect(answerOf(secure).status).toBe(200);
  });

  test("counts as the client of a trusted proxy, over TLS if that says so", async () => {
    const server = new HttpTestServer({ plainPasswords: false });
    const through = async (fields: string[]) => {
      const peer = server.dial(false, proxy);
      peer.send(head(put, [login, chunked, "X-Forwarded-For: 203.0.113.9", ...fields]), chunk("m"), chunk());
      await settled();
      return answerOf(peer).status;
    };
    expect(await through([])).toBe(401);
    expect(await through(["X-Forwarded-Proto: https"])).toBe(200);
    expect(server.lines).toContain("fstream: fier/default: broadcast from 203.0.113.9 started\n");
  });

  test("is not taken from a page of another server, whose browser adds the password", async () => {
    const server = new HttpTestServer();
    const from = async (origin: string) =>
      answerOf(await server.request(put, [login, chunked, `Origin: ${origin}`], chunk("m"), chunk())).status;
    expect(await from("https://elsewhere.example")).toBe(403);
    expect(await from("null")).toBe(403);
    expect(await from("https://relay.example")).toBe(200);
  });

  test("gives a token that is used up by a request which is refused for something else", async () => {
    const refusals: [line: string, fields: string[], status: number][] = [
      [`${put}?bufsize=x`, [chunked], 400],
      [`${put}?bufsize=99999999`, [chunked], 400],
      [put, ["Transfer-Encoding: gzip"], 501],
      [put, [chunked, "Content-Length: 5"], 400],
      [put, ["Content-Length: x"], 400],
      [put, ["Content-Length: 5", "Content-Range: bytes 0-9/*"], 400],
      [put, ["Content-Length: 5", "Content-Range: bytes */5"], 400],
    ];
    for (const [line, fields, status] of refusals) {
      const server = new HttpTestServer();
      const { token } = await server.tokens.issue({ user: "fier", channels: undefined });
      const bearer = `Authorization: Bearer ${token}`;
      const peer = await server.request(line, [bearer, ...fields], "12345");
      expect([fields, answerOf(peer).status]).toEqual([fields, status]);
      const again = await server.request(put, [bearer, chunked], chunk("media"));
      expect([fields, answerOf(again).status]).toEqual([fields, 401]);
    }
  });
});

describe("a client that expects 100 Continue", () => {
  test("gets it once its login is done, before anything else happens", async () => {
    const server = new HttpTestServer();
    const peer = await server.request(put, [login, chunked, "Expect: 100-Continue"]);
    expect(Buffer.from(peer.take()).toString()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    expect(server.rig.channels).toBe(0);
    peer.send(chunk("media"), chunk());
    expect(answerOf(peer)).toMatchObject({ status: 200, body: "5 bytes\n" });
  });

  test("does not get it if it sends at once, is of HTTP/1.0, or is refused", async () => {
    const server = new HttpTestServer();
    const expects = "Expect: 100-continue";
    const hasty = await server.request(put, [login, chunked, expects], chunk("media"));
    const old = await server.request(`${put} HTTP/1.0`, [login, "Content-Length: 5", expects]);
    expect([hasty.take().length, old.take().length]).toEqual([0, 0]);
    const wrong = await server.request(put, [basic("fier:124"), chunked, expects]);
    expect(answerOf(wrong).status).toBe(401);
  });
});

describe("a refusal", () => {
  test("of a channel that is taken comes before the body", async () => {
    const server = new HttpTestServer({}, { takeover: false });
    const sender = await server.broadcast({}, opaque(10));
    const peer = await server.request(put, [login, chunked, "Expect: 100-continue"]);
    const { status, fields } = answerOf(peer);
    expect([status, fields.get("x-fstream-code"), fields.has("retry-after")]).toEqual([503, "busy", true]);
    expect(sender.ends).toEqual([]);
  });

  test("of one channel too many, or one connection, comes before the body too", async () => {
    const server = new HttpTestServer({}, { maxChannelsPerUser: 1 });
    await server.broadcast({ channel: "one" }, opaque(10));
    expect(codeOf(await server.request(put, [login, chunked, "Expect: 100-continue"]))).toEqual([
      429,
      "limit",
    ]);
    server.full = new FstreamError("limit", "the server is full");
    expect(codeOf(await server.request(put, [login, chunked]))).toEqual([429, "limit"]);
  });

  test("is read on behind, so that it is not lost to a reset", async () => {
    const server = new HttpTestServer();
    const peer = await server.request(put, [basic("fier:wrong"), "Content-Length: 1000000"], opaque(5000));
    expect([answerOf(peer).status, peer.ends]).toEqual([401, ["fin"]]);
    peer.send(opaque(50_000));
    server.rig.clock.advance(2100);
    expect([peer.ends, server.rig.channels]).toEqual([["fin", "close"], 0]);
  });

  test("in the middle of the stream says why", async () => {
    const server = new HttpTestServer({}, { maxBitrate: 80_000, broadcasterTimeoutMs: 20_000 });
    const replaced = await server.request(put, [login, chunked], chunk(opaque(100)));
    const stopped = await server.request(put, [login, chunked], chunk(opaque(100)));
    expect(codeOf(replaced)).toEqual([409, "replaced"]);
    const fast = await server.request("PUT /broadcast/fier/fast", [login, "Content-Length: 900000"]);
    fast.send(opaque(120_000));
    expect(codeOf(fast)).toEqual([429, "limit"]);
    const silent = await server.request("PUT /broadcast/fier/silent", [login, chunked], chunk(opaque(100)));
    for (let second = 0; second < 21; second++) {
      server.rig.clock.advance(1000);
      stopped.send(chunk(opaque(10)));
    }
    expect([silent.take().length, silent.ends]).toEqual([0, ["reset"]]);
    server.rig.relay.stop();
    expect(codeOf(stopped)).toEqual([503, "shutting_down"]);
  });

  test("of a server that stops reaches those whose stream has not begun", async () => {
    const server = new HttpTestServer();
    const waiting = await server.request(put, [login, chunked]);
    const looked = Promise.withResolvers<void>();
    server.lookup = looked.promise;
    const asking = await server.request(put, [login, chunked], chunk("media"));
    for (const peer of [waiting, asking]) {
      peer.session.stop();
      expect(codeOf(peer)).toEqual([503, "shutting_down"]);
    }
    looked.resolve();
    await settled();
    expect(server.rig.channels).toBe(0);
  });
});

describe("a source of Icecast", () => {
  const source = "SOURCE /broadcast/fier/default HTTP/1.0";

  test("is answered before its stream, and ends in order with its connection", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peer = await server.request(source, [login, "ice-name: a", "Content-Type: audio/ogg"]);
    expect(Buffer.from(peer.take()).toString()).toBe("HTTP/1.0 200 OK\r\n\r\n");
    expect(watcher.ending).toBe("");
    peer.send(opaque(1000));
    peer.fin();
    expect([peer.take().length, peer.ends]).toEqual([0, ["fin", "close"]]);
    expect([watcher.ending, Buffer.from(watcher.received).equals(opaque(1000))]).toEqual(["orderly", true]);
  });

  test("may give only the password, with the user that Icecast has for that", async () => {
    const server = new HttpTestServer();
    const continued = ["Content-Type: audio/ogg", "Expect: 100-continue", chunked];
    for (const [line, fields] of [
      [source, []],
      ["PUT /broadcast/fier/radio", continued],
    ] as const) {
      const wrong = await server.request(line, [basic("source:124"), ...fields]);
      expect(codeOf(wrong)).toEqual([401, "unauthorized"]);
      const peer = await server.request(line, [basic("source:123"), ...fields]);
      expect(answerOf(peer).status).toBeLessThan(300);
    }
  });

  test("that sends at once is answered at its end, as it may never read", async () => {
    const server = new HttpTestServer();
    const [at, later] = [source, source.replace("/1.0", "/1.1")];
    const hasty = await server.request(at, [login], opaque(10));
    const soon = await server.request(later.replace("default", "b"), [login]);
    server.rig.clock.advance(400);
    soon.send(opaque(10));
    server.rig.clock.advance(5000);
    const waiting = await server.request(later.replace("default", "c"), [login]);
    server.rig.clock.advance(600);
    expect([hasty.take().length, soon.take().length]).toEqual([0, 0]);
    expect(Buffer.from(waiting.take()).toString()).toBe("HTTP/1.0 200 OK\r\n\r\n");
    for (const peer of [hasty, soon]) {
      peer.fin();
      expect(answerOf(peer)).toMatchObject({ status: 200, body: "10 bytes\n" });
    }
  });

  test("that was answered is only closed when it is replaced", async () => {
    const server = new HttpTestServer();
    const peer = await server.request(source, [login]);
    peer.take();
    peer.send(opaque(10));
    await server.broadcast({}, opaque(1));
    expect([peer.take().length, peer.ends]).toEqual([0, ["fin"]]);
  });

  test("finds out what it may do", async () => {
    const server = new HttpTestServer();
    const options = answerOf(await server.request("OPTIONS *", ["Connection: Upgrade", "Upgrade: TLS/1.0"]));
    expect([options.status, options.body]).toEqual([200, ""]);
    expect(options.fields.get("allow")?.split(", ")).toContain("PUT");
    const poke = answerOf(await server.request("GET /admin/!POKE", []));
    expect(poke.status).toBe(404);
    const probe = await server.request(source, ["Content-Length: 0"]);
    expect(answerOf(probe).status).toBe(401);
  });

  test("may put its stream until the connection closes, as libshout and ffmpeg do", async () => {
    const server = new HttpTestServer();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const peer = await server.request(put, [login, "Expect: 100-continue", "Ice-Public: 0"]);
    expect(Buffer.from(peer.take()).toString()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(opaque(1000));
    server.rig.clock.advance(60_000);
    peer.fin();
    expect(answerOf(peer)).toMatchObject({ status: 200, body: "1000 bytes\n" });
    expect([watcher.ending, watcher.receivedBytes]).toEqual(["orderly", 1000]);
  });
});

describe("a flood", () => {
  test("of a body with a length is read right into the ring, up to its last byte and not beyond", async () => {
    const server = large();
    const watcher = server.rig.watch({ waitMs: 60_000 });
    const size = 200_000 + 16 * 131_072;
    const peer = await server.request("POST /broadcast/fier", [login, `Content-Length: ${size}`]);
    flood(peer, opaque(size + 500_000));
    expect(peer.paused).toBe(true);
    server.rig.clock.advance(0);
    // The rest of the body is less than a flood, if there is one: events have it.
    const left = peer.flood;
    expect(left.length).toBeLessThan(500_000 + 131_072);
    peer.flood = new Uint8Array(0);
    peer.send(left);
    expect(answerOf(peer)).toMatchObject({ status: 200, body: `${size} bytes\n` });
    expect([watcher.ending, peer.paused]).toEqual(["orderly", false]);
    expect(Buffer.from(watcher.received).equals(opaque(size))).toBe(true);
  });

  test("of a body that ends with its connection is too, and so are large chunks", async () => {
    for (const coding of [[chunked], ["Expect: 100-continue"]]) {
      const server = large();
      const watcher = server.rig.watch({ waitMs: 60_000 });
      const peer = await server.request(put, [login, ...coding]);
      peer.take();
      const body = coding[0] === chunked ? chunk(opaque(3_000_000)) : Buffer.from(opaque(3_000_000));
      flood(peer, new Uint8Array(body));
      expect(peer.paused).toBe(true);
      server.rig.clock.advance(0);
      expect([peer.paused, peer.flood.length < 131_072 + 2]).toEqual([false, true]);
      const left = peer.flood;
      peer.flood = new Uint8Array(0);
      peer.send(left);
      if (coding[0] === chunked) peer.send(chunk());
      peer.fin();
      expect(answerOf(peer).body).toBe("3000000 bytes\n");
      expect([watcher.ending, Buffer.from(watcher.received).equals(opaque(3_000_000))]).toEqual([
        "orderly",
        true,
      ]);
    }
  });

  test("in small chunks is read by events", async () => {
    const server = large();
    const peer = await server.request(put, [login, chunked]);
    flood(peer, new Uint8Array(Buffer.concat(Array(50).fill(chunk(opaque(30_000))))));
    expect(peer.paused).toBe(false);
  });

  test("of more than max_bitrate is refused", async () => {
    const server = new HttpTestServer({}, { maxBitrate: 1_000_000, backlogBytes: 8 * 2 ** 20 });
    const peer = await server.request(put, [login, "Content-Length: 9000000"]);
    flood(peer, opaque(6_000_000));
    server.rig.clock.advance(0);
    expect(codeOf(peer)).toEqual([429, "limit"]);
    expect([peer.paused, peer.ends]).toEqual([false, ["fin"]]);
  });

  test("that ends with what is too much is refused, and answered once", async () => {
    // Three segments of the ring, each of which a read fills.
    const bytes = 3 * 128 * 1024;
    const server = new HttpTestServer({}, { maxBitrate: 300_000, backlogBytes: 8 * 2 ** 20 });
    const peer = await server.request("POST /broadcast/fier", [login, `Content-Length: ${bytes}`]);
    flood(peer, opaque(bytes));
    server.rig.clock.advance(0);
    expect(peer.flood).toHaveLength(0);
    const { status, body } = answerOf(peer);
    expect([status, body, peer.ends]).toEqual([
      429,
      "the bit rate is above the limit of 300 kbit/s\n",
      ["fin"],
    ]);
  });
});
