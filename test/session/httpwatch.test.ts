// A watcher that asks in HTTP, on a connection of the protocol: the answers it gets, and how its stream ends.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import { flvConfig, flvFrame, flvHead, opaque } from "../relay/streams.ts";
import { type FakePeer, settled, TestServer } from "./peer.ts";

const film = concat([flvHead, flvConfig(0), flvFrame(0, true, 5000), flvFrame(40, false, 5000)]);
const password = { channel_password: "456" };

/** A response taken apart. */
function response(bytes: Uint8Array): { status: number; fields: Headers; body: Buffer } {
  const all = Buffer.from(bytes);
  const end = all.indexOf("\r\n\r\n");
  const [line, ...lines] = all.toString("latin1", 0, end).split("\r\n");
  const fields = new Headers(lines.map((each) => each.split(": ") as [string, string]));
  return { status: Number(line.split(" ")[1]), fields, body: all.subarray(end + 4) };
}

function get(server: TestServer, target: string, fields = "", method = "GET"): FakePeer {
  const peer = server.connect();
  peer.send(`${method} ${target} HTTP/1.1\r\nHost: relay\r\n${fields}\r\n`);
  return peer;
}

const basic = (text: string) => `Authorization: Basic ${btoa(text)}\r\n`;

describe("a request for /watch/", () => {
  test("is answered with a head of the stream's type, and the raw stream from a join point", async () => {
    const server = new TestServer();
    const broadcaster = await server.broadcast({}, film);
    const watcher = get(server, "/watch/fier/default");
    const { status, fields, body } = response(watcher.take());
    expect(status).toBe(200);
    expect(fields.get("content-type")).toBe("video/x-flv");
    expect(fields.get("connection")).toBe("close");
    expect(fields.get("access-control-allow-origin")).toBe("*");
    expect(fields.has("content-length")).toBe(false);
    expect(body.equals(film)).toBe(true);
    const next = flvFrame(80, false, 5000);
    broadcaster.send(next);
    server.rig.clock.advance(100);
    expect(Buffer.from(watcher.take()).equals(next)).toBe(true);
    expect(watcher.ends).toEqual([]);
    broadcaster.fin();
    expect(watcher.ends).toEqual(["fin"]);
  });

  test("waits until it is known what the stream is, and then gets all of it, in whatever pieces it comes", async () => {
    const server = new TestServer();
    const waiting = get(server, "/watch/fier?wait=10");
    const broadcaster = await server.broadcast({}, opaque(100));
    const joining = get(server, "/watch/fier");
    expect([waiting.take().length, joining.take().length]).toEqual([0, 0]);
    for (let i = 0; i < 3000; i++) broadcaster.send(opaque(100));
    server.rig.clock.advance(1000);
    for (const peer of [waiting, joining]) {
      const { status, fields, body } = response(peer.take());
      expect([status, fields.get("content-type"), body.length]).toEqual([
        200,
        "application/octet-stream",
        300_100,
      ]);
    }
  });

  test("gets a stream that ends before it is known what it is", async () => {
    const server = new TestServer();
    const waiting = get(server, "/watch/fier?wait=10");
    const broadcaster = await server.broadcast({}, opaque(100));
    broadcaster.fin();
    const { fields, body } = response(waiting.take());
    expect([fields.get("content-type"), body.length]).toEqual(["application/octet-stream", 100]);
    expect(waiting.ends).toEqual(["fin"]);
  });

  test("ends with a reset where the stream is cut short", async () => {
    const server = new TestServer({}, { holdMs: 1000 });
    const broadcaster = await server.broadcast({}, film);
    const watcher = get(server, "/watch/fier");
    broadcaster.die();
    server.rig.clock.advance(2000);
    expect(watcher.ends).toEqual(["reset"]);
  });

  test("has its names percent-encoded, and no other path", async () => {
    const server = new TestServer();
    await server.broadcast({ channel: "a/b ñ" }, film);
    expect(response(get(server, "/watch/fier/a%2Fb%20%C3%B1").take()).status).toBe(200);
    for (const path of [
      "/watch/",
      "/watch/fier/a/b",
      "/watch/%ff",
      "/watch/fi%0Aer",
      "/watch//x",
      "/watch/fier?start=0",
    ]) {
      const { status, fields } = response(get(server, path).take());
      expect([path, status, fields.get("x-fstream-code")]).toEqual([path, 400, "bad_request"]);
    }
  });

  test("has no more parameters than make sense", async () => {
    const server = new TestServer();
    await server.broadcast({}, film);
    const most = `/watch/fier?start=live${"&a=b".repeat(99)}`;
    expect(response(get(server, most).take()).status).toBe(200);
    const { status, fields } = response(get(server, `${most}&a=b`).take());
    expect([status, fields.get("x-fstream-code")]).toEqual([400, "bad_request"]);
    expect(response(get(server, `/watch/fier?${"&".repeat(4000)}`).take()).status).toBe(400);
  });

  test("gives the channel's password in the query, or as that of Basic authentication", async () => {
    const server = new TestServer();
    await server.broadcast(password, film);
    for (const [target, fields, status] of [
      ["/watch/fier", "", 401],
      ["/watch/fier?channel_password=45", "", 403],
      ["/watch/fier?channel_password=456", "", 200],
      ["/watch/fier", basic("any:45"), 401],
      ["/watch/fier", basic("any:456"), 200],
      ["/watch/fier", basic(":456"), 200],
      ["/watch/fier", basic("no colon"), 400],
    ] as const) {
      const peer = get(server, target, fields);
      await settled();
      const answer = response(peer.take());
      expect([target, fields, answer.status]).toEqual([target, fields, status]);
      // what has a password is for no other site's pages
      if (status === 200) expect(answer.fields.has("access-control-allow-origin")).toBe(false);
    }
  });

  test("is asked for the password that it does not give, where that does not open a page's dialog", async () => {
    const server = new TestServer();
    await server.broadcast(password, film);
    for (const [fields, status] of [
      ["", 401],
      ["Sec-Fetch-Dest: document\r\n", 401],
      ["Sec-Fetch-Dest: audio\r\n", 403],
      ["Sec-Fetch-Dest: empty\r\n", 403],
    ] as const) {
      const answer = response(get(server, "/watch/fier", fields).take());
      expect([fields, answer.status]).toEqual([fields, status]);
      expect(answer.fields.get("x-fstream-code")).toBe("forbidden");
      expect(answer.fields.has("www-authenticate")).toBe(status === 401);
      expect(answer.body.toString()).toBe("this channel has a password\n");
    }
    expect(server.lines.join("\n")).not.toContain("refused");
    // Of a waiting one it is not known before.
    const waiting = get(server, "/watch/fier/later?wait=10");
    await server.broadcast({ ...password, channel: "later" }, film);
    expect(response(waiting.take()).status).toBe(401);
  });

  test("gets the first bytes alone where it probes, and goes; all of it for any other range", async () => {
    const server = new TestServer();
    const early = get(server, "/watch/fier?wait=10", "Range: bytes=0-1\r\n");
    const broadcaster = await server.broadcast({}, film);
    const channel = server.rig.relay.live("fier", "default");
    for (const [range, bytes] of [
      ["bytes=0-1", 2],
      ["Bytes=0-0", 1],
      ["bytes=0-1023", 1024],
      ["bytes=0-1024", film.length],
      ["bytes=0-", film.length],
      ["bytes=1-2", film.length],
      ["bytes=0-1,5-6", film.length],
      ["lines=0-1", film.length],
    ] as const) {
      const peer = range === "bytes=0-1" ? early : get(server, "/watch/fier", `Range: ${range}\r\n`);
      const { status, fields, body } = response(peer.take());
      const isProbe = bytes < film.length;
      expect([range, status, body.length]).toEqual([range, isProbe ? 206 : 200, bytes]);
      expect(body.equals(Buffer.from(film.subarray(0, bytes)))).toBe(true);
      expect(fields.get("content-range")).toBe(isProbe ? `bytes 0-${bytes - 1}/*` : null);
      expect(fields.get("content-length")).toBe(isProbe ? String(bytes) : null);
      expect(fields.get("content-type")).toBe("video/x-flv");
      expect(peer.ends).toEqual(isProbe ? ["fin"] : []);
    }
    expect(channel.watchers).toBe(5);
    expect(response(get(server, "/watch/fier", "Range: bytes=0-1\r\n", "HEAD").take()).status).toBe(200);
    broadcaster.fin();
  });

  test("gets what it probes in whatever pieces the kernel takes it", async () => {
    const server = new TestServer();
    await server.broadcast({}, film);
    const peer = server.connect();
    peer.room = 100;
    peer.send("GET /watch/fier HTTP/1.1\r\nHost: relay\r\nRange: bytes=0-5\r\n\r\n");
    const got: Uint8Array[] = [];
    for (let i = 0; i < 200 && peer.ends.length === 0; i++) {
      got.push(peer.take());
      peer.read(7);
    }
    got.push(peer.take());
    expect(response(Buffer.concat(got)).body.equals(Buffer.from(film.subarray(0, 6)))).toBe(true);
    expect(peer.ends).toEqual(["fin"]);
  });

  test("says why in words, with the code beside them, and when to come back", async () => {
    const server = new TestServer();
    const refused = response(get(server, "/watch/fier").take());
    expect([refused.status, refused.fields.get("x-fstream-code")]).toEqual([404, "not_live"]);
    expect(refused.body.toString()).toBe("fier is not broadcasting on channel default\n");
    server.full = new FstreamError("limit", "the server is full");
    const full = response(get(server, "/watch/fier").take());
    expect([full.status, full.fields.get("retry-after")]).toEqual([429, "5"]);
  });

  test("gets a head alone for HEAD", async () => {
    const server = new TestServer();
    await server.broadcast({}, film);
    const peer = get(server, "/watch/fier", "", "HEAD");
    const { status, fields, body } = response(peer.take());
    expect([status, fields.get("content-type"), body.length]).toEqual([200, "video/x-flv", 0]);
    expect(peer.ends).toEqual(["fin"]);
    const missing = response(get(server, "/watch/other", "", "HEAD").take());
    expect([missing.status, missing.body.length]).toEqual([404, 0]);
  });
});

