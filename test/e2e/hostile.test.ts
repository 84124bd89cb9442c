// The client where something works against it: a cut on the way, a server that is killed or lies, an input without end,
// unread words.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import { frameBytes, standIn } from "../client/standin.ts";
import { deadlineMs, noise, program, Run, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

/** A way to `port` that ends the first connection in order, as far as its client can see, after `bytes` to it. */
function cutting(port: number, bytes: number) {
  let connections = 0;
  const listener = Bun.listen<{ server: Promise<Socket>; left: number }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(client) {
        connections++;
        const left = connections === 1 ? bytes : Number.POSITIVE_INFINITY;
        const data = (_: Socket, piece: Uint8Array) => {
          const part = piece.subarray(0, Math.min(piece.length, client.data.left));
          client.data.left -= part.length;
          client.write(part, 0, part.length);
          if (client.data.left === 0) client.end();
        };
        const socket = { data, error: () => {}, close: () => void client.end() };
        client.data = { server: Bun.connect({ hostname: "127.0.0.1", port, socket }), left };
      },
      data: (client, piece) => void client.data.server.then((server) => server.write(piece, 0, piece.length)),
      close: (client) => void client.data.server.then((server) => server.end()),
      error: () => {},
    },
  });
  return {
    port: listener.port,
    connections: () => connections,
    [Symbol.dispose]: () => listener.stop(true),
  };
}

describe("a stream", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  const ways = ["plain", "TLS"] as const;
  const watchAt = (way: (typeof ways)[number], port: number, at: TestServer, ...flags: string[]) =>
    way === "plain"
      ? new Run([`127.0.0.1:${port}`, "watch", "--wait", ...flags], { fserv_arg_user: "fier" })
      : new Run(
          [`fstreams://127.0.0.1:${port}`, "watch", "--wait", "--fingerprint", at.fingerprint, ...flags],
          { fserv_arg_user: "fier" },
        );

  test.each(ways)("that is cut on its way ends with 5 in words, %s", async (way) => {
    const bytes = noise(600_000, 61);
    using cut = cutting(server.port(way === "plain" ? "tcp" : "tls"), 100_000);
    const watcher = watchAt(way, cut.port, server);
    const whole = watchAt(way, server.port(way === "plain" ? "tcp" : "tls"), server);
    const before = way === "plain" ? 0 : 2;
    await server.watched("fier/default", before + 2);
    const broadcaster = server.broadcast();
    await broadcaster.finish(bytes);
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.exit()).toBe(5);
    expect(watcher.stderr).toMatch(/^fstream: error: the stream (may have been|was) cut short: /);
    expect(watcher.length).toBeLessThan(bytes.length);
    expect(cut.connections()).toBe(2);
    expect(await whole.outcome()).toMatchObject({ status: 0, stderr: "" });
    expect(sha256(whole.bytes)).toBe(sha256(bytes));
  });

  test.each(ways)("whose server is killed ends with 5 in words, %s", async (way) => {
    const mortal = await TestServer.start();
    const watcher = watchAt(way, mortal.port(way === "plain" ? "tcp" : "tls"), mortal);
    await mortal.watched("fier/default", 1);
    const broadcaster = mortal.broadcast();
    await broadcaster.send(noise(100_000, 62));
    await until("the bytes come", () => watcher.length === 100_000);
    mortal.run.process.kill("SIGKILL");
    expect(await watcher.exit()).toBe(5);
    expect(watcher.stderr).toMatch(/^fstream: error: the stream .*cut short: /);
    expect(await broadcaster.exit()).toBe(5);
    await mortal.stop();
  });

  test("that has ended in order is whole, though its server stops while the last of it is still on its way", async () => {
    const stopping = await TestServer.start({ server: 'shutdown_grace = "1m"' });
    const bytes = noise(30_000_000, 63);
    const watcher = Bun.spawn([...program, stopping.address, "watch", "--wait"], {
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env.PATH ?? "", fserv_arg_user: "fier", fserv_arg_lag: "close" },
    });
    await stopping.watched("fier/default", 1);
    const broadcaster = stopping.broadcast();
    // More than what fits between here and the server, less than its backlog holds besides.
    await broadcaster.finish(bytes.subarray(0, 14_000_000));
    expect(await broadcaster.exit()).toBe(0);
    await stopping.says(/fier\/default: broadcast ended after/);
    stopping.run.process.kill("SIGTERM");
    await stopping.says(/SIGTERM: stopping/);
    const got = new Uint8Array(await new Response(watcher.stdout).arrayBuffer());
    expect(await new Response(watcher.stderr).text()).toBe("");
    expect(await watcher.exited).toBe(0);
    expect(sha256(got)).toBe(sha256(bytes.subarray(0, 14_000_000)));
    expect(await stopping.run.exit()).toBe(0);
    await stopping.stop();
  });

  test("that is cut by the server's stop says so", async () => {
    const stopping = await TestServer.start();
    const watcher = stopping.watch({}, "--wait");
    await stopping.watched("fier/default", 1);
    const broadcaster = stopping.broadcast();
    await broadcaster.send("media");
    await until("the bytes come", () => watcher.length === 5);
    expect(await stopping.stop()).toBe(0);
    expect(await watcher.exit()).toBe(6);
    expect(watcher.stderr).toStartWith(
      "fstream: error: the stream was cut short: the server is shutting down\n",
    );
  });
});

