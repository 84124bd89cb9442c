// Floods of wrong logins from many networks, as a trusted proxy reports them.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deadlineMs, freePort, Peer, Run, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const listeners = { listen: "127.0.0.1:0", http_listen: "127.0.0.1:0", https_listen: "" };
const trusting = 'trusted_proxies = ["127.0.0.1"]';

/** Asks for a token behind a proxy; gives the answer's code. */
async function login(port: number, address: string, user: string, password: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/token`, {
    method: "POST",
    headers: {
      Authorization: `Basic ${btoa(`${user}:${password}`)}`,
      "X-Forwarded-For": address,
      "X-Forwarded-Proto": "https",
    },
  });
  await response.text();
  return response.ok ? "ok" : (response.headers.get("x-fstream-code") ?? String(response.status));
}

let server: TestServer;
beforeAll(async () => {
  // A quarter of the usual work.
  const hash = await Bun.password.hash("123", { algorithm: "argon2id", memoryCost: 16_384 });
  const users = { "fier.toml": `password_hash = "${hash}"\n` };
  server = await TestServer.start({ users, listeners, server: trusting });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

test("first logins from 100 networks of one IPv6 /56 at once keep no other network's right one out", async () => {
  const port = server.port("http");
  const flood = Array.from({ length: 100 }, (_, i) =>
    login(port, `2001:db8:0:${i.toString(16)}::1`, `guess ${i}`, "wrong"),
  );
  const right = [login(port, "192.0.2.1", "fier", "123"), login(port, "2001:db8:1::1", "fier", "123")];
  expect(await Promise.all(right)).toEqual(["ok", "ok"]);
  expect((await Promise.all(flood)).filter((code) => code === "ok")).toEqual([]);
});

test("a log at error says nothing of refusals, and keeps nothing of them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-logins-"));
  mkdirSync(join(folder, "users"));
  const [free, http] = [freePort(), freePort()];
  const flags = ["--log-level", "error", "--listen", `127.0.0.1:${free}`, "--https-listen", ""];
  const proxy = ["--http-listen", `127.0.0.1:${http}`, "--trusted-proxies", "127.0.0.1"];
  const quiet = new Run(["serve", "--users-dir", join(folder, "users"), ...flags, ...proxy]);
  await until("it listens", () =>
    Peer.dial(http).then(
      (peer) => {
        peer.reset();
        return true;
      },
      () => false,
    ),
  );
  const memory = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await Bun.file(`/proc/${quiet.process.pid}/status`).text())?.[1]) * 1024;
  const refuse = async (from: number) => {
    for (let i = from; i < from + 1000; i += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, j) => login(http, addressOf(i + j), `u${i + j}`, "x")),
      );
  };
  await refuse(0);
  const before = await memory();
  for (let round = 1; round <= 3; round++) await refuse(round * 1000);
  expect((await memory()) - before).toBeLessThan(40 * 2 ** 20);
  quiet.process.kill("SIGTERM");
  expect(await quiet.exit()).toBe(0);
  expect(quiet.stderr).toBe("");
  rmSync(folder, { recursive: true });
});

function addressOf(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
