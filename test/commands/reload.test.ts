// Reloads come one after the other, however often they are asked for.

import { expect, test } from "bun:test";
import { CurrentAuthenticator } from "../../src/auth/currentauthenticator.ts";
import { Reload } from "../../src/commands/reload.ts";
import { createLog } from "../../src/log.ts";
import { loadSettings } from "../../src/settings/load.ts";
import { optionsOf } from "../../src/settings/options.ts";

test("what asks while one is under way is answered by one more", async () => {
  const sources = { cwd: "/nowhere", environment: {}, overrides: {} };
  const settings = await loadSettings(sources);
  const nobody = { needsPassword: true, authenticate: () => Promise.reject(new Error("nobody")) };
  const begun: (() => void)[] = [];
  const lines: string[] = [];
  const reload = new Reload({
    settings,
    sources,
    options: optionsOf(settings),
    authenticator: new CurrentAuthenticator(nobody),
    open: () => Promise.resolve(nobody),
    server: { reload: () => new Promise((resolve) => begun.push(resolve)) },
    log: createLog({ level: "info", journal: false, write: (line) => lines.push(line), nowMs: () => 0 }),
  });
  const first = reload.run();
  while (begun.length < 1) await Bun.sleep(1);
  const others = [reload.run(), reload.run(), reload.run()];
  begun[0]();
  await first;
  while (begun.length < 2) await Bun.sleep(1);
  begun[1]();
  await Promise.all(others);
  expect(begun).toHaveLength(2);
  const each = ["fstream: SIGHUP: reloading\n", "fstream: no settings have changed\n"];
  expect(lines).toEqual([...each, ...each]);
});
