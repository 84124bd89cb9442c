// A watcher that takes nothing costs the broadcaster, the other watchers and the server's memory nothing; and it goes on where
// its player can, or is closed.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { feed, pausedWatcher, skip } from "./paced.ts";
import { deadlineMs, noise, program, sha256, TestServer, until, watcherOkBytes } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const mebi = 1024 * 1024;

describe("a watcher that stops reading", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ fstream: 'backlog = "1MiB"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("costs the others no byte and the server no memory, and goes on with the newest", async () => {
    const whole = noise(60_000_000, 31);
    const slow = await pausedWatcher(server, "opaque");
    const watcher = server.watch({ fserv_arg_channel: "opaque" }, "--wait");
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=opaque,wait=60");
    await server.watched("fier/opaque", 3);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=opaque`);
    await feed(broadcaster, whole.subarray(0, 10_000_000), reader, watcher);
    const before = await server.memory();
    await feed(broadcaster, whole.subarray(10_000_000, 50_000_000), reader, watcher);
    expect((await server.memory()) - before).toBeLessThan(30 * mebi);
    slow.resume();
    await server.says(/fier\/opaque: a slow watcher skipped [\d.]+ [kMG]?B/);
    await feed(broadcaster, whole.subarray(50_000_000), reader, watcher);
    broadcaster.finish();
    expect(await slow.ended()).toBe("fin");
    expect(await watcher.exit()).toBe(0);
    expect(sha256(reader.bytes)).toBe(sha256(whole));
    expect(sha256(watcher.bytes)).toBe(sha256(whole));
    const { stoppedAt, resumedAt } = skip(slow.bytes.subarray(watcherOkBytes), whole);
    expect(stoppedAt).toBeGreaterThan(0);
    expect(resumedAt).toBeGreaterThan(stoppedAt);
    expect(resumedAt).toBeGreaterThan(48_000_000);
  });

  test("goes on with the first byte of a chunk where there are chunks, and stops behind one", async () => {
    const chunk = 10_007;
    const whole = noise(25_000_000, 32);
    const slow = await pausedWatcher(server, "chunks");
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=chunks,wait=60");
    await server.watched("fier/chunks", 2);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=chunks,bufsize=${chunk}`);
    await feed(broadcaster, whole.subarray(0, 20_000_000), reader);
    slow.resume();
    await server.says(/fier\/chunks: a slow watcher skipped/);
    await feed(broadcaster, whole.subarray(20_000_000), reader);
    broadcaster.finish();
    expect(await slow.ended()).toBe("fin");
    const { stoppedAt, resumedAt } = skip(slow.bytes.subarray(watcherOkBytes), whole);
    expect(resumedAt).toBeGreaterThan(stoppedAt);
    expect([stoppedAt % chunk, resumedAt % chunk]).toEqual([0, 0]);
  });

  test("is closed with a reset if it wants that, and not before", async () => {
    const whole = noise(20_000_000, 33);
    const slow = await pausedWatcher(server, "close", ",lag=close");
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=close,wait=60,lag=close");
    await server.watched("fier/close", 2);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=close`);
    await feed(broadcaster, whole, reader);
    await server.says(/watcher 127.0.0.1 of fier\/close disconnected: too far behind the broadcast/);
    slow.resume();
    expect(await slow.ended()).toBe("reset");
    broadcaster.finish();
    expect(await reader.ended()).toBe("fin");
    expect(sha256(reader.bytes)).toBe(sha256(whole));
  });

  test("is not there, and a broadcast without watchers is taken as fast as it comes", async () => {
    const before = await server.memory();
    const [binary, ...first] = program;
    const flood = Bun.spawn(
      [
        "bash",
        "-c",
        `yes | head -c 100M | "$0" "$@"; exit $?`,
        binary,
        ...first,
        server.address,
        "broadcast",
      ],
      {
        stdout: "pipe",
        stderr: "pipe",
        env: { PATH: process.env.PATH ?? "", fserv_arg_user: "fier", fserv_arg_user_password: "123" },
      },
    );
    const [out, err] = [await new Response(flood.stdout).text(), await new Response(flood.stderr).text()];
    expect([await flood.exited, out, err]).toEqual([0, "", ""]);
    await server.says(/broadcast ended after 104857600 bytes/);
    expect((await server.memory()) - before).toBeLessThan(30 * mebi);
  });

  test("since its reader has gone ends quietly, and the broadcast goes on", async () => {
    const [binary, ...first] = program;
    const cut = Bun.spawn(
      [
        "bash",
        "-c",
        `"$0" "$@" | head -c 1000 | wc -c; echo "\${PIPESTATUS[0]}"`,
        binary,
        ...first,
        server.address,
        "watch",
        "--wait",
      ],
      {
        stdout: "pipe",
        stderr: "pipe",
        env: { PATH: process.env.PATH ?? "", fserv_arg_user: "fier", fserv_arg_channel: "cut" },
      },
    );
    const reader = await server.dial();
    reader.request("watch,user=fier,channel=cut,wait=60");
    await server.watched("fier/cut", 2);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=cut`);
    const whole = noise(3_000_000, 34);
    await feed(broadcaster, whole, reader);
    broadcaster.finish();
    expect(await reader.ended()).toBe("fin");
    expect(sha256(reader.bytes)).toBe(sha256(whole));
    const [out, err] = [await new Response(cut.stdout).text(), await new Response(cut.stderr).text()];
    expect([out.split(/\s+/).filter(Boolean), err]).toEqual([["1000", "0"], ""]);
  });
});

