// Every limit holds in every way in, and each refusal says in words which one it is.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { deadlineMs, noise, TestServer, until } from "./program.ts";
import { type Asked, type Attempt, allListeners, answered, type Way, ways, waysTo } from "./ways.ts";

setDefaultTimeout(2 * deadlineMs);

/** An address of this machine that is not loopback's: what connects to it comes from it. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === "IPv4" && !each.internal)?.address;

const [watch, broadcast] = [waysTo("watch")[0], waysTo("broadcast")[0]];

function startWith(options: { server?: string; fstream?: string }, host = "127.0.0.1"): Promise<TestServer> {
  return TestServer.start({ listeners: allListeners(host), ...options });
}

/** An attempt that is let in, and stays. */
async function enter(server: TestServer, way: Way, asked: Asked = {}): Promise<Attempt> {
  const attempt = await way.ask(server, asked);
  expect([way.name, (await answered(attempt)).code]).toEqual([way.name, "ok"]);
  return attempt;
}

/** So many watchers that wait. */
async function waiting(server: TestServer, count: number, asked: Asked = {}): Promise<Attempt[]> {
  const attempts = [];
  for (let i = 0; i < count; i++)
    attempts.push(await watch.ask(server, { ...asked, channel: "waiting", wait: 100 }));
  await server.watched("fier/waiting", count);
  return attempts;
}

/** Tries each of the ways, and expects the refusal of each. */
async function refused(
  server: TestServer,
  tried: readonly Way[],
  words: string,
  asked: Asked = {},
): Promise<void> {
  for (const way of tried) {
    const attempt = await way.ask(server, asked);
    const { code, message } = await answered(attempt);
    expect([way.name, code, message]).toEqual([way.name, "limit", expect.stringContaining(words)]);
    attempt.peer.reset();
  }
}

