// Connections over HTTP and HTTPS: counted as all others, and not there for longer than they need.

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Socket } from "bun";
import { deadlineMs, Peer, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const http = 'http_listen = "127.0.0.1:0"';
const health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

test("a connection that is silent, or stops in the middle of its request, is closed after handshake_timeout", async () => {
  const server = await TestServer.start({ server: `${http}\nhandshake_timeout = "300ms"` });
  const begun: [port: "http" | "https", bytes: string][] = [
    ["https", ""],
    ["https", "\x16\x03\x01\x02\x00"],
    ["http", ""],
    ["http", "GET /hea"],
    ["http", "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nuser="],
  ];
  for (const [port, bytes] of begun) {
    const peer = await Peer.dial(server.port(port));
    peer.send(bytes);
    await peer.ended();
    expect(peer.text).toBe("");
  }
  const served = await Peer.dial(server.port("http"));
  served.send(health);
  await served.ended();
  expect(served.text).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(server.run.stderr).not.toContain("fstream: error:");
  expect(await server.stop()).toBe(0);
});

test("connections count against max_connections, and give their places back", async () => {
  const server = await TestServer.start({ server: `${http}\nmax_connections = 20` });
  const asking: Peer[] = [];
  const ask = async (listener: "http" | "https", request: string) => {
    const peer = await server.dial(listener);
    asking.push(peer.send(`${request.replace("\n", " HTTP/1.1\r\nHost: localhost\r\n")}\r\n\r\n`));
    return peer;
  };
  for (let i = 0; i < 19; i++) await ask(i % 2 === 0 ? "https" : "http", "GET /watch/ann?wait=60\n");
  await server.watched("ann/default", 19);
  const login = "Authorization: Basic ZmllcjoxMjM=\r\nContent-Length: ";
  (await ask("https", `PUT /broadcast/fier\n${login}9`)).send("media");
  await server.says(/fier\/default: broadcast from .* started/);
  const beyond = await ask("http", `POST /token\n${login}0`);
  await until("it is answered", () => beyond.text.includes("the server is full\n"));
  expect(beyond.text).toContain("HTTP/1.1 429 ");
  for (const peer of asking) peer.reset();
  await until(
    "there is room again",
    async () => (await server.watch({ fserv_arg_user: "ann" }).exit()) === 4,
  );
  expect(await server.stop()).toBe(0);
});

test("plain HTTP on a port for TLS is answered with the address that is right", async () => {
  const server = await TestServer.start();
  const ask = async (port: "https" | "tls", request: string) => {
    const peer = await Peer.dial(server.port(port));
    peer.send(request);
    await peer.ended();
    return peer.text;
  };
  const host = `localhost:${server.port("https")}`;
  const page = await ask("https", `GET /play/fier?x=1 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  expect(page).toStartWith("HTTP/1.1 307 ");
  expect(page).toContain(`\r\nLocation: https://${host}/play/fier?x=1\r\n`);
  const upload = await ask(
    "https",
    `PUT /broadcast/fier HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`,
  );
  expect(upload).toStartWith("HTTP/1.1 400 ");
  expect(upload).toEndWith("this port needs TLS: use https://, or fstreams:// with the client\n");
  expect(await ask("tls", "GET / HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 400 ");
  expect(await ask("https", "\x16\x03\x01\x00\x05hello")).not.toContain("HTTP");
  expect(await server.stop()).toBe(0);
});

test("a connection serves for one request, however many come on it", async () => {
  const server = await TestServer.start({ server: http });
  const login = `POST /token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${btoa("fier:wrong")}\r\nContent-Length: 0\r\n\r\n`;
  for (const request of [health, login]) {
    const peer = await Peer.dial(server.port("http"));
    peer.send(request.repeat(20_000));
    await peer.ended();
    expect(peer.text.split("HTTP/1.1 ").length - 1).toBe(1);
    expect(peer.text).toContain("\r\nConnection: close\r\n");
  }
  expect(server.run.stderr.split("wrong user or password").length - 1).toBe(1);
  expect(await server.stop()).toBe(0);
});

test("a request is answered whole to a peer that has ended its side, and to one that has sent too much", async () => {
  const server = await TestServer.start({ server: http });
  const upload = `POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1_000_000)}`;
  const expected: [request: string, answer: RegExp][] = [
    [health, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok\n$/],
    ["GET /healthz HTTP/1.0\r\n\r\n", /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok\n$/],
    [
      "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
      /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 3\r\n\r\n$/,
    ],
    [upload, /^HTTP\/1\.1 413 [^]*\n$/],
    [`GET / HTTP/1.1\r\nX: ${"a".repeat(100_000)}`, /^HTTP\/1\.1 431 [^]*\n$/],
    ["no HTTP at all\r\n\r\n", /^HTTP\/1\.1 400 [^]*\n$/],
  ];
  for (const [request, answer] of expected) {
    const peer = await Peer.dial(server.port("http"));
    peer.send(request);
    peer.finish();
    expect(await peer.ended()).toBe("fin");
    expect(peer.text).toMatch(answer);
  }
  expect(await server.stop()).toBe(0);
});

test("a body is asked for where the client waits to be asked", async () => {
  const server = await TestServer.start({ server: http });
  const peer = await Peer.dial(server.port("http"));
  const form = "user=fier&user_password=123";
  const type = "Content-Type: application/x-www-form-urlencoded";
  peer.send(
    `POST /token HTTP/1.1\r\nHost: localhost\r\n${type}\r\nExpect: 100-continue\r\nContent-Length: ${form.length}\r\n\r\n`,
  );
  await until("it is asked", () => peer.text === "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send(form);
  await peer.ended();
  expect(peer.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n[\w-]+\n$/);
  expect(await server.stop()).toBe(0);
});

test("a server that stops does not wait for requests that are not whole", async () => {
  const server = await TestServer.start({ server: http });
  const peers = [await Peer.dial(server.port("http")), await Peer.dial(server.port("https"))];
  peers[0].send("GET /healthz HTTP/1.1\r\n");
  const asking = await Peer.dial(server.port("http"));
  asking.send(health);
  await asking.ended();
  const stopped = server.stop();
  for (const peer of peers) await peer.ended();
  expect(await stopped).toBe(0);
});

test("a peer that goes in the middle of its request, or speaks no HTTP, is no news", async () => {
  const server = await TestServer.start({ server: http });
  for (const bytes of [
    "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nuser=",
    "GET",
  ]) {
    const gone = await Peer.dial(server.port("http"));
    gone.send(bytes);
    gone.reset();
  }
  for (const [port, bytes] of [
    ["http", "\n\n\0\0\0\x05\0watch"],
    ["https", "GET /healthz HTTP/1.1\r\n\r\n"],
  ] as const) {
    const peer = await Peer.dial(server.port(port));
    peer.send(bytes);
    await peer.ended();
  }
  const well = await Peer.dial(server.port("http"));
  well.send(health);
  await until("it is answered", () => well.text.endsWith("ok\n"));
  expect(server.run.stderr).not.toMatch(/error|warning/);
  well.reset();
  expect(await server.stop()).toBe(0);
});

test("peers that are done with TLS and then say nothing do not hold the server's stop", async () => {
  const silent = await TestServer.start({ server: 'shutdown_grace = "1h"' });
  const port = silent.port("https");
  const peers = await Promise.all(
    Array.from({ length: 5 }, () => {
      const { promise, resolve, reject } = Promise.withResolvers<Socket>();
      void Bun.connect({
        hostname: "127.0.0.1",
        port,
        tls: { rejectUnauthorized: false },
        socket: {
          handshake: (socket) => resolve(socket),
          data() {},
          close() {},
          error: (_, error) => reject(error),
        },
      });
      return promise;
    }),
  );
  // Within the deadline of a test, not within the hour that is allowed for the rest.
  expect(await silent.stop()).toBe(0);
  for (const peer of peers) peer.terminate();
});

test.skipIf(process.platform !== "linux")(
  "peers that ask for the largest file of a page and take nothing of it keep no copies",
  async () => {
    const server = await TestServer.start({ server: http });
    const get = async (path: string) => {
      const headers = { "Accept-Encoding": "identity" };
      return await (await fetch(`http://127.0.0.1:${server.port("http")}${path}`, { headers })).text();
    };
    const script = /\/assets\/play-[\w-]+\.js/.exec(await get("/play/fier"))?.[0] ?? "";
    const player = /mpegts-[\w-]+\.js/.exec(await get(script))?.[0] ?? "";
    const { length } = await get(`/assets/${player}`);
    expect(length).toBeGreaterThan(200_000);
    const before = await server.memory();
    const peers: Peer[] = [];
    for (let i = 0; i < 300; i++) {
      const peer = await Peer.dial(server.port("http"));
      peer.pause();
      peers.push(peer.send(`GET /assets/${player} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    }
    // It is answered after all of those.
    expect(await get("/healthz")).toBe("ok\n");
    expect((await server.memory()) - before).toBeLessThan((300 * length) / 3);
    for (const peer of peers) peer.resume();
    for (const peer of peers) {
      expect(await peer.ended()).toBe("fin");
      expect(peer.length).toBeGreaterThan(length);
    }
    expect(await server.stop()).toBe(0);
  },
);
