// A server behind proxies, as docs/proxies.md says: nginx and Caddy for HTTP, nginx, socat and netcat for the protocol.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { certificates } from "../certificates.ts";
import { hasFfmpeg } from "../media/capture.ts";
import { deadlineMs, freePort, noise, Peer, Run, sha256, TestServer, until } from "./program.ts";
import { block, hasCaddy, hasNginx, hasNginxStream, type Proxy, startCaddy, startNginx } from "./proxy.ts";
import { SocketClient } from "./socketclient.ts";

setDefaultTimeout(2 * deadlineMs);

const pin = ["--fingerprint", certificates.loopback.sha256];
const login = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

/** A server with the settings of the page for a proxy of HTTP. */
function startServer(): Promise<TestServer> {
  const settings = block("toml", '[server]\nlisten = ":61920"', {
    "[server]": "",
    '":61920"': '"127.0.0.1:0"',
    '"127.0.0.1:8080"': '"127.0.0.1:0"',
  });
  return TestServer.start({ listeners: {}, server: settings });
}

/** curl to a path behind the proxy, from another address of this machine than the proxy's own. */
function curlCommand(server: TestServer, port: number, path: string, ...flags: string[]): string[] {
  const ca = join(server.folder, "ca.pem");
  writeFileSync(ca, certificates.loopback.cert);
  const from = ["--ipv4", "--interface", "127.0.0.7", "--cacert", ca];
  return ["curl", "-sSN", ...from, ...flags, `https://localhost:${port}${path}`];
}

