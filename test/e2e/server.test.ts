// The server as its administrator sees it: how it starts, what it logs, what it keeps, how it gives tokens over HTTPS,
// and how it stops.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import {
  deadlineMs,
  noise,
  Peer,
  Run,
  sha256,
  TestServer,
  until,
  untimed,
  watcherOkBytes,
} from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const token = /^[A-Za-z0-9_-]{22,}$/;
const fier = `Basic ${btoa("fier:123")}`;

/** Where a server keeps the certificate that it has made. */
function pairOf(server: TestServer): string {
  return join(server.folder, "state", "self-signed.pem");
}

/** The server's own certificate, for a client that trusts it alone. */
function certificateOf(server: TestServer): string {
  const pem = readFileSync(pairOf(server), "utf8");
  return pem.slice(pem.indexOf("-----BEGIN CERTIFICATE-----"));
}

/** Asks for a token without TLS. */
function askPlainly(server: TestServer, headers: Record<string, string>): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port("http")}/token`, {
    method: "POST",
    headers: { Authorization: fier, ...headers },
  });
}

describe("over HTTPS", () => {
  let server: TestServer;
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`https://127.0.0.1:${server.port("https")}${path}`, {
      ...init,
      tls: { ca: certificateOf(server) },
    });
  const post = (headers: Record<string, string>, body?: string | URLSearchParams | FormData) =>
    ask("/token", { method: "POST", headers, ...(body === undefined ? {} : { body }) });

  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("a token is had for Basic authentication, as text", async () => {
    const response = await post({ Authorization: fier });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("text/plain");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const text = await response.text();
    expect(text).toEndWith("\n");
    expect(text.trim()).toMatch(token);
    const broadcaster = server.call("broadcast", { fserv_arg_user: "fier", fserv_arg_token: text.trim() });
    await broadcaster.finish("media");
    expect((await broadcaster.outcome()).status).toBe(0);
  });

  test("a token is had for form fields of either kind, as JSON if that is accepted", async () => {
    const form = new FormData();
    form.set("user", "fier");
    form.set("user_password", "123");
    for (const body of [new URLSearchParams({ user: "fier", user_password: "123" }), form]) {
      const response = await post({ Accept: "application/json" }, body);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ token: expect.stringMatching(token), expires: 120 });
    }
  });

  test("a login gets a token, through whatever comes between", async () => {
    const headers = { Authorization: fier, Host: "relay.example", "X-Forwarded-For": "192.0.2.1" };
    expect((await post(headers)).status).toBe(200);
  });

  test("a password may have a colon and any script in it", async () => {
    writeFileSync(join(server.folder, "users", "kana.toml"), 'password = "あ:い"\n');
    const basic = Buffer.from("kana:あ:い").toString("base64");
    expect((await post({ Authorization: `Basic ${basic}` })).status).toBe(200);
    const form = new URLSearchParams({ user: "kana", user_password: "あ:い" });
    expect((await post({}, form)).status).toBe(200);
  });

  test("a refusal says why in its body and its headers", async () => {
    const wrong = await post({ Authorization: `Basic ${btoa("fier:124")}` });
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("www-authenticate")).toStartWith("Basic ");
    expect(wrong.headers.get("x-fstream-code")).toBe("unauthorized");
    expect(await wrong.text()).toBe("wrong user or password\n");
    const json = await post({ Authorization: `Basic ${btoa("nobody:1")}`, Accept: "application/json" });
    expect(json.status).toBe(401);
    expect(await json.json()).toEqual({ error: { code: "unauthorized", message: "wrong user or password" } });
    expect((await post({})).status).toBe(401);
    expect((await post({ Authorization: "Bearer x" })).status).toBe(400);
    expect(
      (await post({}, new URLSearchParams({ user: "../../etc/passwd", user_password: "x" }))).status,
    ).toBe(401);
    expect((await post({}, new URLSearchParams({ user: "fier", x: "x".repeat(10_000) }))).status).toBe(413);
  });

  test("a token is not had by reading, and there is nothing elsewhere", async () => {
    const read = await ask("/token", { headers: { Authorization: fier } });
    expect([read.status, read.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await read.text()).toBe("GET is not supported here: use POST\n");
    expect((await ask("/nothing")).status).toBe(404);
  });

  test("the server tells that it is well", async () => {
    const well = await ask("/healthz");
    expect([well.status, await well.text()]).toEqual([200, "ok\n"]);
    expect((await ask("/healthz", { method: "HEAD" })).status).toBe(200);
  });
});

