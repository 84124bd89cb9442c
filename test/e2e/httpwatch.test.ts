// Watching over HTTP with curl: what it gets, how it learns why it gets nothing, and how it ends.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { feed, skip } from "./paced.ts";
import { deadlineMs, noise, type Peer, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const withHttp = 'http_listen = "127.0.0.1:0"';
const mebi = 1024 * 1024;

/** curl at work. */
class Curl {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #chunks: Uint8Array[] = [];
  readonly #read: Promise<void>;
  length = 0;

  constructor(server: TestServer, listener: Listener, path: string, ...flags: string[]) {
    const scheme = listener === "https" || listener === "tls" ? "https" : "http";
    const trust = scheme === "https" ? ["--cacert", join(server.folder, "state", "self-signed.pem")] : [];
    const url = `${scheme}://localhost:${server.port(listener)}${path}`;
    this.#process = Bun.spawn(["curl", "-sSN", "--ipv4", ...trust, ...flags, url], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#read = this.#take();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Its exit status and what it says, once it has ended. */
  async end(): Promise<{ status: number; stdout: string; stderr: string }> {
    const stderr = await this.#process.stderr.text();
    await this.#read;
    return { status: await this.#process.exited, stdout: this.bytes.toString("latin1"), stderr };
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async #take(): Promise<void> {
    for await (const bytes of this.#process.stdout) {
      this.#chunks.push(bytes);
      this.length += bytes.length;
    }
  }
}

const listeners = ["tcp", "tls", "http", "https"] as const;
type Listener = (typeof listeners)[number];

/** The status and the header fields of a response that curl has shown with `-i` or `-I`, and what is behind them. */
function taken(stdout: string): { status: number; fields: Headers; body: string } {
  const end = stdout.indexOf("\r\n\r\n");
  const [line, ...lines] = stdout.slice(0, end).split("\r\n");
  const fields = new Headers(lines.map((each) => each.split(": ") as [string, string]));
  return { status: Number(line.split(" ")[1]), fields, body: stdout.slice(end + 4) };
}

/** A broadcaster by hand whose stream has begun. */
async function live(server: TestServer, fields = "", media: Uint8Array = noise(200_000)): Promise<Peer> {
  const peer = await server.dial();
  peer.request(`${login},reply=1${fields}`);
  peer.send(media);
  await peer.received("\0\0\0\x02\0ok".length);
  return peer;
}

describe.skipIf(Bun.which("curl") === null)("curl", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ server: withHttp, fstream: 'hold = "0s"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("that waits gets the stream from its first byte, on every listener, and exits 0 at its end", async () => {
    const whole = noise(3_000_000);
    const runs = listeners.map((listener) => new Curl(server, listener, "/watch/fier/early?wait=60"));
    await server.watched("fier/early", runs.length);
    const broadcaster = server.broadcast({ fserv_arg_channel: "early" });
    for (let from = 0; from < whole.length; from += 100_000) {
      await broadcaster.send(whole.subarray(from, from + 100_000));
      const so = Math.max(0, from - 1_000_000);
      await until("they keep up", () => runs.every(({ length }) => length >= so));
    }
    await broadcaster.finish();
    expect(await broadcaster.exit()).toBe(0);
    for (const run of runs) {
      expect(await run.end()).toMatchObject({ status: 0, stderr: "" });
      expect(sha256(run.bytes)).toBe(sha256(whole));
    }
  });

  test("exits 56 where the stream was cut short, over TLS too", async () => {
    const runs = listeners.map((listener) => new Curl(server, listener, "/watch/fier/cut?wait=60"));
    await server.watched("fier/cut", runs.length);
    const broadcaster = await live(server, ",channel=cut");
    await until("they have it", () => runs.every(({ length }) => length === 200_000));
    broadcaster.reset();
    for (const run of runs) expect((await run.end()).status).toBe(56);
  });

  test("sees the head alone with -I, and two bytes with -r 0-1, and is then no watcher", async () => {
    const broadcaster = await live(server, ",channel=head", await demo());
    await server.says(/fier\/head: flv, /);
    for (const listener of listeners) {
      const head = taken((await new Curl(server, listener, "/watch/fier/head", "-I").end()).stdout);
      expect([head.status, head.fields.get("content-type"), head.body]).toEqual([200, "video/x-flv", ""]);
      const two = taken(
        (await new Curl(server, listener, "/watch/fier/head", "-i", "-r", "0-1").end()).stdout,
      );
      expect([two.status, two.fields.get("content-range"), two.body]).toEqual([206, "bytes 0-1/*", "FL"]);
    }
    const old = new Curl(server, "http", "/watch/fier/head", "--http1.0", "-H", "Icy-MetaData: 1");
    await until("a client of HTTP/1.0 gets the stream", () => old.length > 1000);
    old.kill();
    // One that has gone is noticed when there is something for it.
    await until("nobody watches", async () => {
      broadcaster.send("media");
      return (await watchersOf("head")) === 0;
    });
    broadcaster.finish();
  });

  test("gets channels of any name", async () => {
    const broadcaster = await live(server, ",channel*=drei%2Fvier%20%D0%BA%D0%B0%D0%BD%D0%B0%D0%BB");
    const path = "/watch/fier/drei%2Fvier%20%D0%BA%D0%B0%D0%BD%D0%B0%D0%BB";
    const run = new Curl(server, "tcp", `${path}?start=live`);
    await server.watched("fier/drei/vier канал", 1);
    broadcaster.send("media").finish();
    expect(await run.end()).toMatchObject({ status: 0, stdout: "media" });
  });

  test("gives a channel's password in the query, with -u, or in the URL; other sites' pages get only what has none", async () => {
    const guarded = await live(server, ",channel=guarded,channel_password=456");
    const open = await live(server, ",channel=open");
    const path = "/watch/fier/guarded";
    const ways: [path: string, ...flags: string[]][] = [
      [`${path}?start=live&channel_password=456`],
      [`${path}?start=live`, "-u", "any:456"],
      [`${path}?start=live`, "-u", "any:456", "--anyauth"],
    ];
    const runs = ways.map(([target, ...flags]) => new Curl(server, "https", target, "-i", ...flags));
    runs.push(
      new Curl(server, "https", "/watch/fier/open?start=live", "-i", "-H", "Origin: https://a.example"),
    );
    await server.watched("fier/guarded", ways.length);
    await server.watched("fier/open", 1);
    for (const broadcaster of [guarded, open]) broadcaster.send("media").finish();
    for (const [index, run] of runs.entries()) {
      const { status, stdout } = await run.end();
      expect(status).toBe(0);
      // With --anyauth it is asked for the password first.
      const { fields, body } = taken(stdout.slice(stdout.lastIndexOf("HTTP/1.1 200")));
      expect(body).toBe("media");
      expect(fields.get("access-control-allow-origin")).toBe(index === ways.length ? "*" : null);
    }
  });

  test.each([
    ["/watch/fier/none", 404, "not_live", "fier is not broadcasting on channel none"],
    ["/watch/fier/none?wait=1", 404, "not_live", "no broadcast started on this channel"],
    ["/watch/fier/locked", 401, "forbidden", "this channel has a password"],
    ["/watch/fier/locked?channel_password=45", 403, "forbidden", "wrong channel password"],
    ["/watch/fier/locked?start=never", 400, "bad_request", "start must be"],
    ["/watch/fier/a/b", 400, "bad_request", "the path is /watch/USER/CHANNEL"],
    ["/watch/..%2Fusers", 400, "bad_request", "user"],
  ])("is refused %s with %d (%s) in words, and exits 22 with -f", async (path, code, name, words) => {
    const broadcaster = await live(server, ",channel=locked,channel_password=456");
    for (const listener of ["tcp", "https"] as const) {
      const shown = taken((await new Curl(server, listener, path, "-i").end()).stdout);
      expect([shown.status, shown.fields.get("x-fstream-code")]).toEqual([code, name]);
      expect(shown.body).toStartWith(words);
      expect(shown.fields.get("www-authenticate")?.startsWith("Basic ") ?? false).toBe(code === 401);
      const failed = await new Curl(server, listener, path, "-f").end();
      expect([failed.status, failed.stdout]).toEqual([22, ""]);
      expect(failed.stderr).toContain(`The requested URL returned error: ${code}`);
    }
    broadcaster.finish();
    await broadcaster.ended();
  });

  async function watchersOf(channel: string): Promise<number> {
    const { stdout } = await new Curl(server, "http", `/api/channels/fier/${channel}`).end();
    return (JSON.parse(stdout) as { watchers: number }).watchers;
  }
});

