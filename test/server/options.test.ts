// A server reads its settings where it needs them: what a reload puts into its options holds.

import { expect, test } from "bun:test";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { createLog } from "../../src/log.ts";
import { startServer } from "../../src/server/server.ts";
import { loadSettings } from "../../src/settings/load.ts";
import { optionsOf } from "../../src/settings/options.ts";
import { rows } from "../../src/settings/rows.ts";

test("no live setting is read, let alone kept, when the server starts, but for those that are tried then", async () => {
  const listen = { listen: "127.0.0.1:0", "https-listen": "", "http-listen": "127.0.0.1:0" };
  const settings = await loadSettings({ cwd: "/nowhere", environment: {}, overrides: listen });
  const read = new Set<unknown>();
  let starting = true;
  const options = new Proxy(optionsOf(settings), {
    get: (target, key) => {
      if (starting) read.add(key);
      return Reflect.get(target, key) as unknown;
    },
    ownKeys: () => {
      throw new Error("they are copied");
    },
  });
  const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
  const nobody: Authenticator = {
    needsPassword: true,
    authenticate: () => Promise.reject(new Error("nobody")),
  };
  const server = await startServer(options, nobody, log);
  starting = false;
  const kept = rows.filter(({ property, setting }) => setting.live && read.has(property));
  expect(kept.map(({ setting }) => setting.name)).toEqual(["max_connections", "admin_token_file"]);
  expect(read).toContain("listen");
  await server.stop();
});
