// What becomes of a broadcast whose user is removed, disabled, or given another password.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deadlineMs, Run, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

let server: TestServer;
const users = ["ann", "ben", "cyd", "dan"];
beforeAll(async () => {
  const file = 'password = "123"\n';
  server = await TestServer.start({
    users: Object.fromEntries(users.map((name) => [`${name}.toml`, file])),
    listeners: { listen: "127.0.0.1:0", http_listen: "127.0.0.1:0" },
  });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
  expect(server.run.stderr).not.toContain("fstream: error:");
});

function pathOf(name: string): string {
  return join(server.folder, "users", `${name}.toml`);
}

/** A broadcast of that user, with a watcher that has got its first bytes. */
async function live(user: string, ...flags: string[]) {
  const broadcaster = server.broadcast({ fserv_arg_user: user }, ...flags);
  await broadcaster.send("first");
  await server.says(new RegExp(`${user}/default: broadcast .* started`));
  const watcher = server.watch({ fserv_arg_user: user });
  await server.watched(`${user}/default`, 1);
  await broadcaster.send("second");
  await until("it is watched", () => Buffer.from(watcher.bytes).toString().endsWith("second"));
  return { broadcaster, watcher };
}

test("`user remove` ends the broadcast, which is not tried again, and its watchers in order", async () => {
  const { broadcaster, watcher } = await live("ann", "--retry");
  const removal = new Run(["user", "remove", "ann", "--config", join(server.folder, "fstream.toml")]);
  expect(await removal.exit()).toBe(0);
  expect(await broadcaster.outcome()).toEqual({
    status: 3,
    stdout: "",
    stderr: "fstream: error: the server's operator has ended the broadcast: user ann was removed\n",
  });
  expect(await watcher.exit()).toBe(0);
  expect(watcher.stderr).toBe("");
  await server.says(/ann\/default: broadcast from 127\.0\.0\.1 ended: .*user ann was removed\n/);
});

test("`enabled = false` does the same, for a broadcast over HTTP too", async () => {
  const { broadcaster } = await live("ben", "--retry");
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      controller.enqueue(new Uint8Array(100));
      await Bun.sleep(50);
    },
  });
  const put = fetch(`http://127.0.0.1:${server.port("http")}/broadcast/ben/web`, {
    method: "PUT",
    body,
    headers: { Authorization: `Basic ${btoa("ben:123")}` },
  });
  await server.says(/ben\/web: broadcast .* started/);
  writeFileSync(pathOf("ben"), 'password = "123"\nenabled = false\n');
  expect((await broadcaster.outcome()).stderr).toContain("user ben was disabled");
  expect(await broadcaster.exit()).toBe(3);
  await server.says(/ben\/web: broadcast from 127\.0\.0\.1 ended: .*user ben was disabled\n/);
  await put.then(
    (response) => expect(response.status).toBe(401),
    () => undefined, // its connection was closed while it still sent
  );
});

test("another password, or a file that can't be read, leaves the broadcast as it is", async () => {
  const { broadcaster, watcher } = await live("cyd");
  const { broadcaster: other } = await live("dan");
  writeFileSync(pathOf("cyd"), "password = ");
  writeFileSync(pathOf("cyd"), 'password = "another"\n');
  rmSync(pathOf("dan"));
  // By then each of the two was looked at twice.
  expect(await other.exit()).toBe(3);
  await broadcaster.finish("last");
  expect(await broadcaster.exit()).toBe(0);
  expect(await watcher.exit()).toBe(0);
  expect(Buffer.from(watcher.bytes).toString()).toEndWith("last");
});
