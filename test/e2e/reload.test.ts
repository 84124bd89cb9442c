// SIGHUP: a running server takes up the settings that can change, names those that need a restart, and changes nothing where the
// file is wrong. What is under way goes on.

import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { behindOk, deadlineMs, noise, type Peer, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const ok = "\0\0\0\x02\0ok";
const login = "broadcast,user=fier,user_password=123,reply=1";

/** Puts these sections into the settings file in place of what it says beside its listeners, and has the server read it. */
async function reload(server: TestServer, sections: { server?: string; fstream?: string; auth?: string }) {
  const file = join(server.folder, "fstream.toml");
  const listeners = [...(await Bun.file(file).text()).matchAll(/^\w*listen = .*$/gm)].join("\n");
  await Bun.write(
    file,
    `[server]\n${listeners}\n${sections.server ?? ""}\n` +
      `[fstream]\n${sections.fstream ?? ""}\n[auth]\n${sections.auth ?? ""}\n`,
  );
  return signal(server);
}

/** Gives what the server says of it. */
async function signal(server: TestServer): Promise<string> {
  const before = server.run.stderr.length;
  server.run.process.kill("SIGHUP");
  // The certificate is read last.
  return await until("the server has reloaded", () => {
    const said = server.run.stderr.slice(before);
    return /tls: .*certificate.*\n/.test(said) && said;
  });
}

async function answer(server: TestServer, request: string): Promise<string> {
  const peer = await server.dial();
  peer.request(request);
  await until("it is answered", () => peer.length >= ok.length || peer.end !== "open");
  const { text } = peer;
  peer.reset();
  return decodeURIComponent(text.slice(5));
}

async function live(server: TestServer, channel: string): Promise<Peer> {
  const peer = await server.dial();
  peer.request(`${login},channel=${channel}`);
  await peer.received(ok.length);
  return peer;
}

test("limits, lifetimes and what is allowed hold from then on, and a live stream loses nothing", async () => {
  const server = await TestServer.start();
  const broadcaster = await live(server, "default");
  const watcher = server.watch({ fserv_arg_start: "live" });
  await server.watched("fier/default", 1);
  await until("it watches", async () => (await answer(server, "watch,user=fier,reply=1,start=live")) !== "");
  const media = noise(4_000_000);
  const sending = (async () => {
    for (let at = 0; at < media.length; at += 40_000) {
      broadcaster.send(media.subarray(at, at + 40_000));
      await Bun.sleep(5);
    }
  })();

  const said = await reload(server, {
    server: 'log_level = "info"\nmax_waiting = 0',
    fstream:
      'token_lifetime = "7s"\nmax_channels_per_user = 1\nmax_watchers_per_channel = 1\nplain_passwords = false\nhold = "0s"',
  });
  expect(said).toContain(
    'fstream: reloaded: max_waiting 1000 -> 0, log_level "debug" -> "info", token_lifetime 2m -> 7s, ' +
      "plain_passwords true -> false, hold 10s -> 0s, max_channels_per_user 16 -> 1, max_watchers_per_channel 0 -> 1\n",
  );
  expect(said).not.toContain("restart");
  expect(await answer(server, "watch,user=fier,reply=1")).toContain("the channel is full");
  expect(await answer(server, "watch,user=ann,wait=9,reply=1")).toContain(
    "too many watchers are already waiting",
  );
  expect(await answer(server, "token,user=fier,user_password=123,reply=1")).toContain(
    "no passwords on a plain",
  );
  const token = await fetch(`https://127.0.0.1:${server.port("https")}/token`, {
    method: "POST",
    body: new URLSearchParams({ user: "fier", user_password: "123" }),
    tls: { rejectUnauthorized: false },
  });
  const asked = await token.text();
  expect([token.status, asked.length > 0]).toEqual([200, true]);
  expect(await answer(server, `broadcast,user=fier,token=${asked.trim()},channel=other,reply=1`)).toContain(
    "a user can have at most 1 channel live",
  );

  await sending;
  await broadcaster.sent();
  broadcaster.finish();
  expect(await broadcaster.ended()).toBe("fin");
  expect(await watcher.exit()).toBe(0);
  expect(sha256(watcher.bytes)).toBe(sha256(media));
  const shown = server.run.stderr.length;
  expect(await answer(server, "watch,user=fier,reply=1")).toContain("not_live");
  expect(server.run.stderr.slice(shown)).not.toContain("debug");
  expect(await server.stop()).toBe(0);
});

test("a bit rate holds for broadcasts that are on as well", async () => {
  const server = await TestServer.start();
  const broadcaster = await live(server, "default");
  broadcaster.send(noise(300_000));
  await reload(server, { fstream: "max_bitrate = 80000" });
  broadcaster.send(noise(300_000));
  expect(await broadcaster.ended()).toBe("fin");
  expect(broadcaster.text).toContain(
    encodeURIComponent("the bit rate is above the limit of 80").replaceAll("%20", " "),
  );
  expect(await server.stop()).toBe(0);
});

test("a wrong file changes nothing, and the log says where and what; settings that need a restart are named", async () => {
  const server = await TestServer.start();
  const file = join(server.folder, "fstream.toml");
  const said = await reload(server, { fstream: 'max_watchers_per_channel = 1\nmax_lag = "5 parsecs"' });
  const lines = (await Bun.file(file).text()).split("\n");
  const line = lines.findIndex((text) => text.startsWith("max_lag")) + 1;
  expect(said).toContain(
    `fstream: error: reload failed, nothing changed: ${file}:${line}: max_lag in [fstream] is "5 parsecs": it must be a duration`,
  );
  expect(said).not.toContain("reloaded");
  const broadcaster = await live(server, "default");
  for (let i = 0; i < 2; i++) {
    const watcher = await server.dial();
    watcher.request("watch,user=fier,reply=1,start=live");
    expect(Buffer.from(await watcher.received(ok.length)).toString()).toContain("ok,id=");
  }
  broadcaster.reset();
  const other = await reload(server, { server: 'state_dir = "elsewhere"', fstream: 'backlog = "1MiB"' });
  expect(other).toContain("fstream: warning: these changes need a restart: state_dir, backlog\n");
  const same = await reload(server, {});
  expect(same).toContain("fstream: no settings have changed\n");
  expect(await server.stop()).toBe(0);
});

test("another authenticator takes over once it is ready, and one that can't be used changes nothing", async () => {
  const server = await TestServer.start();
  const program = join(server.folder, "decide.sh");
  writeFileSync(program, '#!/bin/sh\ngrep -q \'"password":"of the script"\'\n');
  chmodSync(program, 0o755);
  const module = join(server.folder, "auth.ts");
  writeFileSync(
    module,
    "export function authenticate({ password }) { return password === 'of the module'; }\n",
  );
  const answers = async () => {
    const passwords = ["123", "of the script", "of the module"];
    const all = passwords.map((password) =>
      answer(server, `token,user=fier,user_password=${password},reply=1`),
    );
    return (await Promise.all(all)).map((text) => text.startsWith("ok,"));
  };
  expect(await answers()).toEqual([true, false, false]);
  const auth = 'authenticator = "command"\ncommand = ["./decide.sh"]';
  const said = await reload(server, { auth });
  expect(said).toContain(`logins are checked by the program ${program}\n`);
  expect(said).toContain('authenticator "users" -> "command", command\n');
  expect(await answers()).toEqual([false, true, false]);

  const missing = await reload(server, {
    fstream: 'max_lag = "5s"',
    auth: 'authenticator = "module"\nmodule = "nowhere.ts"',
  });
  expect(missing).toMatch(/error: module .*nowhere\.ts: .*: not changed: authenticator, module, command\n/);
  expect(missing).toContain("reloaded: max_lag 1m -> 5s\n");
  expect(await answers()).toEqual([false, true, false]);

  await reload(server, { auth: 'authenticator = "module"\nmodule = "auth.ts"' });
  expect(await answers()).toEqual([false, false, true]);
  const elsewhere = await reload(server, { fstream: 'users_dir = "nowhere"' });
  expect(elsewhere).toMatch(/error: .*nowhere.*: not changed: users_dir, authenticator, module\n/);
  expect(await answers()).toEqual([false, false, true]);
  await reload(server, {});
  expect(await answers()).toEqual([true, false, false]);
  expect(await server.stop()).toBe(0);
});

test("watchers log in from then on, and the admin token is another's", async () => {
  const right = "a".repeat(40);
  const server = await TestServer.start({ files: { token: right } });
  // Through a proxy that is not known, or it would be this machine's.
  const metrics = async (token: string) => {
    const response = await fetch(`https://127.0.0.1:${server.port("https")}/metrics`, {
      headers: { Authorization: `Bearer ${token}`, "X-Forwarded-For": "192.0.2.9" },
      tls: { rejectUnauthorized: false },
    });
    return response.status;
  };
  expect(await metrics(right)).toBe(401);
  const broadcaster = await live(server, "default");
  const watcher = await server.dial();
  watcher.request("watch,user=fier,reply=1,start=live");
  await watcher.received(ok.length);
  await reload(server, { server: 'admin_token_file = "token"', auth: "authenticate_watchers = true" });
  expect(await answer(server, "watch,user=fier,reply=1")).toContain("unauthorized");
  expect(
    await answer(server, "watch,user=fier,watcher=ann,watcher_password=abc,start=live,reply=1"),
  ).toStartWith("ok,");
  expect([await metrics(right), await metrics("b".repeat(40))]).toEqual([200, 401]);
  const missing = await reload(server, { server: 'admin_token_file = "none"' });
  expect(missing).toMatch(/error: .*: not changed: admin_token_file\n/);
  expect(await metrics(right)).toBe(200);
  broadcaster.send("media").finish();
  expect(await watcher.ended()).toBe("fin");
  expect(behindOk(watcher.text)).toBe("media");
  expect(await server.stop()).toBe(0);
});

test("proxies are trusted, and pages shown and named, as the file says by now", async () => {
  const server = await TestServer.start();
  const site = `https://127.0.0.1:${server.port("https")}`;
  const wrong = () =>
    fetch(`${site}/token`, {
      method: "POST",
      headers: {
        Authorization: `Basic ${btoa("fier:a wrong one")}`,
        "X-Forwarded-For": "198.51.100.9",
        "X-Forwarded-Proto": "https",
      },
      tls: { rejectUnauthorized: false },
    });
  const framed = async () => {
    const page = await fetch(site, { tls: { rejectUnauthorized: false } });
    return page.headers.get("content-security-policy") ?? "";
  };
  await wrong();
  await server.says(/token of fier from 127\.0\.0\.1 refused/);
  expect(await framed()).toContain("frame-ancestors 'self'");
  await reload(server, {
    server:
      'trusted_proxies = ["127.0.0.1"]\nframe_ancestors = "https://example.org"\npublic_url = "https://relay.example"',
  });
  await wrong();
  await server.says(/token of fier from 198\.51\.100\.9 refused/);
  expect(await framed()).toContain("frame-ancestors https://example.org");
  expect(await answer(server, login)).toBe("ok,url=https://relay.example/play/fier/default");
  expect(await server.stop()).toBe(0);
});

test("a flag goes on beating the file", async () => {
  const first = await TestServer.start();
  const server = await first.restart();
  const file = join(server.folder, "fstream.toml");
  const text = await Bun.file(file).text();
  await Bun.write(file, text.replace(/^listen = .*$/m, 'listen = ":1"'));
  expect(await signal(server)).toContain("fstream: no settings have changed\n");
  expect((await server.watch().outcome()).status).toBe(4);
  expect(await server.stop()).toBe(0);
});
