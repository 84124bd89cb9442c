// The API, the metrics and `status`, at a running server: figures are those of what was really sent.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificates } from "../certificates.ts";
import { parseExposition, problemsOf, promtoolSays, valueOf } from "../http/promcheck.ts";
import { faults } from "../http/schema.ts";
import { behindOk, deadlineMs, noise, Peer, program, Run, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const token = "0123456789abcdef";
let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({
    listeners: { listen: "127.0.0.1:0", https_listen: "127.0.0.1:0", http_listen: "127.0.0.1:0" },
    server: 'admin_token_file = "token"',
    fstream: 'hold_ended = "30s"',
    files: { token: `${token}\n` },
  });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port("http")}${path}`, init);
}

async function metrics() {
  const text = await (await get("/metrics")).text();
  expect(promtoolSays(text) ?? "").toBe("");
  const families = parseExposition(text);
  expect(problemsOf(families)).toEqual([]);
  return families;
}

interface Described {
  readonly watchers: number;
  readonly received_bytes: number;
  readonly sent_bytes: number;
}

/** A channel as the API has it; undefined if it is not there. */
async function described(channel: string): Promise<Described | undefined> {
  const response = await get(`/api/channels/fier/${channel}`);
  if (response.status === 404) return undefined;
  const value: unknown = await response.json();
  expect(faults("Channel", value)).toEqual([]);
  return value as Described;
}

/** A watcher of a channel that is not live yet: by the protocol, with a reply or without, or over HTTP. */
async function watcher(kind: "bare" | "reply" | "http" | "httpOnTcp", channel: string): Promise<Peer> {
  const peer = await Peer.dial(server.port(kind === "http" ? "http" : "tcp"));
  if (kind === "bare" || kind === "reply")
    peer.request(`watch,user=fier,channel=${channel},wait=60${kind === "reply" ? ",reply=1" : ""}`);
  else peer.send(`GET /watch/fier/${channel}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return peer;
}

test("counters agree with what was really sent, to watchers of every kind", async () => {
  const before = await metrics();
  const grown = async (name: string, labels: Record<string, string> = {}) =>
    valueOf(await metrics(), name, labels) - valueOf(before, name, labels);
  const sent = noise(3_000_000);
  const kinds = ["bare", "bare", "reply", "http", "httpOnTcp"] as const;
  const watchers = await Promise.all(kinds.map((kind) => watcher(kind, "counted")));
  await until("all wait", async () => (await grown("fstream_waiting_watchers")) === kinds.length);
  expect(await grown("fstream_joins_total")).toBe(0);
  const broadcast = server.broadcast({ fserv_arg_channel: "counted" });
  await broadcast.send(sent);
  for (const each of watchers) await each.received(sent.length);

  await until("all is counted", async () => (await grown("fstream_received_bytes_total")) === sent.length);
  const arrived = () => watchers.reduce((sum, { length }) => sum + length, 0);
  await until("all has come", async () => (await grown("fstream_sent_bytes_total")) === arrived());
  expect(arrived()).toBeGreaterThan(kinds.length * sent.length);
  for (const each of watchers) expect(sha256(each.bytes.slice(-sent.length))).toBe(sha256(sent));
  expect(behindOk(watchers[2].text).length).toBe(sent.length);
  expect(await grown("fstream_joins_total")).toBe(kinds.length);
  expect(await grown("fstream_logins_total", { result: "accepted" })).toBe(1);
  expect(await grown("fstream_broadcasts_total", { kind: "new" })).toBe(1);
  expect(await grown("fstream_waiting_watchers")).toBe(0);
  // Those, the broadcaster's, and the scrape's own.
  expect(valueOf(await metrics(), "fstream_connections")).toBe(kinds.length + 2);
  const labels = { user: "fier", channel: "counted" };
  const families = await metrics();
  expect(valueOf(families, "fstream_channel_watchers", labels)).toBe(kinds.length);
  expect(valueOf(families, "fstream_channel_received_bytes_total", labels)).toBe(sent.length);
  expect(valueOf(families, "fstream_channel_sent_bytes_total", labels)).toBe(arrived());
  expect(await described("counted")).toMatchObject({
    watchers: kinds.length,
    received_bytes: sent.length,
    sent_bytes: arrived(),
  });

  await broadcast.finish();
  expect(await broadcast.exit()).toBe(0);
  expect((await get("/api/channels/fier/counted", { method: "DELETE" })).status).toBe(204);
  for (const each of watchers) expect(await each.ended()).toBe("fin");
  expect(await described("counted")).toBeUndefined();
  // The channel is gone; what it has done is not.
  expect(await grown("fstream_received_bytes_total")).toBe(sent.length);
  expect(await grown("fstream_sent_bytes_total")).toBe(arrived());
  expect(await grown("fstream_watcher_ends_total", { reason: "ended" })).toBe(kinds.length);
  expect(await grown("fstream_broadcast_ends_total", { reason: "ended" })).toBe(1);
});

