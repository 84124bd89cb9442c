// What a running server takes up of its settings on a reload, and what only a restart would change.

import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeChange, settingsDifference } from "../../src/settings/difference.ts";
import { loadSettings, type Settings, type Sources } from "../../src/settings/load.ts";
import { optionsOf, takeUp } from "../../src/settings/options.ts";
import { rows } from "../../src/settings/rows.ts";

const folder = await mkdtemp(join(tmpdir(), "fstream-difference-"));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, "fstream.toml");
const sources = { cwd: folder, environment: {}, overrides: {} };

/** What is different, in words. */
async function differences(before: Settings, from: Sources) {
  const { settings, live, restart, problems } = await settingsDifference(before, from);
  return {
    settings,
    live: live.map(describeChange),
    restart: restart.map(({ row }) => row.setting.name),
    problems,
  };
}

test("nothing is different as long as the file means the same", async () => {
  await Bun.write(file, '[fstream]\nhold = "60s"\n');
  const before = await loadSettings(sources);
  await Bun.write(file, '# another text\n[server]\ntrusted_proxies = []\n[fstream]\nhold = "1m"\n');
  expect(await differences(before, sources)).toEqual({
    settings: before,
    live: [],
    restart: [],
    problems: [],
  });
});

test("keys are named whose values are others, but for those that a flag decides", async () => {
  const flags = { ...sources, overrides: { "max-lag": "7s" } };
  await Bun.write(file, '[server]\nlisten = ":1"\n[fstream]\nhold = "60s"\n');
  const before = await loadSettings(flags);
  await Bun.write(file, '[server]\nlisten = ":2"\ntrusted_proxies = ["::1"]\n[fstream]\nmax_lag = "9s"\n');
  const { settings, live, restart } = await differences(before, flags);
  expect(live).toEqual(['trusted_proxies [] -> ["::1"]', "hold 1m -> 10s"]);
  expect(restart).toEqual(["listen"]);
  expect(settings.server).toEqual({ ...before.server, trustedProxies: ["::1"] });
  expect(settings.fstream).toEqual({ ...before.fstream, holdMs: 10_000 });
});

test("values are shown as they are written, and what may have a secret in it is not", async () => {
  await Bun.write(file, "");
  const before = await loadSettings(sources);
  const server = '[server]\nlog_level = "warn"\npublic_url = "https://relay.example"\nmax_request = 8192\n';
  const auth =
    '[auth]\nauthenticator = "http"\nurl = "http://127.0.0.1/?key=secret"\ncommand = ["a", "secret"]\n';
  await Bun.write(file, server + auth);
  expect((await differences(before, sources)).live).toEqual([
    'public_url "" -> "https://relay.example"',
    "max_request 4KiB -> 8KiB",
    'log_level "info" -> "warn"',
    'authenticator "users" -> "http"',
    "command",
    "url",
  ]);
});

test("a file with anything wrong in it changes nothing, also what is right in it", async () => {
  await Bun.write(file, "");
  const named = { ...sources, file };
  const before = await loadSettings(named);
  await Bun.write(file, '[fstream]\nmax_lag = "1s"\nholt = "60s"\n');
  expect(await differences(before, named)).toEqual({
    settings: before,
    live: [],
    restart: [],
    problems: [`${file}:3: unknown key holt in [fstream]: did you mean hold?`],
  });
  await rm(file);
  const { settings, problems } = await differences(before, named);
  expect(settings).toBe(before);
  expect(problems).toEqual([expect.stringContaining("can't be read: no such file")]);
});

test("what would be right only after a restart changes nothing", async () => {
  await Bun.write(file, '[server]\nhttps_listen = ""\n');
  const before = await loadSettings(sources);
  await Bun.write(file, "[fstream]\nplain_passwords = false\n");
  const { settings, problems } = await differences(before, sources);
  expect(settings).toBe(before);
  expect(problems).toEqual([
    "until the restart: plain_passwords is false, but there is no other way to log in: " +
      "set tls_listen or https_listen",
  ]);
});

test("a pipe is not read again", async () => {
  const before = await loadSettings(sources);
  const piped = { ...sources, file: "/dev/fd/0" };
  const pipe = join(folder, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  const nothing = { settings: before, live: [], restart: [], problems: [] };
  for (const source of [
    { ...piped, file: pipe },
    { ...piped, file: "/dev/null" },
  ])
    expect(await differences(before, source)).toEqual(nothing);
});

test("each live setting is in what the server runs with once it is taken up, and no other is", async () => {
  await Bun.write(file, "");
  const before = await loadSettings(sources);
  for (const { section, property, setting } of rows) {
    const value = another(setting.kind.placeholder, setting.default);
    await Bun.write(
      file,
      `[${section}]\n${setting.name} = ${JSON.stringify(value)}\n${needed(setting.name)}`,
    );
    const { settings, restart, problems } = await differences(before, sources);
    expect(problems).toEqual([]);
    expect(restart.includes(setting.name)).toBe(!setting.live);
    const options = optionsOf(before);
    takeUp(options, settings);
    const right: unknown = Reflect.get((await loadSettings(sources))[section], property);
    expect(right).not.toEqual(Reflect.get(before[section], property));
    const is: unknown = Reflect.get(options, property);
    expect(is).toEqual(setting.live ? right : Reflect.get(before[section], property));
  }
});

/** A value other than the default, of a kind that is known by how it stands in help texts. */
function another(placeholder: string, value: unknown): unknown {
  switch (placeholder) {
    case "true|false":
      return value !== true;
    case "N":
      return Number(value) + 8;
    case "SIZE":
      return value === "1GiB" ? "512MiB" : "128KiB";
    case "BITRATE":
      return "5M";
    case "DURATION":
      return "700ms";
    case "ADDRESS":
      return ":1234";
    case "ADDRESSES":
      return ["192.0.2.1"];
    case "SOURCES":
      return "*";
    case "URL":
      return "https://relay.example";
    case "PATH":
      return "elsewhere";
    case "COMMAND":
      return ["program"];
    default:
      return placeholder.split("|").findLast((each) => each !== value);
  }
}

/** What a setting can't be without. */
function needed(name: string): string {
  if (name === "tls_cert") return 'tls_key = "key"\n';
  if (name === "tls_key") return 'tls_cert = "cert"\n';
  return name === "authenticator" ? 'url = "https://auth.example"\n' : "";
}