describe("in every way in", () => {
  test("max_connections keeps watchers out, and beyond its last twentieth all", async () => {
    const server = await startWith({ server: "max_connections = 20" });
    await enter(server, broadcast);
    await waiting(server, 18);
    await refused(server, waysTo("watch"), "the server is full", { start: "live" });
    await until("those are gone", async () => {
      const attempt = await broadcast.ask(server, { channel: "second" });
      const { code } = await answered(attempt);
      if (code !== "ok") attempt.peer.reset();
      return code === "ok";
    });
    await refused(server, waysTo("broadcast"), "the server is full", { channel: "third" });
    await refused(server, waysTo("token"), "the server is full");
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(outside === undefined)(
    "max_connections_per_ip refuses one too many from an address",
    async () => {
      const server = await startWith({ server: "max_connections_per_ip = 2" }, "0.0.0.0");
      await waiting(server, 2, { host: outside });
      // Without TLS others than this machine get no tokens.
      const tried = ways.filter(({ name }) => name !== "POST of a token over http");
      await refused(server, tried, "too many connections from this address", { host: outside, wait: 9 });
      expect(await server.stop()).toBe(0);
    },
  );

  test("max_connections_per_ip refuses one too many of a proxy's client", async () => {
    const server = await startWith({ server: 'max_connections_per_ip = 2\ntrusted_proxies = ["127.0.0.1"]' });
    const asked = { forwardedFor: "198.51.100.7", wait: 100 };
    const get = waysTo("watch").find(({ name }) => name === "GET over http") ?? watch;
    for (let i = 0; i < 2; i++) await get.ask(server, { ...asked, channel: "waiting" });
    await server.watched("fier/waiting", 2);
    const proxied = ways.filter(({ name }) => !name.includes("tcp") && !name.includes("tls"));
    await refused(server, proxied, "too many connections from this address", asked);
    expect(await server.stop()).toBe(0);
  });

  test("max_waiting refuses one too many that waits", async () => {
    const server = await startWith({ server: "max_waiting = 1" });
    await waiting(server, 1);
    await refused(server, waysTo("watch"), "too many watchers are already waiting", { wait: 9 });
    expect(await server.stop()).toBe(0);
  });

  test("max_watchers_per_channel refuses one too many", async () => {
    const server = await startWith({ fstream: "max_watchers_per_channel = 1" });
    await enter(server, broadcast);
    await enter(server, watch, { start: "live" });
    await refused(server, waysTo("watch"), "the channel is full");
    expect(await server.stop()).toBe(0);
  });

  test("max_channels_per_user refuses one too many", async () => {
    const server = await startWith({ fstream: "max_channels_per_user = 1" });
    await enter(server, broadcast);
    await refused(server, waysTo("broadcast"), "a user can have at most 1 channel live", {
      channel: "other",
    });
    expect(await server.stop()).toBe(0);
  });

  test("max_bitrate ends who sends more", async () => {
    const server = await startWith({ fstream: 'max_bitrate = 80000\nhold = "0s"' });
    for (const way of waysTo("broadcast")) {
      const attempt = await way.ask(server, { media: noise(400_000) });
      const { code, message } = await until(way.name, () => {
        const answer = attempt.answer();
        return answer?.code === "ok" ? undefined : answer;
      });
      expect([way.name, code, message]).toEqual([
        way.name,
        "limit",
        "the bit rate is above the limit of 80 kbit/s",
      ]);
      attempt.peer.reset();
    }
    expect(await server.stop()).toBe(0);
  });

  test("max_backlog_total refuses a channel that there is no memory for", async () => {
    const server = await startWith({ fstream: 'backlog = "64KiB"\nmax_backlog_total = "64KiB"' });
    await enter(server, broadcast, { media: noise(300_000) });
    const words = "the server has no memory left for another channel";
    await refused(server, waysTo("broadcast"), words, { channel: "other" });
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(outside === undefined)(
    "max_rewinds_per_ip shortens what watchers of an address begin with, and refuses none of them",
    async () => {
      const settings = { server: "max_rewinds_per_ip = 1", fstream: 'backlog = "4MiB"' };
      const server = await startWith(settings, "0.0.0.0");
      const kept = 3_900_000;
      const broadcaster = await enter(server, broadcast, { media: noise(kept) });
      await until("all of it has come", async () => {
        const local = await watch.ask(server, { start: "3600s" });
        await until("it has something", () => local.streamBytes() > 0 && local.answer()?.code === "ok");
        await Bun.sleep(50);
        const bytes = local.streamBytes();
        local.peer.reset();
        return bytes >= kept;
      });
      for (const [index, way] of waysTo("watch").entries()) {
        const attempt = await way.ask(server, { start: "3600s", host: outside });
        const least = index === 0 ? kept : 0;
        await until("it begins", () => attempt.streamBytes() >= least && attempt.answer() !== undefined);
        const before = attempt.streamBytes();
        broadcaster.peer.send("more");
        await until(`what is new comes to ${way.name}`, () => attempt.streamBytes() > before);
        // What a minute brings back comes bit by bit.
        if (index > 0) expect(attempt.streamBytes()).toBeLessThan(kept);
        attempt.peer.reset();
      }
      await server.says(/watchers from \S+ have used up their rewinds for this minute/);
      expect(await server.stop()).toBe(0);
    },
  );
});

test("connections that ask for nothing, at whatever stage, keep neither watchers nor broadcasters nor tokens out", async () => {
  const server = await startWith({ server: "max_connections = 30" });
  const upgrade =
    "GET /watch/fier/default HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const body = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
  const beginnings: [listener: "tcp" | "tls" | "http" | "https", words: string][] = [
    ["tcp", ""],
    ["tcp", "\n\n\0\0\0\x20\0watch,"],
    ["tls", ""],
    ["tls", "GET /watch/"],
    ["http", "GET / HTTP/1.1\r\n"],
    ["https", ""],
    ["https", upgrade],
    ["http", upgrade],
    ["https", body],
  ];
  const open = async () => {
    for (const [listener, words] of beginnings) {
      // One that has to make room may be reset before it is connected.
      const peer = await server.dial(listener).catch(() => undefined);
      if (words !== "") peer?.send(words);
    }
  };
  for (let i = 0; i < 20; i++) await open();
  await server.says(/dropped: it sent no request, and its place was needed/);
  const live = await enter(server, broadcast);
  for (const way of ways) {
    await open();
    const asked = way.purpose === "broadcast" ? { channel: "other" } : { start: "live" };
    const attempt = await way.ask(server, asked);
    if (way.purpose === "watch") {
      await until("it watches", () => {
        live.peer.send("media");
        return attempt.streamBytes() > 0;
      });
    } else if (way.name.startsWith("PUT")) await server.says(/fier\/other: broadcast from \S+ started/);
    else expect([way.name, (await answered(attempt)).code]).toEqual([way.name, "ok"]);
    attempt.peer.reset();
  }
  expect(await server.stop()).toBe(0);
});