describe("over HTTP without TLS", () => {
  test("a token is had by this machine alone, and not through a proxy", async () => {
    const server = await TestServer.start({ server: 'http_listen = "127.0.0.1:0"' });
    expect((await askPlainly(server, {})).status).toBe(200);
    expect((await askPlainly(server, { Host: "localhost:8080" })).status).toBe(200);
    const betraying: Record<string, string>[] = [
      { "X-Forwarded-For": "192.0.2.1" },
      { "X-Forwarded-Proto": "https" },
      { Forwarded: "for=192.0.2.1;proto=https" },
      { Via: "1.1 proxy" },
      { Host: "relay.example" },
    ];
    for (const headers of betraying) {
      const response = await askPlainly(server, headers);
      expect([headers, response.status]).toEqual([headers, 403]);
      expect(await response.text()).toBe("tokens are only issued over HTTPS\n");
    }
    expect(await server.stop()).toBe(0);
  });

  test("a token is had through a trusted proxy that had the request over HTTPS", async () => {
    const server = await TestServer.start({
      server: 'http_listen = "127.0.0.1:0"\ntrusted_proxies = ["127.0.0.0/8"]',
    });
    const from = { Host: "relay.example", "X-Forwarded-For": "192.0.2.1" };
    expect((await askPlainly(server, { ...from, "X-Forwarded-Proto": "https" })).status).toBe(200);
    expect((await askPlainly(server, { ...from, "X-Forwarded-Proto": "http" })).status).toBe(403);
    expect((await askPlainly(server, from)).status).toBe(403);
    expect(await server.stop()).toBe(0);
  });
});