function demo(): Promise<Uint8Array> {
  return Bun.file(join(import.meta.dir, "../fixtures/demo.flv")).bytes();
}

describe.skipIf(Bun.which("curl") === null)("a limit", () => {
  test("on watchers of a channel is 429, with a time to come back", async () => {
    const server = await TestServer.start({ server: withHttp, fstream: "max_watchers_per_channel = 1" });
    const broadcaster = await live(server);
    const first = new Curl(server, "http", "/watch/fier?start=live");
    await server.watched("fier/default", 1);
    const { stdout } = await new Curl(server, "tcp", "/watch/fier", "-i").end();
    const { status, fields, body } = taken(stdout);
    expect([status, fields.get("retry-after"), body]).toEqual([429, "5", "the channel is full\n"]);
    // It comes back by itself when there is room.
    const patient = new Curl(
      server,
      "tcp",
      "/watch/fier?start=live",
      "-f",
      "--retry",
      "20",
      "--retry-delay",
      "1",
    );
    first.kill();
    await until("it is there", () => {
      broadcaster.send("media");
      return patient.length > 0;
    });
    broadcaster.finish();
    expect((await patient.end()).status).toBe(0);
    expect(await server.stop()).toBe(0);
  });

  test("on connections of one address holds for each client of a trusted proxy", async () => {
    const server = await TestServer.start({
      server: `${withHttp}\ntrusted_proxies = ["127.0.0.1"]\nmax_connections_per_ip = 2`,
    });
    const broadcaster = await live(server);
    const watch = (address: string, ...flags: string[]) =>
      new Curl(server, "http", "/watch/fier?start=live", "-H", `X-Forwarded-For: ${address}`, ...flags);
    const served = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((address) => watch(address));
    await server.watched("fier/default", served.length);
    const { status, body } = taken((await watch("192.0.2.1", "-i").end()).stdout);
    expect([status, body]).toEqual([429, "too many connections from this address\n"]);
    served[0].kill();
    await until("there is room again", async () => {
      broadcaster.send("media");
      return taken((await watch("192.0.2.1", "-I").end()).stdout).status === 200;
    });
    broadcaster.finish();
    for (const run of served.slice(1)) expect((await run.end()).status).toBe(0);
    expect(await server.stop()).toBe(0);
  });

  test("on waiting places holds for each client of a trusted proxy", async () => {
    const server = await TestServer.start({
      server: `${withHttp}\ntrusted_proxies = ["127.0.0.1"]\nmax_waiting = 16`,
    });
    const wait = (address: string, ...flags: string[]) =>
      new Curl(server, "http", "/watch/fier?wait=60", "-H", `X-Forwarded-For: ${address}`, ...flags);
    const waiting = [wait("192.0.2.1"), wait("192.0.2.1")];
    await server.watched("fier/default", 2);
    const { status, fields, body } = taken((await wait("192.0.2.1", "-i").end()).stdout);
    expect([status, fields.get("x-fstream-code")]).toEqual([429, "limit"]);
    expect(body).toContain("waiting");
    waiting.push(wait("192.0.2.2"));
    await server.watched("fier/default", 3);
    const broadcaster = await live(server);
    broadcaster.finish();
    for (const run of waiting) expect((await run.end()).stdout.length).toBe(200_000);
    expect(await server.stop()).toBe(0);
  });
});

