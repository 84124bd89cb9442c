// Floods of connections on each listener of a server that may have few files open: what it has begun goes on, what is allowed is still
// had, and no descriptor is left.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { deadlineMs, noise, Peer, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

/** Files that the server may have open, and connections of a flood: more than that. */
const files = 300;
const flood = 500;

const listeners = {
  listen: "127.0.0.1:0",
  tls_listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
  http_listen: "127.0.0.1:0",
};

describe.skipIf(!existsSync("/proc/self/fd"))("a server that may have few files open", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({
      listeners,
      server: 'handshake_timeout = "1h"',
      fstream: 'hold = "1h"',
      under: ["sh", "-c", `ulimit -n ${files}; exec "$@"`, "sh"],
    });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const open = () => readdirSync(`/proc/${server.run.process.pid}/fd`).length;

  test("has so many fewer connections, and says so", async () => {
    await server.says(
      /max_connections is 16000, but only 300 files may be open \(ulimit -n\): limited to \d+ connections/,
    );
  });

  test.each(["tcp", "tls", "http", "https"] as const)("is not stopped by a flood on %s", async (listener) => {
    const channel = { fserv_arg_channel: listener };
    const watcher = server.watch(channel, "--wait");
    await server.watched(`fier/${listener}`, 1);
    const broadcaster = server.broadcast(channel);
    const bytes = noise(3_000_000, 77);
    await broadcaster.send(bytes.subarray(0, 1_000_000));
    await until("the first bytes come", () => watcher.length === 1_000_000);
    const before = open();

    // Raw, so that those on a listener for TLS are silent in their handshake.
    const peers = await Promise.all(
      Array.from({ length: flood }, () => Peer.dial(server.port(listener)).catch(() => undefined)),
    );
    const ended = () => peers.filter((peer) => peer === undefined || peer.end !== "open").length;
    await until("all beyond the limit are gone", () => ended() >= flood - files);
    expect(open()).toBeLessThan(files);
    // It has not lost what it has, and can still look a user up.
    await broadcaster.send(bytes.subarray(1_000_000, 2_000_000));
    await until("the next bytes come", () => watcher.length === 2_000_000);
    for (const peer of peers) peer?.reset();
    await until("no descriptor is left of it", () => open() <= before);

    await broadcaster.finish(bytes.subarray(2_000_000));
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
  });

  test("takes its broadcasters and tokens while watchers have all other places", async () => {
    const [, places] = await server.says(/: limited to (\d+) connections/);
    const watchers = await Promise.all(Array.from({ length: Number(places) - 5 }, () => server.dial()));
    for (const watcher of watchers) watcher.request("watch,user=fier,channel=full,wait=60");
    const broadcaster = server.broadcast({ fserv_arg_channel: "full" });
    await broadcaster.finish("media");
    expect(await broadcaster.exit()).toBe(0);
    for (const watcher of watchers) {
      await watcher.ended();
      expect(watcher.text).toBe("media");
    }
  });
});
