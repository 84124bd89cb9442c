// Connections over HTTP and HTTPS: counted as all others, and not there for longer than they need.

import { expect, setDefaultTimeout, test } from "bun:test";
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
  const idle: Peer[] = [];
  for (let i = 0; i < 42; i++) idle.push(await Peer.dial(server.port("https")));
  // Listeners are not served in the order of what comes to them: an answer says that all those are counted.
  const asking = await Peer.dial(server.port("http"));
  asking.send(health);
  await until("it is answered", () => asking.text.endsWith("ok\n"));
  for (let i = 0; i < 41; i++) idle.push(await Peer.dial(server.port("http")));
  const beyond = await Peer.dial(server.port("http")).then(
    (peer) => peer.ended(),
    () => "reset",
  );
  expect(["fin", "reset"]).toContain(beyond);
  await server.says(/no room even to refuse 127\.0\.0\.1/);
  asking.send(
    "POST /token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ZmllcjoxMjM=\r\nContent-Length: 0\r\n\r\n",
  );
  await until("it is answered", () => asking.text.includes("the server is full\n"));
  expect(asking.text).toContain("HTTP/1.1 429 ");
  for (const peer of [...idle, asking]) peer.reset();
  await until("there is room again", async () => (await server.watch().exit()) === 4);
  expect(await server.stop()).toBe(0);
});

test("a connection serves for one request after the other, and a server that stops does not wait for more", async () => {
  const server = await TestServer.start({ server: http });
  const peer = await Peer.dial(server.port("http"));
  for (let i = 1; i <= 3; i++) {
    peer.send(health);
    await until("it is answered", () => peer.text.split("\r\n\r\nok\n").length === i + 1);
  }
  peer.send(health + health);
  await until("both are answered", () => peer.text.split("\r\n\r\nok\n").length === 6);
  const stopped = server.stop();
  await peer.ended();
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