test("what is broadcast and watched over HTTP alone is counted in the same way", async () => {
  const before = await metrics();
  const sent = noise(500_000, 2);
  const watch = await watcher("http", "put");
  await until("it waits", async () => valueOf(await metrics(), "fstream_waiting_watchers") > 0);
  const response = await get("/broadcast/fier/put", {
    method: "PUT",
    headers: { Authorization: `Basic ${btoa("fier:123")}` },
    body: sent,
  });
  expect(response.status).toBe(200);
  await watch.received(sent.length);
  // Its end is held for a while.
  expect((await get("/api/channels/fier/put", { method: "DELETE" })).status).toBe(204);
  expect(await watch.ended()).toBe("fin");
  expect(sha256(watch.bytes.slice(-sent.length))).toBe(sha256(sent));
  const after = await metrics();
  const grown = (name: string) => valueOf(after, name) - valueOf(before, name);
  expect(grown("fstream_received_bytes_total")).toBe(sent.length);
  expect(grown("fstream_sent_bytes_total")).toBe(watch.length);
  expect(grown("fstream_joins_total")).toBe(1);
});

test("refusals and logins are counted by what came of them", async () => {
  const before = await metrics();
  const refusals = [
    ["watch,user=fier,channel=none,reply=1", "watch", "not_live"],
    ["broadcast,user=fier,user_password=wrong,reply=1", "broadcast", "unauthorized"],
    ["token,user=fier,user_password=wrong,reply=1", "token", "unauthorized"],
    ["nonsense,reply=1", "request", "bad_request"],
  ] as const;
  const count = (families: typeof before, intent: string, code: string) =>
    families.some(({ samples }) =>
      samples.some(({ labels }) => labels.intent === intent && labels.code === code),
    )
      ? valueOf(families, "fstream_refusals_total", { intent, code })
      : 0;
  for (const [request, intent, code] of refusals) {
    const peer = await Peer.dial(server.port("tcp"));
    peer.request(request);
    await peer.ended();
    expect(peer.text).toContain(`code=${code}`);
    expect(count(await metrics(), intent, code)).toBe(count(before, intent, code) + 1);
  }
  const odd = await Peer.dial(server.port("http"));
  odd.send("HELO relay.example\r\n\r\n");
  await odd.ended();
  expect(count(await metrics(), "request", "bad_request")).toBe(count(before, "request", "bad_request") + 2);
  const wrong = { result: "unauthorized" };
  const families = await metrics();
  expect(valueOf(families, "fstream_logins_total", wrong)).toBe(
    valueOf(before, "fstream_logins_total", wrong) + 2,
  );
});

test("DELETE ends a broadcast in order: its watchers have every byte, its broadcaster is told, and does not come back", async () => {
  const sent = noise(200_000);
  const watch = server.watch({ fserv_arg_channel: "ends" }, "--wait");
  await server.watched("fier/ends", 1);
  const broadcast = server.broadcast({ fserv_arg_channel: "ends" }, "--retry");
  await broadcast.send(sent);
  await until("it is watched", () => watch.length === sent.length);
  expect((await get("/api/channels/fier/ends", { method: "DELETE" })).status).toBe(204);
  expect(await broadcast.exit()).toBe(3);
  expect(broadcast.stderr).toContain("error: the server's operator has ended the broadcast");
  expect(broadcast.stderr).not.toContain("another --channel");
  expect(await watch.exit()).toBe(0);
  expect(sha256(watch.bytes)).toBe(sha256(sent));
  expect((await get("/api/channels/fier/ends", { method: "DELETE" })).status).toBe(404);
});

test("what is the operator's is for the admin token, and for no other who comes through a proxy", async () => {
  // With that it is no request of this machine's.
  const far = { "X-Forwarded-For": "192.0.2.1" };
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(`https://127.0.0.1:${server.port("https")}/metrics`, {
      headers: { ...far, ...headers },
      tls: { rejectUnauthorized: false },
    });
    return response.status;
  };
  expect(await ask({})).toBe(401);
  expect(await ask({ Authorization: "Bearer 0123456789abcdeg" })).toBe(401);
  expect(await ask({ Authorization: `Bearer ${token}` })).toBe(200);
  expect((await get("/metrics", { headers: { ...far, Authorization: `Bearer ${token}` } })).status).toBe(403);
});