describe("a watcher that is stuck", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({
      fstream: 'backlog = "32MiB"\nmax_lag = "500ms"\ndrain_timeout = "500ms"',
    });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("skips what is older than max_lag, though the backlog still has it", async () => {
    const whole = noise(16_000_000, 35);
    const slow = await pausedWatcher(server, "lag");
    const strict = await pausedWatcher(server, "lag", ",lag=close");
    await server.watched("fier/lag", 2);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=lag`).send(whole.subarray(0, 15_000_000));
    let sent = 15_000_000;
    await until("both are too far behind", () => {
      broadcaster.send(whole.subarray(sent, ++sent));
      return server.run.stderr.includes("of fier/lag disconnected: too far behind the broadcast");
    });
    slow.resume();
    await server.says(/fier\/lag: a slow watcher skipped [\d.]+ [kMG]?B/);
    strict.resume();
    expect(await strict.ended()).toBe("reset");
    broadcaster.send(whole.subarray(sent)).finish();
    expect(await slow.ended()).toBe("fin");
    const { stoppedAt, resumedAt } = skip(slow.bytes.subarray(watcherOkBytes), whole);
    expect(stoppedAt).toBeLessThan(15_000_000);
    expect(resumedAt).toBeGreaterThan(stoppedAt);
  });

  test("holds up neither the next broadcast nor its own end", async () => {
    const plain = await server.dial();
    plain.request("watch,user=fier,channel=end,wait=60");
    await server.watched("fier/end", 1);
    plain.pause();
    const slow = await server.dial();
    slow.request("watch,user=fier,channel=end,wait=60,reply=1");
    await server.watched("fier/end", 2);
    slow.pause();
    const first = server.broadcast({ fserv_arg_channel: "end" });
    await first.finish(noise(15_000_000, 36));
    expect(await first.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });

    const watcher = server.watch({ fserv_arg_channel: "end" }, "--wait");
    await server.watched("fier/end", 3);
    const second = server.broadcast({ fserv_arg_channel: "end" });
    await second.finish("the next one");
    expect(await second.exit()).toBe(0);
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "the next one", stderr: "" });

    await server.says(/of fier\/end disconnected: stalled after the broadcast ended/);
    slow.resume();
    expect(await slow.ended()).toBe("reset");
    plain.resume();
    expect(await plain.ended()).toBe("fin");
    expect(plain.length).toBeLessThan(15_000_000);
  });
});