describe("what breaks the rules of HTTP there", () => {
  test.each([
    ["no Host", "GET /watch/fier HTTP/1.1\r\n\r\n", 400],
    ["another version", "GET /watch/fier HTTP/2.0\r\nHost: a\r\n\r\n", 505],
    ["bare line feeds", "GET /watch/fier HTTP/1.1\nHost: a\n\n", 400],
    ["a null byte", "GET /watch/fier\0", 400],
    ["a long head", `GET /watch/fier HTTP/1.1\r\nHost: a\r\nA: ${"b".repeat(9000)}`, 431],
  ])("(%s) is answered with its status", (_, text, status) => {
    const peer = new TestServer().connect();
    for (const character of text) if (peer.ends.length === 0) peer.send(character);
    expect(response(peer.take()).status).toBe(status);
    expect(peer.ends).toEqual(["fin"]);
  });

  test("a preamble that only begins like it is one as before", async () => {
    const server = new TestServer();
    await server.broadcast({}, film);
    for (const preamble of ["GET /watc", "GET / HTTP/1.1\r\nHost: a\r", "HEAD /watch", "get /watch/fier"]) {
      const peer = server.connect();
      const text = new TextEncoder().encode("watch,user=fier");
      for (const byte of Buffer.concat([Buffer.from(`${preamble}\n\n\0\0\0\x0f\0`), text]))
        peer.send(Uint8Array.of(byte));
      expect(peer.take().length).toBeGreaterThan(0);
    }
  });
});