test("unread words hold up neither a watch nor the end of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-unread-"));
  const fifo = join(folder, "stderr");
  expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
  const end = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const fill = () => {
    try {
      for (;;) writeSync(end, new Uint8Array(4096));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  };
  expect(fill()).toBe("EAGAIN");
  await using server = standIn(async (peer) => {
    await peer.frame(`error,code=busy,message*=for the ${peer.number}th time`);
    peer.fin();
  });
  const child = Bun.spawn(
    ["sh", "-c", 'exec "$@" 2>"$0"', fifo, ...program, server.address, "watch", "--retry"],
    {
      stdout: "ignore",
      stderr: "ignore",
      env: { PATH: process.env.PATH ?? "", ...fier },
    },
  );
  await until("it tries on", () => server.requests.length >= 4);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(143);
  closeSync(end);
  rmSync(folder, { recursive: true });
});

describe("an input without end", () => {
  test("does not keep a retry from ending, nor a signal from being heard", async () => {
    const gone = standIn(() => undefined);
    gone.stop();
    const limited = Bun.spawn([...program, gone.address, "broadcast", "--retry=1s"], {
      stdin: Bun.file("/dev/zero"),
      stderr: "pipe",
      env: { PATH: process.env.PATH ?? "", ...fier },
    });
    expect(await limited.exited).toBe(5);
    expect(await new Response(limited.stderr).text()).toContain("fstream: error: connection refused by ");
    const patient = Bun.spawn([...program, gone.address, "broadcast", "--retry"], {
      stdin: Bun.file("/dev/zero"),
      stderr: "pipe",
      env: { PATH: process.env.PATH ?? "", ...fier },
    });
    for await (const words of patient.stderr) if (Buffer.from(words).includes("trying again")) break;
    patient.kill("SIGTERM");
    expect(await patient.exited).toBe(143);
  });
});

test("a flood of frames does not keep a broadcast from hearing a signal", async () => {
  const frames = Buffer.concat(Array.from({ length: 100_000 }, () => frameBytes("ok")));
  let sent = 0;
  await using server = standIn(async (peer) => {
    const state = { open: true };
    void peer.gone.then(() => {
      state.open = false;
    });
    while (state.open) {
      await peer.send(frames);
      sent++;
      await Bun.sleep(0);
    }
  });
  const broadcast = new Run([server.address, "broadcast"], fier);
  await until("the flood has come", () => sent > 20);
  await until("signals end it", () => {
    broadcast.process.kill("SIGTERM");
    return broadcast.process.exitCode !== null;
  });
  expect(await broadcast.exit()).toBe(143);
});