describe("a server that starts", () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-settings-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("says where it listens, and then that it is ready", async () => {
    const server = await TestServer.start();
    expect(untimed(server.run.stderr)).toMatch(
      /^fstream: settings file: .*\/fstream\.toml\n(fstream: listening on (tcp|tls|https) 127\.0\.0\.1:[1-9]\d*\n){3}fstream: .*--fingerprint (\w\w:){31}\w\w\nfstream: ready\n$/,
    );
    expect(server.run.length).toBe(0);
    expect(await server.stop()).toBe(0);
  });

  test("has the time at the beginning of each line, unless log_time is false", async () => {
    const server = await TestServer.start();
    for (const line of server.run.stderr.trimEnd().split("\n"))
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d fstream: /);
    expect(await server.stop()).toBe(0);
    const without = await TestServer.start({ server: "log_time = false" });
    expect(without.run.stderr).toBe(untimed(without.run.stderr));
    expect(await without.stop()).toBe(0);
  });

  test("logs JSON if that is asked for, with the channel and the address of what it is about", async () => {
    const flags = ["--listen", "127.0.0.1:0", "--https-listen", "", "--log-format", "json"];
    const run = new Run(["serve", ...flags], { TZ: "UTC" });
    const lines = () =>
      run.stderr
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    await until("it is ready", () => lines().some(({ message }) => message === "ready"));
    const port = Number(/listening on tcp .*:(\d+)"/.exec(run.stderr)?.[1]);
    const peer = (await Peer.dial(port)).request("watch,user=nobody,reply=1");
    const refusal = await until("it is logged", () => lines().find(({ code }) => code === "not_live"));
    expect(refusal).toMatchObject({ level: "info", user: "nobody", address: "127.0.0.1" });
    expect(refusal.time).toMatch(/^\d{4}-.*\+00:00$/);
    await peer.ended();
    run.process.kill("SIGTERM");
    expect(await run.exit()).toBe(0);
  });

  test("logs as JSON what keeps it from starting, too, and everything else as text", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fstream-json-"));
    writeFileSync(join(folder, "fstream.toml"), '[server]\nlog_format = "json"\nmax_waiting = "many"\n');
    const file = ["--config", join(folder, "fstream.toml")];
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const json = ["--log-format", "json", "--https-listen", "", "--listen"];
    for (const [flags, expected, entry] of [
      [file, 1, { code: "failed", message: expect.stringContaining("fstream.toml:3: max_waiting") }],
      [["--log-format", "json", "--hold", "x"], 2, { code: "usage" }],
      [
        [...json, `127.0.0.1:${taken.port}`],
        1,
        { code: "failed", message: expect.stringContaining("can't listen"), hint: expect.any(String) },
      ],
    ] as const) {
      const { status, stdout, stderr } = await new Run(["serve", ...flags]).outcome();
      const lines = stderr.trimEnd().split("\n");
      expect([status, stdout]).toEqual([expected, ""]);
      expect(JSON.parse(lines[lines.length - 1])).toMatchObject({ level: "error", ...entry });
      for (const line of lines) expect(JSON.parse(line)).toHaveProperty("level");
    }
    const text = await new Run(["serve", ...file, "--log-format", "text"]).outcome();
    expect([text.status, text.stderr]).toEqual([1, expect.stringMatching(/^fstream: error: .*max_waiting/)]);
    rmSync(folder, { recursive: true });
  });

  test("makes a certificate once, keeps it to itself, and shows it again the next time", async () => {
    const first = await TestServer.start();
    const { fingerprint } = first;
    expect(statSync(pairOf(first)).mode & 0o777).toBe(0o600);
    expect(statSync(join(first.folder, "state")).mode & 0o777).toBe(0o700);
    const second = await first.restart();
    expect(fingerprint).toHaveLength(95);
    expect(second.fingerprint).toBe(fingerprint);
    expect(await second.stop()).toBe(0);
  });

  test("does not where another one does, and says so", async () => {
    const server = await TestServer.start();
    for (const [flag, name] of [
      ["--listen", "tcp"],
      ["--https-listen", "https"],
    ] as const) {
      const place = `127.0.0.1:${server.port(name)}`;
      const others = ["--listen", "127.0.0.1:0", "--tls-listen", "", "--https-listen", "127.0.0.1:0"];
      const file = join(server.folder, "fstream.toml");
      const second = new Run(["serve", "--config", file, ...others, flag, place]);
      const { status, stdout, stderr } = await second.outcome();
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`fstream: error: can't listen on ${place} (`);
      expect(stderr).not.toContain("fstream: ready");
    }
    expect(await server.stop()).toBe(0);
  });

  const isRoot = process.getuid?.() === 0;
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const lowPorts = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  const canTry =
    existsSync(lowPorts) &&
    Number(readFileSync(lowPorts, "utf8")) > 80 &&
    // Another user can run the binary, but not every runtime.
    (!isRoot || (process.env.FSTREAM_BIN !== undefined && Bun.which("setpriv") !== null));
  test.skipIf(!canTry)("on a low port that it may not have says what is needed for one", async () => {
    const listeners = ["--listen", "127.0.0.1:80", "--https-listen", ""];
    const run = new Run(["serve", ...listeners], {}, isRoot ? nobody : []);
    const { status, stderr } = await run.outcome();
    expect(status).toBe(1);
    expect(stderr).toContain("fstream: error: can't listen on 127.0.0.1:80 (listen): permission denied\n");
    expect(stderr).toMatch(
      /\nfstream: hint: ports below 1024 need CAP_NET_BIND_SERVICE: .*; or choose another/,
    );
  });

  const mistakes: [what: string, text: string, says: string][] = [
    [
      "a key that there is not",
      '[server]\nlisten = ":0"\nmax_conections = 5\n',
      ":3: unknown key max_conections in [server]: did you mean max_connections",
    ],
    [
      "a value that can't be",
      '[fstream]\n\nhold = "soon"\n',
      ':3: hold in [fstream] is "soon": it must be a duration',
    ],
    ["what is no TOML", '[server]\nlisten = ":0\n', ":2: not valid TOML: "],
    [
      "settings that exclude each other",
      '[fstream]\nbacklog = "16MiB"\nmax_backlog_total = "1MiB"\n',
      ":2: backlog (16MiB) must be at most max_backlog_total (1MiB)",
    ],
  ];
  test.each(mistakes)("does not with %s, and says where and what would be right", async (_, text, says) => {
    const file = join(folder, "fstream.toml");
    writeFileSync(file, text);
    const { status, stdout, stderr } = await new Run(["serve", "--config", file]).outcome();
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toStartWith(`fstream: error: ${file}${says}`);
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === "::1"),
  );
  test.if(hasIpv6)("can listen on IPv6, and on both families at once", async () => {
    const server = await TestServer.start({
      listeners: { listen: ":0", tls_listen: "", https_listen: "[::1]:0" },
    });
    const login = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };
    const places = [`[::1]:${server.port("tcp")}`, `127.0.0.1:${server.port("tcp")}`];
    const watchers = places.map((place) => new Run([place, "watch", "--wait"], login));
    await server.watched("fier/default", 2);
    const https = `https://[::1]:${server.port("https")}`;
    const flags = ["--token-from", https, "--fingerprint", server.fingerprint];
    const broadcaster = new Run([places[0], "broadcast", ...flags], login);
    await broadcaster.finish("for both");
    expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    for (const run of watchers)
      expect(await run.outcome()).toEqual({ status: 0, stdout: "for both", stderr: "" });
    expect(server.run.stderr).toMatch(/ ::1 watches /);
    expect(server.run.stderr).toMatch(/ 127\.0\.0\.1 watches /);
    expect(await server.stop()).toBe(0);
  });

  test("sees a new user, and a changed one, without being started again", async () => {
    const server = await TestServer.start({ users: {} });
    const login = (password: string) =>
      server.call("token", { fserv_arg_user: "new one", fserv_arg_user_password: password }).outcome();
    expect((await login("first")).status).toBe(3);
    const file = join(server.folder, "users", "new one.ini");
    writeFileSync(file, "[DEFAULT]\npassword = first ; or so\n");
    expect((await login("first ; or so")).status).toBe(0);
    const hash = await Bun.password.hash("second ; or so", {
      algorithm: "argon2id",
      memoryCost: 8,
      timeCost: 1,
    });
    writeFileSync(join(server.folder, "users", "new one.toml"), `password_hash = "${hash}"\n`);
    expect((await login("second ; or so")).status).toBe(3);
    rmSync(file);
    expect((await login("second ; or so")).status).toBe(0);
    expect((await login("first ; or so")).status).toBe(3);
    expect(await server.stop()).toBe(0);
  });
});