test("a server does not start with an admin token that can't be used", async () => {
  const config = join(server.folder, "short.toml");
  writeFileSync(join(server.folder, "short"), "short\n");
  writeFileSync(config, '[server]\nlisten = "127.0.0.1:0"\nhttps_listen = ""\nadmin_token_file = "short"\n');
  const run = new Run(["serve", "--config", config]);
  expect(await run.exit()).toBe(1);
  expect(run.stderr).toContain("error: admin_token_file: ");
});

/** Settings of a client's folder by which it finds the server that runs here. */
function localSettings(name: string): string {
  const folder = join(server.folder, name);
  mkdirSync(folder);
  const file = join(folder, "fstream.toml");
  writeFileSync(
    file,
    `[server]\nhttps_listen = "127.0.0.1:${server.port("https")}"\nstate_dir = "${join(server.folder, "state")}"\n`,
  );
  return file;
}

test("status shows what is live on this machine's server, whose certificate it finds", async () => {
  const config = localSettings("local");
  const none = await new Run(["status", "--config", config]).outcome();
  expect(none).toEqual({ status: 0, stdout: "", stderr: expect.stringContaining("no channels are live") });
  const broadcast = server.broadcast({ fserv_arg_channel: "cam 1", fserv_arg_channel_password: "x" });
  await broadcast.send(noise(100_000));
  await until("it is there", async () => (await described("cam%201"))?.received_bytes === 100_000);
  const { status, stdout } = await new Run(["status", "--config", config]).outcome();
  expect(status).toBe(0);
  const [heading, line, ...more] = stdout.split("\n");
  expect(heading).toMatch(
    /^CHANNEL +STATE +ACCESS +TIME +STREAM +BIT RATE +WATCHERS +RECEIVED +SENT +SKIPS$/,
  );
  expect(line).toMatch(/^fier\/cam 1 +live +password +0:\d\d:\d\d +- +.*bit\/s +0 +100 kB +0 B +0$/);
  expect(more).toEqual([""]);
  const json = await new Run(["status", "--json", "--config", config]).outcome();
  expect(faults("Channels", JSON.parse(json.stdout))).toEqual([]);
  await broadcast.finish();
  expect(await broadcast.exit()).toBe(0);
  expect((await get("/api/channels/fier/cam%201", { method: "DELETE" })).status).toBe(204);
});

test("status shows everything on this machine with the admin token that it finds, where others come by a name", async () => {
  const named = await TestServer.start({
    server: 'public_url = "https://relay.example"\nadmin_token_file = "admin"',
    files: { admin: `${token}\n` },
  });
  const folder = join(named.folder, "client");
  mkdirSync(folder);
  const config = join(folder, "fstream.toml");
  const settings = `[server]\nhttps_listen = "127.0.0.1:${named.port("https")}"\nstate_dir = "${join(named.folder, "state")}"\n`;
  const broadcast = named.broadcast({ fserv_arg_channel: "cam", fserv_arg_channel_password: "x" });
  await broadcast.send(noise(100_000));
  const shown = async (more: string) => {
    writeFileSync(config, settings + more);
    const { status, stdout } = await new Run(["status", "--config", config]).outcome();
    return [status, stdout.includes("fier/cam")];
  };
  const withToken = `admin_token_file = "${join(named.folder, "admin")}"\n`;
  await until("it is shown", async () => (await shown(withToken))[1] === true);
  expect(await shown("")).toEqual([0, false]);
  expect(await shown('admin_token_file = "missing"\n')).toEqual([0, false]);
  await broadcast.finish();
  expect(await broadcast.exit()).toBe(0);
  expect(await named.stop()).toBe(0);
});

test("status trusts no certificate but the one that it should", async () => {
  const address = `https://127.0.0.1:${server.port("https")}`;
  const { status, stderr } = await new Run([address, "status"]).outcome();
  expect(status).toBe(1);
  expect(stderr).toContain("is not trusted");
  expect((await new Run([address, "status", "--fingerprint", server.fingerprint]).outcome()).status).toBe(0);
});

