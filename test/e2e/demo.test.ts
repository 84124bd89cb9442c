// The whole of what the program does, once through: users, a token over TLS, a film sent and watched by every way, a late joiner,
// statuses, interrupts, a restart. On this machine other tests look closer; this is what is also run on executables for other systems
// (`packaging/try.ts`), so that it uses nothing that only some systems have.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { canJudge, judge } from "./judge.ts";
import { deadlineMs, noise, Run, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(5 * deadlineMs);

const film = join(import.meta.dir, "../fixtures/demo.flv");
const listeners = {
  listen: "127.0.0.1:0",
  tls_listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
  http_listen: "127.0.0.1:0",
};

/**
 * Whether late joiners can be held to a clean start: what runs in emulation takes so much processor time to follow a stream that it
 * may be passed on as it comes, as a stream is that was made to be slow.
 */
function isFollowed(server: TestServer): boolean {
  return (
    process.env.FSTREAM_EMULATED === undefined ||
    !server.run.stderr.includes("it takes too much CPU time to follow")
  );
}

describe("on this system", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ listeners, users: { "fier.toml": 'password = "123"\n' } });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).toContain(": stopping\n");
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const settings = () => ["--config", join(server.folder, "fstream.toml")];
  const site = () => `http://127.0.0.1:${server.port("http")}`;

  test("users are added, listed and checked", async () => {
    const adding = new Run(["user", "add", "ann", ...settings()]);
    await adding.finish("a b,c\n");
    const added = await adding.outcome();
    expect([added.status, added.stdout]).toEqual([0, ""]);
    expect(readdirSync(join(server.folder, "users")).sort()).toEqual(["ann.toml", "fier.toml"]);
    const listed = await new Run(["user", "list", ...settings()]).outcome();
    expect([listed.status, listed.stdout]).toEqual([0, "ann\nfier\n"]);
    const checked = await new Run(["check", ...settings()]).outcome();
    expect([checked.status, checked.stdout]).toEqual([0, ""]);
    expect(checked.stderr).toContain("and 2 users are fine");
  });

  test("a broadcast with a token fetched over TLS is watched byte for byte", async () => {
    const login = { fserv_arg_user: "ann", fserv_arg_user_password: "a b,c" };
    const where = `https://127.0.0.1:${server.port("https")}`;
    const trust = ["--fingerprint", server.fingerprint];
    const fetched = await new Run([where, "token", ...trust], login).outcome();
    expect([fetched.status, fetched.stderr]).toEqual([0, ""]);
    expect(fetched.stdout).toMatch(/^[A-Za-z0-9_-]{22,}\n$/);

    const watchers = [server.address, `fstreams://127.0.0.1:${server.port("tls")}`].map((address) => {
      const tls = address.startsWith("fstreams") ? trust : [];
      return new Run([address, "watch", "--wait", ...tls], { fserv_arg_user: "ann" });
    });
    await server.watched("ann/default", 2);
    const broadcast = server.call("broadcast", login, "--token-from", where, ...trust);
    const bytes = noise(3_000_000);
    await broadcast.finish(bytes);
    expect(await broadcast.outcome()).toMatchObject({ status: 0, stdout: "" });
    for (const watcher of watchers) {
      expect(await watcher.exit()).toBe(0);
      expect([watcher.length, sha256(watcher.bytes)]).toEqual([bytes.length, sha256(bytes)]);
    }
  });

  test("a film is watched from its first byte, late, over HTTP, and shown by status", async () => {
    const bytes = await Bun.file(film).bytes();
    const half = Math.floor(bytes.length * 0.7);
    const first = server.watch({ fserv_arg_channel: "film" }, "--wait");
    await server.watched("fier/film", 1);
    const broadcast = server.broadcast({ fserv_arg_channel: "film" });
    await broadcast.send(bytes.subarray(0, half));
    await until("the first part is watched", () => first.length === half);
    const late = server.watch({ fserv_arg_channel: "film" });
    const overHttp = fetch(`${site()}/watch/fier/film`).then(async (response) => {
      return [response.status, response.headers.get("content-type"), await response.bytes()] as const;
    });
    await server.watched("fier/film", 3);
    const shown = await new Run([`http://127.0.0.1:${server.port("http")}`, "status"]).outcome();
    expect([shown.status, shown.stderr]).toEqual([0, ""]);
    expect(shown.stdout).toContain("film");
    await broadcast.finish(bytes.subarray(half));
    expect(await broadcast.exit()).toBe(0);
    expect([await first.exit(), await late.exit()]).toEqual([0, 0]);
    expect(sha256(first.bytes)).toBe(sha256(bytes));
    const [status, type, received] = await overHttp;
    expect([status, type]).toEqual([200, isFollowed(server) ? "video/x-flv" : "application/octet-stream"]);
    for (const joined of [late.bytes, received]) {
      expect(joined.length).toBeLessThan(bytes.length);
      expect(sha256(joined.slice(-1000))).toBe(sha256(bytes.slice(-1000)));
      if (!canJudge || !isFollowed(server)) continue;
      const verdict = await judge(joined);
      expect([verdict.errors, verdict.startsWithKey, verdict.frames > 0]).toEqual([[], true, true]);
    }
  });

  test.skipIf(!canJudge)(
    "what ffmpeg encodes at the time decodes clean for one that joins late",
    async () => {
      const early = server.watch({ fserv_arg_channel: "live" }, "--wait");
      await server.watched("fier/live", 1);
      const encoder = Bun.spawn(
        [
          ..."ffmpeg -v error -re -f lavfi -i testsrc2=s=320x240:r=25 -f lavfi -i sine -t 6".split(" "),
          ..."-c:v libx264 -preset ultrafast -g 25 -c:a aac -f mpegts -".split(" "),
        ],
        { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
      );
      const broadcast = server.broadcast({ fserv_arg_channel: "live" });
      const sending = (async () => {
        for await (const chunk of encoder.stdout) await broadcast.send(chunk);
        await server.watched("fier/live", 2);
        await broadcast.finish();
      })();
      await until("a second of it has come", () => early.length > 60_000);
      const late = server.watch({ fserv_arg_channel: "live" });
      await sending;
      for (const run of [broadcast, early, late]) expect(await run.exit()).toBe(0);
      for (const watcher of isFollowed(server) ? [early, late] : [early]) {
        const verdict = await judge(watcher.bytes);
        expect([verdict.errors, verdict.startsWithKey, verdict.frames > 20]).toEqual([[], true, true]);
      }
    },
  );

  test("pages and figures are served", async () => {
    for (const path of ["/", "/play/fier", "/metrics"]) {
      const response = await fetch(site() + path);
      expect([path, response.status, (await response.text()).length > 200]).toEqual([path, 200, true]);
    }
  });

  test("exit statuses say what went wrong", async () => {
    const wrong = server.broadcast({ fserv_arg_user_password: "wrong" });
    await wrong.finish("media");
    const closed = new Run(["127.0.0.1:1", "watch"], { fserv_arg_user: "fier" });
    const runs = [
      new Run(["--version"]),
      new Run(["nonsense"]),
      wrong,
      server.watch({ fserv_arg_channel: "nothing" }),
      closed,
    ];
    expect(await Promise.all(runs.map((run) => run.exit()))).toEqual([0, 2, 3, 4, 5]);
  });

  test("an interrupt ends a broadcast in order, and its watchers with it", async () => {
    const watcher = server.watch({ fserv_arg_channel: "cut" }, "--wait");
    await server.watched("fier/cut", 1);
    const broadcast = server.broadcast({ fserv_arg_channel: "cut" });
    await broadcast.send("the first part");
    await until("it is watched", () => watcher.length > 0);
    broadcast.process.kill("SIGINT");
    await until("the interrupt is heard", () => broadcast.stderr.includes("finishing"));
    await broadcast.finish(", and the last");
    expect(await broadcast.exit()).toBe(130);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stdout: "the first part, and the last" });
  });
});

test("broadcasters and watchers that retry go on after a restart, and the certificate stays", async () => {
  let server = await TestServer.start();
  const before = server.fingerprint;
  const watcher = server.watch({}, "--wait", "--retry=60s", "--quiet");
  await server.watched("fier/default", 1);
  const broadcast = server.broadcast({}, "--retry=60s", "--quiet");
  await broadcast.send("one ");
  await until("it is watched", () => watcher.length === 4);
  server = await server.restart();
  expect(server.fingerprint).toBe(before);
  await server.says(/broadcast from 127\.0\.0\.1 started/);
  await server.watched("fier/default", 1);
  await broadcast.send("two");
  await until("it goes on", () => Buffer.from(watcher.bytes).toString().endsWith("two"));
  await broadcast.finish();
  expect(await broadcast.exit()).toBe(0);
  watcher.process.kill("SIGINT");
  expect(await watcher.exit()).toBe(130);
  expect(Buffer.from(watcher.bytes).toString()).toStartWith("one ");
  await server.stop();
  rmSync(server.folder, { recursive: true, force: true });
});
