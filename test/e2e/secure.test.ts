// Floods and pauses over TLS, where the server can neither read a flood by itself nor see what is still to be read.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { hashPassword } from "../../src/auth/password.ts";
import { feed, pausedWatcher, skip } from "./paced.ts";
import { deadlineMs, noise, Run, sha256, TestServer, watcherOkBytes } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const mebi = 1024 * 1024;

let server: TestServer;
let address: string;
beforeAll(async () => {
  const users = {
    "fier.ini": "[DEFAULT]\npassword=123\n",
    "slow.toml": `password_hash = "${await hashPassword("123")}"\n`,
  };
  server = await TestServer.start({ users, fstream: 'backlog = "1MiB"' });
  address = `fstreams://127.0.0.1:${server.port("tls")}`;
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
  expect(server.run.stderr).not.toContain("fstream: error:");
});

function run(verb: string, channel: string, ...flags: string[]): Run {
  return new Run([address, verb, "--fingerprint", server.fingerprint, ...flags], {
    fserv_arg_user: "fier",
    fserv_arg_channel: channel,
    ...(verb === "broadcast" ? { fserv_arg_user_password: "123" } : {}),
  });
}

describe("over TLS", () => {
  test("a watcher that stops reading costs the others no byte and the server no memory, and goes on", async () => {
    const whole = noise(40_000_000, 41);
    const slow = await pausedWatcher(server, "pause", "", "tls");
    const watcher = run("watch", "pause", "--wait");
    const reader = await server.dial("tls");
    reader.request("watch,user=fier,channel=pause,wait=60");
    await server.watched("fier/pause", 3);
    const broadcaster = await server.dial("tls");
    broadcaster.request(`${login},channel=pause`);
    await feed(broadcaster, whole.subarray(0, 10_000_000), reader, watcher);
    const before = await server.memory();
    await feed(broadcaster, whole.subarray(10_000_000, 35_000_000), reader, watcher);
    expect((await server.memory()) - before).toBeLessThan(30 * mebi);
    slow.resume();
    await server.says(/fier\/pause: a slow watcher skipped [\d.]+ [kMG]?B/);
    await feed(broadcaster, whole.subarray(35_000_000), reader, watcher);
    broadcaster.finish();
    await slow.ended();
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(whole));
    await reader.ended();
    expect(sha256(reader.bytes)).toBe(sha256(whole));
    const { stoppedAt, resumedAt } = skip(slow.bytes.subarray(watcherOkBytes), whole);
    expect(stoppedAt).toBeGreaterThan(0);
    expect(resumedAt).toBeGreaterThan(Math.max(stoppedAt, 33_000_000));
  });

  test("a flood is taken whole, in bounded memory, and a watcher that is too slow for it learns how much it missed", async () => {
    const whole = noise(60_000_000, 42);
    const watcher = run("watch", "flood", "--wait");
    await server.watched("fier/flood", 1);
    const before = await server.memory();
    const broadcaster = run("broadcast", "flood");
    await broadcaster.finish(whole);
    expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    await server.says(/fier\/flood: broadcast ended after 60000000 bytes/);
    expect((await server.memory()) - before).toBeLessThan(40 * mebi);
    const status = await watcher.exit();
    const skipped = /the server skipped (\d+) bytes/.exec(watcher.stderr)?.[1] ?? 0;
    expect([status, watcher.length + Number(skipped)]).toEqual([0, whole.length]);
  });

  test("what comes while a login pauses the connection is neither lost nor out of order, its end included", async () => {
    const whole = noise(900_000, 43);
    const reader = await server.dial("tls");
    reader.request("watch,user=slow,channel=login,wait=60");
    await server.watched("slow/login", 1);
    const broadcaster = await server.dial("tls");
    broadcaster.request("broadcast,user=slow,user_password=123,channel=login", "\n\n", whole);
    await broadcaster.sent();
    broadcaster.finish();
    await reader.ended();
    expect(sha256(reader.bytes)).toBe(sha256(whole));
  });
});