test("status whose settings are another server's says how to ask this one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-other-"));
  const config = join(folder, "fstream.toml");
  writeFileSync(config, '[server]\nhttps_listen = "127.0.0.1:1"\n');
  const gone = await new Run(["status", "--config", config]).outcome();
  expect([gone.status, gone.stderr]).toEqual([
    5,
    expect.stringMatching(
      /hint: this is the address in .* fstream https:\/\/localhost:PORT status, .*--config FILE\n$/,
    ),
  ]);
  const { loopback } = certificates;
  writeFileSync(join(folder, "self-signed.pem"), loopback.key + loopback.cert);
  writeFileSync(
    config,
    `[server]\nhttps_listen = "127.0.0.1:${server.port("https")}"\nstate_dir = "${folder}"\n`,
  );
  const other = await new Run(["status", "--config", config]).outcome();
  expect([other.status, other.stderr]).toEqual([
    1,
    expect.stringMatching(
      /different fingerprint: .*\nfstream: hint: this server was started in another folder .*\n$/,
    ),
  ]);
  rmSync(folder, { recursive: true });
});

test("status says why it can't ask", async () => {
  const cases: [words: string[], status: number, said: string][] = [
    [["http://127.0.0.1:1", "status"], 5, "connection refused"],
    [["127.0.0.1:1", "status"], 2, "status doesn't take a host:port address"],
    [["status", "--watch", "5"], 2, "--watch=5, with an equals sign"],
    [["status", "--watch=never"], 2, "--watch must be from 0.1 to 86400 seconds"],
    [["status", "--config", join(server.folder, "missing.toml")], 1, "missing.toml"],
    [["status", "--config", join(server.folder, "fstream.toml")], 2, "https_listen in"],
    [
      ["status", "--admin-token-file", join(server.folder, "missing")],
      1,
      `can't read ${join(server.folder, "missing")}: no such file`,
    ],
  ];
  for (const [words, status, said] of cases) {
    const outcome = await new Run(words).outcome();
    expect({ words, ...outcome }).toEqual({
      words,
      status,
      stdout: "",
      stderr: expect.stringContaining(said),
    });
  }
});

test("status --watch tells each time, in lines of JSON or tables, until its reader leaves", async () => {
  const config = localSettings("again");
  const run = new Run(["status", "--json", "--watch=0.1", "--config", config]);
  const lines = () => Buffer.from(run.bytes).toString().split("\n").slice(0, -1);
  await until("it has asked three times", () => lines().length >= 3);
  for (const line of lines()) expect(JSON.parse(line)).toEqual({ all: true, channels: [] });
  run.process.kill("SIGTERM");
  await run.exit();
  const piped = Bun.spawn(
    ["sh", "-c", '"$@" | head -n 1', "sh", ...program, "status", "--watch=0.1", "--config", config],
    {
      stdout: "pipe",
      stderr: "ignore",
    },
  );
  expect(await piped.exited).toBe(0);
  expect(await piped.stdout.text()).toStartWith("CHANNEL  ");
});

test.skipIf(process.platform === "win32")(
  "status --watch fills a terminal in place, and goes on while its server is away",
  async () => {
    const other = await TestServer.start({
      listeners: { listen: "127.0.0.1:0", https_listen: "", http_listen: "127.0.0.1:0" },
    });
    const address = `http://127.0.0.1:${other.port("http")}`;
    const shown = { text: "" };
    const child = Bun.spawn([...program, address, "status", "--watch=0.1"], {
      env: { PATH: process.env.PATH ?? "" },
      terminal: {
        cols: 100,
        rows: 8,
        data: (_, bytes) => {
          shown.text += Buffer.from(bytes).toString();
        },
      },
    });
    const broadcasts = Array.from({ length: 9 }, (_, i) => other.broadcast({ fserv_arg_channel: `cam${i}` }));
    for (const each of broadcasts) await each.send("x");
    await until("all are counted", () => shown.text.includes("9 channels, 0 watchers"));
    await until("those that fit are shown", () => /cam2 [^]*\.\.\. and 6 more/.test(shown.text));
    const last = shown.text.slice(shown.text.lastIndexOf("\u001b[H", shown.text.lastIndexOf("... and")));
    expect(last).toStartWith("\u001b[H");
    expect(last).not.toContain("cam3");
    await other.stop();
    await until("it is told that the server is away", () =>
      shown.text.includes("connection refused by 127.0.0.1"),
    );
    expect(child.exitCode).toBeNull();
    child.terminal?.write("\x03");
    await child.exited;
    expect(child.signalCode).toBe("SIGINT");
    for (const each of broadcasts) await each.exit();
  },
);
