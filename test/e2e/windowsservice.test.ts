// The program as a service of Windows, by `sc`: FSTREAM_SC names a program that is that (Wine's, in `packaging/try.ts`), and FSTREAM_EXE the
// executable as Windows calls it. It makes a service and removes it, so it is not run where nobody asks for it.

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deadlineMs, freePort, noise, Run, sha256, until } from "./program.ts";

setDefaultTimeout(5 * deadlineMs);

const { FSTREAM_SC, FSTREAM_EXE } = process.env;
const name = `fstream-test-${process.pid}`;

async function sc(...args: string[]): Promise<string> {
  const run = Bun.spawn([FSTREAM_SC ?? "sc.exe", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const text = await run.stdout.text();
  expect([args[0], await run.exited]).toEqual([args[0], 0]);
  return text;
}

async function reaches(state: string): Promise<void> {
  await until(`the service is ${state}`, async () => (await sc("query", name)).includes(state));
}

test.skipIf(FSTREAM_SC === undefined)("a service starts, relays a stream and stops in order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-service-"));
  mkdirSync(join(folder, "users"));
  writeFileSync(join(folder, "users", "fier.toml"), 'password = "123"\n');
  const address = `127.0.0.1:${freePort()}`;
  const config = join(folder, "fstream.toml");
  writeFileSync(config, `[server]\nlisten = "${address}"\nhttps_listen = ""\n`);
  const path = process.platform === "win32" ? config : `Z:${config.replaceAll("/", "\\")}`;
  await sc(
    "create",
    name,
    "binPath=",
    `"${FSTREAM_EXE}" serve --service --config "${path}"`,
    "start=",
    "demand",
  );
  try {
    await sc("start", name);
    await reaches("RUNNING");
    const login = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };
    const watcher = new Run([address, "watch", "--wait"], login);
    const broadcast = new Run([address, "broadcast"], login);
    await broadcast.send(noise(1000));
    await until("it is watched", () => watcher.length === 1000);
    await broadcast.finish();
    expect([await broadcast.exit(), await watcher.exit()]).toEqual([0, 0]);
    expect(sha256(watcher.bytes)).toBe(sha256(noise(1000)));
    await sc("stop", name);
    await reaches("STOPPED");
    expect(await new Run([address, "watch"], login).exit()).toBe(5);
  } finally {
    await sc("delete", name);
    rmSync(folder, { recursive: true });
  }
});