describe.skipIf(Bun.which("curl") === null)("a server that stops", () => {
  test("resets curl, and refuses another with 503 while a stream is still on its way", async () => {
    const server = await TestServer.start({
      server: `${withHttp}\nshutdown_grace = "1h"`,
      fstream: 'drain_timeout = "1h"',
    });
    const broadcaster = await live(server, "", noise(4_000_000));
    const watcher = new Curl(server, "https", "/watch/fier?start=live");
    const slow = await server.dial();
    slow.request("watch,user=fier,reply=1");
    slow.pause();
    await server.watched("fier/default", 2);
    broadcaster.send(noise(12_000_000, 7));
    await until("curl has it", () => watcher.length >= 12_000_000);
    const stopped = server.stop();
    expect((await watcher.end()).status).toBe(56);
    const { status, fields, body } = taken((await new Curl(server, "tcp", "/watch/fier", "-i").end()).stdout);
    expect([status, fields.get("x-fstream-code"), fields.get("retry-after")]).toEqual([
      503,
      "shutting_down",
      "5",
    ]);
    expect(body).toBe("the server is shutting down\n");
    slow.resume();
    await slow.ended();
    expect(await stopped).toBe(0);
  });
});

describe("a watcher over HTTP that stops reading", () => {
  test("costs the others no byte and the server no memory, and goes on with the newest", async () => {
    const server = await TestServer.start({ server: withHttp, fstream: 'backlog = "1MiB"' });
    const whole = noise(60_000_000, 31);
    const slow: Peer[] = [];
    for (const listener of ["tcp", "tls", "http", "https"] as const) {
      const peer = await server.dial(listener);
      peer.send("GET /watch/fier?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n");
      peer.pause();
      slow.push(peer);
    }
    const reader = await server.dial();
    reader.request("watch,user=fier,wait=60");
    await server.watched("fier/default", 5);
    const broadcaster = await server.dial();
    broadcaster.request(login);
    await feed(broadcaster, whole.subarray(0, 10_000_000), reader);
    const before = await server.memory();
    await feed(broadcaster, whole.subarray(10_000_000, 50_000_000), reader);
    expect((await server.memory()) - before).toBeLessThan(30 * mebi);
    for (const peer of slow) peer.resume();
    await server.says(/fier\/default: a slow watcher skipped [\d.]+ [kMG]?B/);
    await feed(broadcaster, whole.subarray(50_000_000), reader);
    broadcaster.finish();
    expect(sha256(reader.bytes)).toBe(sha256(whole));
    for (const peer of slow) {
      expect(await peer.ended()).toBe("fin");
      const { status, body } = taken(peer.text);
      expect(status).toBe(200);
      const { stoppedAt, resumedAt } = skip(Buffer.from(body, "latin1"), whole);
      expect(stoppedAt).toBeGreaterThan(0);
      expect(resumedAt).toBeGreaterThan(48_000_000);
    }
    expect(await server.stop()).toBe(0);
  });
});