describe("a server that is asked to stop", () => {
  test("sends its watchers the rest, notifies its broadcasters, and ends with 0", async () => {
    const server = await TestServer.start({ server: 'shutdown_grace = "1m"' });
    const bytes = noise(12_000_000, 41);
    const slow = await server.dial();
    slow.request("watch,user=fier,wait=60");
    const asking = await server.dial();
    asking.request("watch,user=fier,wait=60,reply=1");
    await server.watched("fier/default", 2);
    slow.pause();
    asking.pause();
    const watcher = server.watch({}, "--wait");
    const tls = `fstreams://127.0.0.1:${server.port("tls")}`;
    const secure = new Run([tls, "watch", "--user", "fier", "--wait", "--fingerprint", server.fingerprint]);
    const waiting = server.watch({ fserv_arg_channel: "none" }, "--wait=1h");
    await server.watched("fier/default", 4);
    await server.watched("fier/none", 1);
    const half = await server.dial();
    half.send("\n");
    const broadcaster = server.broadcast();
    await broadcaster.send(bytes);
    await until("the bytes come", () => watcher.length === bytes.length);

    server.run.process.kill("SIGTERM");
    const ended = await broadcaster.outcome();
    expect([ended.status, ended.stdout]).toEqual([6, ""]);
    expect(ended.stderr).toStartWith("fstream: error: the server is shutting down\nfstream: hint: ");
    expect(await half.ended()).toBe("fin");
    for (const run of [watcher, secure]) {
      expect(await run.exit()).toBe(6);
      expect(sha256(run.bytes)).toBe(sha256(bytes));
    }
    expect((await new Run([server.address, "watch", "--user", "fier"]).outcome()).status).toBe(6);
    slow.resume();
    expect(await slow.ended()).toBe("fin");
    expect(sha256(slow.bytes)).toBe(sha256(bytes));
    asking.resume();
    expect(await asking.ended()).toBe("reset");
    expect(sha256(asking.bytes.subarray(watcherOkBytes))).toBe(sha256(bytes));
    expect(await server.run.exit()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
    waiting.process.kill("SIGTERM");
    await waiting.exit();
    await server.stop();
  });

  test("does not wait for a watcher that takes nothing", async () => {
    const server = await TestServer.start({ server: 'shutdown_grace = "500ms"' });
    const slow = await server.dial();
    slow.request("watch,user=fier,wait=60");
    await server.watched("fier/default", 1);
    slow.pause();
    const broadcaster = await server.dial();
    broadcaster.request(login).send(noise(12_000_000, 42)).finish();
    expect(await broadcaster.ended()).toBe("fin");
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).toContain("connections did not finish in time and were reset: 1\n");
    slow.resume();
    expect(await slow.ended()).toBe("reset");
  });

  test("by SIGINT stops as well", async () => {
    const server = await TestServer.start();
    server.run.process.kill("SIGINT");
    expect(await server.run.exit()).toBe(0);
    await server.stop();
  });
});
