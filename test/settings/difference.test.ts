// What a restart would change, as a running server says it on a reload.

import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settingsDifference } from "../../src/settings/difference.ts";
import { loadSettings } from "../../src/settings/load.ts";

const folder = await mkdtemp(join(tmpdir(), "fstream-difference-"));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, "fstream.toml");
const sources = { cwd: folder, environment: {}, overrides: {} };

test("nothing is different as long as the file means the same", async () => {
  await Bun.write(file, '[fstream]\nhold = "60s"\n');
  const before = await loadSettings(sources);
  await Bun.write(file, '# another text\n[server]\ntrusted_proxies = []\n[fstream]\nhold = "1m"\n');
  expect(await settingsDifference(before, sources)).toEqual({ changed: [], problems: [] });
});

test("keys are named whose values are others, but for those that a flag decides", async () => {
  const flags = { ...sources, overrides: { "max-lag": "7s" } };
  await Bun.write(file, '[server]\nlisten = ":1"\n[fstream]\nhold = "60s"\n');
  const before = await loadSettings(flags);
  await Bun.write(file, '[server]\nlisten = ":2"\ntrusted_proxies = ["::1"]\n[fstream]\nmax_lag = "9s"\n');
  const { changed } = await settingsDifference(before, flags);
  expect(changed).toEqual(["listen", "trusted_proxies", "hold"]);
});

test("what is wrong with it by now is reported, and that it is gone where it was named", async () => {
  await Bun.write(file, "");
  const named = { ...sources, file };
  const before = await loadSettings(named);
  await Bun.write(file, '[fstream]\nholt = "60s"\n');
  const { changed, problems } = await settingsDifference(before, named);
  expect([changed, problems]).toEqual([[], [expect.stringContaining("unknown key holt")]]);
  await rm(file);
  expect((await settingsDifference(before, named)).problems).toEqual([
    expect.stringContaining("can't be read: there is no such file"),
  ]);
});

test("a pipe is not read again", async () => {
  const before = await loadSettings(sources);
  const piped = { ...sources, file: "/dev/fd/0" };
  const pipe = join(folder, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  for (const source of [
    { ...piped, file: pipe },
    { ...piped, file: "/dev/null" },
  ])
    expect(await settingsDifference(before, source)).toEqual({ changed: [], problems: [] });
});
