// One-time tokens: what they are good for, how they end, and that a password need not cross a plain connection.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deadlineMs, Run, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const users = {
  "fier.ini": "[DEFAULT]\npassword=123\n",
  "ann.toml": 'password = "abc"\n',
  "bob.toml": 'password = "b"\nchannels = ["one"]\n',
};
const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

/** A token of that server, as the command prints it. */
async function tokenOf(server: TestServer, login: Record<string, string> = fier): Promise<string> {
  const { status, stdout, stderr } = await server.call("token", login).outcome();
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^[A-Za-z0-9_-]{22,}\n$/);
  return stdout.trim();
}

/** A broadcast with a token, begun and ended. */
async function spend(server: TestServer, token: string, more: Record<string, string> = {}) {
  const run = server.call("broadcast", { fserv_arg_user: "fier", fserv_arg_token: token, ...more });
  await run.finish("media");
  return await run.outcome();
}

describe("a token", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ users });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("lets its user broadcast once, and no second time", async () => {
    const token = await tokenOf(server);
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 1);
    expect(await spend(server, token)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "media", stderr: "" });
    const again = await spend(server, token);
    expect([again.status, again.stdout]).toEqual([3, ""]);
    expect(again.stderr).toStartWith("fstream: error: token already used\nfstream: hint: ");
  });

  test("ends the one before it", async () => {
    const old = await tokenOf(server);
    const fresh = await tokenOf(server);
    expect(fresh).not.toBe(old);
    const refused = await spend(server, old);
    expect([refused.status, refused.stdout]).toEqual([3, ""]);
    expect(refused.stderr).toStartWith("fstream: error: token replaced by a newer one\n");
    expect((await spend(server, fresh)).status).toBe(0);
  });

  test("serves no other user, and is not lost by that", async () => {
    const token = await tokenOf(server);
    const refused = await spend(server, token, { fserv_arg_user: "ann" });
    expect([refused.status, refused.stdout]).toEqual([3, ""]);
    expect(refused.stderr).toStartWith("fstream: error: wrong user or token\n");
    expect((await spend(server, token)).status).toBe(0);
  });

  test("is used up by a request that is refused", async () => {
    const bob = { fserv_arg_user: "bob", fserv_arg_user_password: "b" };
    const token = await tokenOf(server, bob);
    const elsewhere = await spend(server, token, { fserv_arg_user: "bob", fserv_arg_channel: "two" });
    expect(elsewhere.status).toBe(3);
    expect(elsewhere.stderr).toContain("bob may not broadcast on channel two");
    const again = await spend(server, token, { fserv_arg_user: "bob", fserv_arg_channel: "one" });
    expect(again.status).toBe(3);
    expect(again.stderr).toContain("token already used");

    const large = await tokenOf(server);
    expect((await spend(server, large, { fserv_arg_bufsize: "999999999" })).status).toBe(1);
    expect((await spend(server, large)).stderr).toContain("token already used");
  });

  test("counts alone where a password is given too", async () => {
    const peer = await server.dial();
    peer.request("broadcast,user=fier,user_password=123,token=wrong,reply=1");
    expect(await peer.ended()).toBe("fin");
    expect(peer.text).toContain("error,code=unauthorized,");
  });

  test("comes with its lifetime where replies are asked for", async () => {
    const peer = await server.dial();
    peer.request("token,user=fier,user_password=123,reply=1");
    expect(await peer.ended()).toBe("fin");
    expect(peer.text.slice(5)).toMatch(/^ok,token=[A-Za-z0-9_-]{22,},expires=120$/);
  });

  test("can be had over TLS and HTTPS, and of none whose certificate is another", async () => {
    const places = [
      `fstreams://127.0.0.1:${server.port("tls")}`,
      `https://127.0.0.1:${server.port("https")}`,
    ];
    for (const place of places) {
      const run = new Run([place, "token", "--fingerprint", server.fingerprint], fier);
      const { status, stdout, stderr } = await run.outcome();
      expect([status, stderr]).toEqual([0, ""]);
      expect((await spend(server, stdout.trim())).status).toBe(0);

      const wrong = new Run([place, "token", "--fingerprint", server.fingerprint], {
        ...fier,
        fserv_arg_user_password: "1234",
      });
      const refused = await wrong.outcome();
      expect([refused.status, refused.stdout]).toEqual([3, ""]);
      expect(refused.stderr).toStartWith("fstream: error: wrong user or password\nfstream: hint: ");

      const other = new Run([place, "token", "--fingerprint", "ab".repeat(32)], fier);
      const untrusted = await other.outcome();
      expect([untrusted.status, untrusted.stdout]).toEqual([1, ""]);
      expect(untrusted.stderr).toContain(server.fingerprint);
    }
  });

  test("is fetched by broadcast --token-from, again for each connection", async () => {
    const watcher = server.watch({ fserv_arg_channel: "fetched" }, "--wait");
    await server.watched("fier/fetched", 1);
    const place = `https://127.0.0.1:${server.port("https")}`;
    const flags = ["--token-from", place, "--fingerprint", server.fingerprint];
    const one = server.broadcast({ fserv_arg_channel: "fetched" }, ...flags);
    await one.send("one ");
    await until("the watcher has it", () => watcher.length === 4);
    const two = server.broadcast({ fserv_arg_channel: "fetched" }, ...flags);
    await two.finish("two");
    expect(await two.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect((await one.outcome()).status).toBe(3);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stdout: "one two" });
  });
});

