// What the program says while it is given passwords and tokens in every way, rightly and wrongly: none of them. The server logs
// all that it can (debug); `Run.exit` looks for the secrets in what was said, here as in all other tests.

import { expect, setDefaultTimeout, test } from "bun:test";
import { isSecret, lineWithSecret } from "../secrets.ts";
import { deadlineMs, Run, TestServer } from "./program.ts";
import { SocketClient } from "./socketclient.ts";

setDefaultTimeout(2 * deadlineMs);

const right = "right-Tr0ub4dor&3";
const wrong = "wrong-Tr0ub4dor&4";
const channelPassword = "channel-sésame, ouvre";
const adminToken = "operators-own-0123456789";
const secrets = [right, wrong, channelPassword, adminToken];

const listeners = {
  listen: "127.0.0.1:0",
  tls_listen: "127.0.0.1:0",
  https_listen: "127.0.0.1:0",
  http_listen: "127.0.0.1:0",
};

test("no password and no token stands in a log or a message, however it was given", async () => {
  for (const secret of secrets) isSecret(secret);
  const server = await TestServer.start({
    listeners,
    server: 'admin_token_file = "admin"',
    users: {
      "fier.toml": `password = "${right}"\n`,
      "damaged.toml": `password = "${right}\n`,
      "twice.ini": `[DEFAULT]\npassword=${right}\npassword: ${wrong}\n`,
      "unknown.toml": `password = "${right}"\npasword = "${wrong}"\n`,
    },
    files: { admin: `${adminToken}\n` },
  });

  // By the protocol: right, wrong, and in requests that break a rule.
  for (const listener of ["tcp", "tls"] as const) {
    for (const request of [
      `broadcast,user=fier,user_password=${right},reply=1,channel=${listener}`,
      `broadcast,user=fier,user_password=${wrong},reply=1`,
      `broadcast,user=damaged,user_password=${wrong},reply=1`,
      `broadcast,user=twice,user_password=${wrong},reply=1`,
      `broadcast,user=fier,user_password=${right},bufsize=x`,
      `broadcast,user=fier,user_password=${right},user_password*=%zz`,
      `broadcast,user=fier,token=${wrong},bufsize=x`,
      `broadcast,user=fier,token=${wrong}`,
      `token,user=fier,user_password=${wrong}\0`,
      `tokens,user=fier,user_password=${wrong}`,
      `watch,user=fier,channel=none,channel_password=${wrong},reply=1`,
    ]) {
      const peer = await server.dial(listener);
      peer.request(request, "\n\n", "media").finish();
      await peer.ended();
    }
    // Within what is no request.
    const peer = await server.dial(listener);
    peer.send(`broadcast,user=fier,user_password=${right}\n\n\0\0\0\x01\x01`);
    await peer.ended();
  }

  // Over HTTP: in the Authorization, in the target, in forms, and in no request at all.
  const logins = [`Basic ${btoa(`fier:${right}`)}`, `Basic ${btoa(`fier:${wrong}`)}`, `Bearer ${wrong}`];
  for (const listener of ["http", "https"] as const) {
    const site = `${listener}://127.0.0.1:${server.port(listener)}`;
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(site + path, { tls: { rejectUnauthorized: false }, ...init } as RequestInit).then((answer) =>
        answer.text(),
      );
    for (const Authorization of [...logins, `Bearer ${adminToken}`, `Digest ${right}`]) {
      const headers = { Authorization };
      await ask("/token", { method: "POST", headers, body: "" });
      await ask("/broadcast/fier/http", { method: "PUT", headers, body: "media" });
      await ask("/watch/fier/none", { headers });
      await ask("/metrics", { headers: { ...headers, "X-Forwarded-For": "192.0.2.1" } });
    }
    await ask("/token", {
      method: "POST",
      body: new URLSearchParams({ user: "fier", user_password: wrong }),
    });
    await ask(`/watch/fier/none?channel_password=${encodeURIComponent(wrong)}`);
    await ask(`/watch/fier/none?channel_password=${encodeURIComponent(wrong)}&start=${wrong}`);
    await ask(`/nowhere/${right}?user_password=${right}`);
    const socket = await new SocketClient(`${site.replace("http", "ws")}/broadcast/fier/socket`).begin({
      user_password: wrong,
      token: wrong,
    });
    await socket.end();
    const peer = await server.dial(listener);
    peer.send(`GET / HTTP/1.1\r\nHost: x\r\nAuthorization Basic ${right}\r\n\r\n`).finish();
    await peer.ended();
  }

  // By the client.
  const fier = { fserv_arg_user: "fier" };
  const site = `https://127.0.0.1:${server.port("https")}`;
  for (const password of [right, wrong]) {
    const login = { ...fier, fserv_arg_user_password: password, fserv_arg_channel_password: channelPassword };
    const token = server.call("token", login);
    await token.exit();
    const broadcast = new Run([server.address, "broadcast"], login);
    await broadcast.finish("media");
    await broadcast.exit();
    const fetched = new Run([server.address, "broadcast", "--token-from", site, "--insecure"], login);
    await fetched.finish("media");
    await fetched.exit();
    await new Run([server.address, "watch", "--channel-password", password], login).exit();
    await new Run([server.address, "broadcast", "--user-pasword", password], login).exit();
    await new Run([`${password}@127.0.0.1:x`, "watch"], { ...fier, fserv_arg_pasword: password }).exit();
  }

  const check = new Run(["check", "--config", `${server.folder}/fstream.toml`]);
  expect(await check.exit()).toBe(1);
  expect(lineWithSecret(Buffer.from(check.bytes).toString())).toBeUndefined();

  expect(await server.stop()).toBe(0);
  // It has said much, and what it was given was looked at.
  expect(server.run.stderr).toContain("wrong user or password");
  expect(server.run.stderr.split("\n").length).toBeGreaterThan(20);
  expect(server.run.stderr).not.toContain("a bug in fstream");
});

test("nor does what a careless program of the operator's repeats of it, for watchers that log in too", async () => {
  for (const secret of secrets) isSecret(secret);
  const server = await TestServer.start({
    listeners: { listen: "127.0.0.1:0", http_listen: "127.0.0.1:0", https_listen: "" },
    auth: 'authenticator = "command"\nauthenticate_watchers = true\ncommand = ["sh", "-c", "cat >&2; exit 1"]',
  });
  for (const request of [
    `broadcast,user=fier,user_password=${wrong},reply=1,channel=${"x".repeat(50)}`,
    `watch,user=fier,watcher=ann,watcher_password=${right},reply=1`,
    `watch,user=fier,channel_password*=${encodeURIComponent(channelPassword)},secret=${wrong},reply=1`,
    `token,user=fier,user_password=${right},reply=1`,
  ]) {
    const peer = await server.dial();
    peer.request(request);
    await peer.ended();
    expect(peer.text).toContain("error,code=unauthorized");
  }
  const site = `http://127.0.0.1:${server.port("http")}`;
  const query = `watcher=ann&watcher_password=${encodeURIComponent(wrong)}`;
  expect((await fetch(`${site}/watch/fier/none?${query}`)).status).toBe(401);
  await server.says(/sh: \{"action":"watch"/);
  expect(await server.stop()).toBe(0);
});