async function curl(server: TestServer, port: number, path: string, ...flags: string[]) {
  const run = Bun.spawn(curlCommand(server, port, path, ...flags), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  return { status: await run.exited, stdout, stderr };
}

describe.each([
  ["nginx", hasNginx, startNginx],
  ["Caddy", hasCaddy, startCaddy],
] as const)("behind %s", (_, isHere, start) => {
  const behind = test.skipIf(!isHere || Bun.which("curl") === null);
  let server: TestServer;
  let proxy: Proxy;
  let port: number;
  beforeAll(async () => {
    if (!isHere) return;
    server = await startServer();
    port = freePort();
    proxy = await start(server.port("http"), port);
  });
  afterAll(async () => {
    await proxy?.stop();
    if (server === undefined) return;
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  behind(
    "a token is had with curl and with our client, and serves once for a broadcast beside the proxy",
    async () => {
      const asked = await curl(server, port, "/token", "-u", "fier:123", "-d", "");
      expect(asked).toMatchObject({ status: 0, stderr: "" });
      const ours = await new Run([`https://localhost:${port}`, "token", ...pin], login).outcome();
      expect(ours).toMatchObject({ status: 0, stderr: "" });
      for (const [text, status] of [
        [asked.stdout, 3],
        [ours.stdout, 0],
      ] as const) {
        const broadcaster = server.call("broadcast", {
          fserv_arg_user: "fier",
          fserv_arg_token: text.trim(),
        });
        await broadcaster.finish("media");
        expect((await broadcaster.outcome()).status).toBe(status);
      }
    },
  );

  behind("a client is known by its own address, whatever it says itself", async () => {
    const forged = [
      "-H",
      "X-Forwarded-For: 192.0.2.1",
      "-H",
      "X-Forwarded-Proto: http",
      "-H",
      "Forwarded: for=192.0.2.1",
    ];
    const refused = await curl(
      server,
      port,
      "/token",
      "-u",
      "fier:wrong",
      "-d",
      "",
      ...forged,
      "-w",
      "%{http_code}",
    );
    expect(refused).toEqual({ status: 0, stdout: "wrong user or password\n401", stderr: "" });
    await server.says(/token of fier from 127\.0\.0\.7 refused/);
    expect(server.run.stderr).not.toContain("192.0.2.1");
  });

  behind("a stream is watched as it comes, to its end", async () => {
    const channel = { fserv_arg_channel: "a/b" };
    const whole = noise(3_000_000, 74);
    const player = Bun.spawn(curlCommand(server, port, "/watch/fier/a%2Fb?wait=60"), { stdout: "pipe" });
    const state = { bytes: Buffer.alloc(0) };
    const read = (async () => {
      for await (const bytes of player.stdout) state.bytes = Buffer.concat([state.bytes, bytes]);
    })();
    await server.watched("fier/a/b", 1);
    const broadcaster = server.broadcast(channel);
    for (const end of [100_000, 100_005, 102_000, 1_000_000, whole.length]) {
      await broadcaster.send(whole.subarray(state.bytes.length, end));
      await until(`${end} bytes come`, () => state.bytes.length === end);
    }
    await broadcaster.finish();
    await read;
    expect(await player.exited).toBe(0);
    expect(sha256(state.bytes)).toBe(sha256(whole));
    const head = await curl(server, port, "/watch/fier/nothing", "-I", "-w", "%{http_code}");
    expect(head.stdout).toMatch(/x-fstream-code: not_live[^]*404$/i);
  });

  behind("a stream is broadcast as it is sent, and its end is in order", async () => {
    const watcher = server.watch({ fserv_arg_channel: "put" }, "--wait");
    await server.watched("fier/put", 1);
    const whole = noise(1_000_000, 76);
    const upload = curlCommand(
      server,
      port,
      "/broadcast/fier/put",
      "-u",
      "fier:123",
      "-T",
      "-",
      "-w",
      "%{http_code}",
    );
    const encoder = Bun.spawn(upload, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    for (const end of [100, 200_000, whole.length]) {
      await encoder.stdin.write(whole.subarray(watcher.length, end));
      await encoder.stdin.flush();
      await until(`${end} bytes come`, () => watcher.length === end);
    }
    await encoder.stdin.end();
    expect(await new Response(encoder.stdout).text()).toEndWith("200");
    expect(await encoder.exited).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(whole));
    await server.says(/fier\/put: broadcast from 127\.0\.0\.7 started/);
  });

  const encoding = hasFfmpeg ? behind : test.skip;
  encoding("ffmpeg broadcasts as the page says, and one that is killed has broken off", async () => {
    const input = `-nostdin -v error -stream_loop -1 -re -i ${import.meta.dir}/../fixtures/mpegts-h264-aac.mpegts -c copy`;
    const command = block("sh", "ffmpeg ... -f mpegts -method PUT", {
      " ... ": ` ${input} `,
      "123456@relay.example": `123@localhost:${port}`,
      "-method PUT": "-tls_verify 0 -method PUT",
      "fier/default": "fier/ffmpeg",
    });
    const encoder = Bun.spawn(command.trim().split(/ +/), {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
    await server.says(/fier\/ffmpeg: mpegts, h264 \+ aac/);
    encoder.kill("SIGKILL");
    await encoder.exited;
    await server.says(/fier\/ffmpeg: broadcast interrupted after \d+ bytes/);
  });

  behind("pages and their WebSockets work: a tab broadcasts, another plays it", async () => {
    const site = `localhost:${port}`;
    expect((await curl(server, port, "/")).stdout).toStartWith("<!doctype html>");
    const open = (path: string, first: object) =>
      new SocketClient(`wss://${site}${path}`, { Origin: `https://${site}` }).begin(first);
    const tab = await open("/broadcast/fier/tab", { user_password: "123" });
    expect(await tab.answer()).toEqual({ type: "ok", url: "https://relay.example/play/fier/tab" });
    const player = await open("/watch/fier/tab", {});
    await server.watched("fier/tab", 1);
    const whole = noise(400_000, 75);
    for (let at = 0; at < whole.length; at += 50_000) tab.socket.send(whole.slice(at, at + 50_000));
    await until("all of it comes", () => player.length === whole.length);
    expect(sha256(player.bytes)).toBe(sha256(whole));
    tab.socket.send('{"type":"end"}');
    expect([await tab.end(), await player.end()]).toEqual([
      [1000, true],
      [1000, true],
    ]);
    expect(tab.texts.at(-1)).toEqual({ type: "end", bytes: whole.length });
    expect(player.texts.at(-1)).toEqual({ type: "end", reason: "ended" });
    const elsewhere = new SocketClient(`wss://${site}/broadcast/fier/tab`, {
      Origin: "https://elsewhere.example",
    });
    await until(
      "a page of another site is refused",
      () => elsewhere.closed !== undefined && !elsewhere.isOpen,
    );
  });
});

describe.skipIf(!hasNginxStream)("the protocol through a TCP proxy", () => {
  let server: TestServer;
  let proxy: Proxy;
  const ports = { plain: freePort(), secure: freePort() };
  beforeAll(async () => {
    const settings = block("toml", '[server]\nlisten = "127.0.0.1:61930"', { "[server]": "", "61930": "0" });
    server = await TestServer.start({
      listeners: {},
      server: `${settings}\nhttps_listen = ""`,
      fstream: 'hold = "0s"',
    });
    proxy = await startNginx(freePort(), freePort(), { ...ports, server: server.port("tcp") });
  });
  afterAll(async () => {
    await proxy.stop();
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test.each([
    ["plain", `127.0.0.1:${ports.plain}`, []],
    ["over TLS that ends there", `fstreams://127.0.0.1:${ports.secure}`, pin],
  ])("is confirmed to its broadcaster, and whole at its watcher, %s", async (title, address, trust) => {
    const channel = title.replaceAll(" ", "-");
    const whole = noise(5_000_000, 71);
    const call = (verb: string, ...flags: string[]) =>
      new Run(
        [address, verb, "--channel", channel, ...trust, ...flags],
        verb === "watch" ? { fserv_arg_user: "fier" } : login,
      );
    const watcher = call("watch", "--wait", "--lag", "close");
    await server.watched(`fier/${channel}`, 1);
    const broadcaster = call("broadcast");
    for (let at = 0; at < whole.length; at += 500_000) {
      await broadcaster.send(whole.subarray(at, at + 500_000));
      await until("it comes", () => watcher.length >= at);
    }
    await broadcaster.finish();
    expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    const status = await watcher.exit();
    expect([status, watcher.stderr, sha256(watcher.bytes)]).toEqual([0, "", sha256(whole)]);
  });

  test("that is cut short is known as such to its watcher", async () => {
    const address = `127.0.0.1:${ports.plain}`;
    const watcher = new Run([address, "watch", "--channel", "cut", "--wait"], { fserv_arg_user: "fier" });
    await server.watched("fier/cut", 1);
    const broadcaster = server.broadcast({ fserv_arg_channel: "cut" });
    await broadcaster.send("media");
    await until("it comes", () => watcher.length === 5);
    broadcaster.process.kill("SIGKILL");
    expect((await watcher.outcome()).status).toBe(5);
  });
});

describe("without a proxy of its own", () => {
  /** The one that the page's examples have. */
  const password = "123456";
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ users: { "fier.ini": `[DEFAULT]\npassword=${password}\n` } });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test.skipIf(Bun.which("socat") === null)(
    "the protocol goes through an HTTP proxy, by CONNECT",
    async () => {
      const proxy = connectProxy();
      const port = freePort();
      const [command] = block("sh", "socat", {
        "TCP-LISTEN:61920": `TCP-LISTEN:${port}`,
        "proxy.example:relay.example:61920": `127.0.0.1:${server.address}`,
        "proxyport=3128": `proxyport=${proxy.port}`,
        " &\n": "\n",
      }).split("\n");
      const tunnel = Bun.spawn(command.split(" "), { stderr: "inherit" });
      const whole = noise(3_000_000, 72);
      const address = `127.0.0.1:${port}`;
      await until("socat listens", () =>
        Peer.dial(port).then(
          (peer) => (peer.reset(), true),
          () => false,
        ),
      );
      const watcher = new Run([address, "watch", "--wait", "--lag", "close"], { fserv_arg_user: "fier" });
      await server.watched("fier/default", 1);
      const broadcaster = new Run([address, "broadcast"], { ...login, fserv_arg_user_password: password });
      await broadcaster.finish(whole);
      expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(await watcher.exit()).toBe(0);
      expect(sha256(watcher.bytes)).toBe(sha256(whole));
      expect(proxy.asked).toContain(`CONNECT ${server.address} HTTP/1.0`);
      tunnel.kill("SIGTERM");
      await tunnel.exited;
      proxy.stop();
    },
  );

  test.skipIf(Bun.which("nc") === null)("a request may stand behind HTTP headers", async () => {
    const whole = noise(500_000, 73);
    const media = join(server.folder, "media");
    await Bun.write(media, whole);
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 2);
    const script = block("sh", "{ printf 'POST", {
      "ffmpeg ... -f mpegts -": `cat '${media}'`,
      "relay.example 61920": `127.0.0.1 ${server.port("tcp")}`,
    });
    const run = Bun.spawn(["sh", "-c", script], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    expect(await new Response(run.stdout).text()).toBe("");
    expect(await run.exited).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(whole));
  });
});

/** A proxy of HTTP that knows CONNECT (RFC 9110, section 9.3.6) alone, and what it was asked for. */
function connectProxy() {
  const asked: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.once("data", (head) => {
      const [line, host, port] = /^CONNECT ([\d.]+):(\d+) HTTP\/1\.\d/.exec(head.toString("latin1")) ?? [];
      if (line === undefined) {
        client.destroy();
        return;
      }
      asked.push(line);
      const upstream = connect({ host, port: Number(port), allowHalfOpen: true }, () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
      for (const socket of [client, upstream])
        socket.on("error", () => {
          client.destroy();
          upstream.destroy();
        });
    });
  });
  server.listen(0, "127.0.0.1");
  return { asked, port: (server.address() as AddressInfo).port, stop: () => server.close() };
}