describe("a wrong login", () => {
  test("is logged in the same words however it came", async () => {
    const server = await TestServer.start({ users });
    const wrong = { ...fier, fserv_arg_user_password: "1234" };
    expect((await server.call("token", wrong).outcome()).status).toBe(3);
    const place = `https://127.0.0.1:${server.port("https")}`;
    const secure = new Run([place, "token", "--fingerprint", server.fingerprint], wrong);
    expect((await secure.outcome()).status).toBe(3);
    const said = "token of fier from 127.0.0.1 refused: wrong user or password (unauthorized)\n";
    expect(server.run.stderr).toContain(`fstream: warning: ${said}`);
    expect(server.run.stderr).toContain(`fstream: warning: http: ${said}`);
    expect(await server.stop()).toBe(0);
  });

  test("of a very long name is a short line", async () => {
    const server = await TestServer.start({ users });
    const peer = await server.dial();
    peer.request(`token,user=${"\u200f".repeat(60)},user_password=1`);
    await peer.ended();
    const url = `https://127.0.0.1:${server.port("https")}/token`;
    const body = new URLSearchParams({ user: "x".repeat(7000), user_password: "1" });
    const answer = await fetch(url, { method: "POST", body, tls: { rejectUnauthorized: false } });
    expect(answer.status).toBe(401);
    await server.says(/token of x{63}… from/);
    for (const line of server.run.stderr.split("\n")) expect(Buffer.byteLength(line)).toBeLessThan(1024);
    expect(await server.stop()).toBe(0);
  });
});

describe("a token of a short life", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ users, fstream: 'token_lifetime = "200ms"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("is worth nothing after it", async () => {
    const token = await tokenOf(server);
    await Bun.sleep(250);
    const refused = await spend(server, token);
    expect([refused.status, refused.stdout]).toEqual([3, ""]);
    expect(refused.stderr).toStartWith("fstream: error: token expired\nfstream: hint: ");
  });
});

describe("where no passwords may travel in the clear", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ users, fstream: "plain_passwords = false" });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("neither a broadcast nor a token is had for one", async () => {
    for (const verb of ["broadcast", "token"]) {
      const { status, stdout, stderr } = await server.call(verb, fier).outcome();
      expect([status, stdout]).toEqual([3, ""]);
      expect(stderr).toStartWith("fstream: error: this server accepts no passwords on a plain connection\n");
    }
  });

  test("both are had over TLS, and a token serves on the plain connection", async () => {
    const tls = `fstreams://127.0.0.1:${server.port("tls")}`;
    const pinned = ["--fingerprint", server.fingerprint];
    const secure = new Run([tls, "broadcast", ...pinned], fier);
    await secure.finish("media");
    expect(await secure.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    const token = (await new Run([tls, "token", ...pinned], fier).outcome()).stdout.trim();
    expect(await spend(server, token)).toEqual({ status: 0, stdout: "", stderr: "" });
    const from = server.broadcast({}, "--token-from", `https://127.0.0.1:${server.port("https")}`, ...pinned);
    await from.finish("media");
    expect(await from.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
