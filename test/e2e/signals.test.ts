// What Ctrl-C does to a pipeline: the broadcast ends in order, with every byte its feeder still writes.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deadlineMs, noise, program, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

describe("a signal", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ fstream: 'hold = "1h"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("lets a broadcast read its stdin to the end, and every byte arrives", async () => {
    const channel = { fserv_arg_channel: "first" };
    const bytes = noise(500_000, 51);
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/first", 1);
    const broadcaster = server.broadcast(channel, "--quiet");
    await broadcaster.send(bytes.subarray(0, 200_000));
    await until("the first bytes come", () => watcher.length === 200_000);
    broadcaster.process.kill("SIGINT");
    await broadcaster.send(bytes.subarray(200_000, 300_000));
    await broadcaster.finish(bytes.subarray(300_000));
    expect(await broadcaster.outcome()).toEqual({ status: 130, stdout: "", stderr: "" });
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    await server.says(/fier\/first: broadcast ended after 500000 bytes/);
  });

  test("ends a broadcast in order in the end, though its stdin stays open", async () => {
    const channel = { fserv_arg_channel: "open" };
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/open", 1);
    const broadcaster = server.broadcast(channel, "--quiet");
    await broadcaster.send("all there is");
    await until("the bytes come", () => watcher.length === 12);
    broadcaster.process.kill("SIGTERM");
    expect(await broadcaster.outcome()).toEqual({ status: 143, stdout: "", stderr: "" });
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "all there is", stderr: "" });
  });

  test("that comes twice ends a broadcast at once, which is no orderly end", async () => {
    const channel = { fserv_arg_channel: "twice" };
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/twice", 1);
    const broadcaster = server.broadcast(channel);
    await broadcaster.send("broken");
    await until("the bytes come", () => watcher.length === 6);
    broadcaster.process.kill("SIGINT");
    // Two that come at once are one to the system.
    await until("it has ended", () => {
      broadcaster.process.kill("SIGINT");
      return broadcaster.process.exitCode !== null;
    });
    expect(await broadcaster.exit()).toBe(130);
    await server.says(/fier\/twice: broadcast interrupted after 6 bytes/);
    const back = server.broadcast(channel);
    await back.finish(" and mended");
    expect(await back.exit()).toBe(0);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stdout: "broken and mended" });
  });

  test("lets a watch write what has come, and shows in its status", async () => {
    const channel = { fserv_arg_channel: "watch" };
    const bytes = noise(300_000, 52);
    const watcher = server.watch(channel, "--wait");
    await server.watched("fier/watch", 1);
    const broadcaster = server.broadcast(channel);
    await broadcaster.send(bytes);
    await until("the bytes come", () => watcher.length === bytes.length);
    watcher.process.kill("SIGTERM");
    expect((await watcher.outcome()).status).toBe(143);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    await broadcaster.finish();
    expect(await broadcaster.exit()).toBe(0);
  });

  test("to a whole pipeline leaves a stream that ends as its encoder wrote it", async () => {
    const watcher = server.watch({ fserv_arg_channel: "pipeline" }, "--wait");
    await server.watched("fier/pipeline", 1);
    const encoder = `trap 'printf " and a trailer"; exit' INT; printf media; while :; do sleep 0.05; done`;
    const pipeline = Bun.spawn(
      [
        "bash",
        "-c",
        `bash -c '${encoder.replaceAll("'", `'"'"'`)}' | "$@"; exit "\${PIPESTATUS[1]}"`,
        "bash",
      ].concat(program, [server.address, "broadcast", "--quiet"]),
      {
        stdout: "pipe",
        stderr: "pipe",
        detached: true,
        env: { PATH: process.env.PATH ?? "", ...fier, fserv_arg_channel: "pipeline" },
      },
    );
    await until("the bytes come", () => watcher.length === 5);
    process.kill(-pipeline.pid, "SIGINT");
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "media and a trailer", stderr: "" });
    await pipeline.exited;
    expect(await new Response(pipeline.stderr).text()).toBe("");
  });
});
