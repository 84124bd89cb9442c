// Settings from a file, flags and defaults, and the errors where something is wrong with them.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FstreamError } from "../../src/errors.ts";
import { examineSettings, loadSettings, type Sources } from "../../src/settings/load.ts";
import { rows } from "../../src/settings/rows.ts";
import { sections } from "../../src/settings/table.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "fstream-settings-"));
});
afterAll(() => rm(root, { recursive: true }));

let count = 0;
/** A working folder with `text` as its fstream.toml. */
async function folderWith(text: string | Uint8Array): Promise<string> {
  const folder = join(root, String(count++));
  await Bun.write(join(folder, "fstream.toml"), text);
  return folder;
}

function sources(cwd: string, more: Partial<Sources> = {}): Sources {
  return { cwd, environment: {}, overrides: {}, ...more };
}

function failure(sources: Sources): Promise<unknown> {
  return loadSettings(sources).catch((error: unknown) => error);
}

async function problemsOf(text: string, overrides = {}): Promise<readonly string[]> {
  return (await examineSettings(sources(await folderWith(text), { overrides }))).problems;
}

test("without a file everything is at its default, and paths count from the working folder", async () => {
  const { settings, problems, file } = await examineSettings(sources("/nowhere"));
  expect([problems, file]).toEqual([[], undefined]);
  for (const { section, property, setting } of rows) {
    const context = { folder: "/nowhere", environment: {} };
    const value = (settings[section] as Record<string, unknown>)[property];
    expect(setting.kind.read(setting.default, context)).toEqual({ value });
  }
  expect(settings.fstream.usersDir).toBe("/nowhere/users");
  expect(settings.server.stateDir).toBe("/nowhere/state");
});

test("the working folder's file is read, else an installed server's, else none", async () => {
  const [cwd, etc] = [
    await folderWith("[server]\nmax_waiting = 1"),
    await folderWith("[server]\nmax_waiting = 2"),
  ];
  const system = join(etc, "fstream.toml");
  const read = async (more: Partial<Sources>) => {
    const { file, settings } = await examineSettings(sources("/nowhere", more));
    return [file, settings.server.maxWaiting, settings.fstream.usersDir];
  };
  expect(await read({ cwd, system })).toEqual(["fstream.toml", 1, join(cwd, "users")]);
  expect(await read({ system })).toEqual([system, 2, join(etc, "users")]);
  expect(await read({ system: "/nowhere/else" })).toEqual([undefined, 1000, "/nowhere/users"]);
  // One that was named is the only one.
  const named = await examineSettings(sources(cwd, { file: "other.toml", system }));
  expect(named.problems).toEqual(["other.toml: can't be read: no such file or directory"]);
  await Bun.write(system, "[server]\nmax_waiting = -1");
  expect((await examineSettings(sources("/nowhere", { system }))).problems[0]).toStartWith(`${system}:2: `);
});

test("credentials of systemd stand in for files that are not set, where they are passed", async () => {
  const folder = join(root, "credentials");
  for (const name of ["tls_cert", "tls_key"]) await Bun.write(join(folder, name), "");
  const environment = { CREDENTIALS_DIRECTORY: folder };
  const passed = await loadSettings(sources("/nowhere", { environment }));
  expect(passed.server).toMatchObject({
    tlsCert: join(folder, "tls_cert"),
    tlsKey: join(folder, "tls_key"),
    adminTokenFile: undefined,
  });
  const overrides = { "tls-cert": "a.pem", "tls-key": "b.pem", "admin-token-file": "c" };
  const { server } = await loadSettings(sources("/etc", { environment, overrides }));
  expect([server.tlsCert, server.tlsKey, server.adminTokenFile]).toEqual([
    "/etc/a.pem",
    "/etc/b.pem",
    "/etc/c",
  ]);
});

test("durations are read as milliseconds, sizes as bytes, and addresses as host and port", async () => {
  const cwd = await folderWith(
    '[server]\nlisten = ":7000"\ntls_listen = ""\n[fstream]\nhold = "2s"\nbacklog = "1MiB"\n',
  );
  const { server, fstream } = await loadSettings(sources(cwd));
  expect(server).toMatchObject({ listen: { host: "", port: 7000 }, tlsListen: undefined });
  expect(fstream).toMatchObject({ holdMs: 2000, backlogBytes: 2 ** 20 });
});

test("a value in the file beats the default, and a flag beats the file", async () => {
  const cwd = await folderWith(
    '[server]\nlisten = "[::1]:7000"\n[fstream]\nmax_lag = "5s"\nbacklog = 1048576\ntakeover = false\n',
  );
  const settings = await loadSettings(
    sources(cwd, {
      overrides: { "max-lag": "7s", "trusted-proxies": "::1, 10.0.0.0/8", takeover: true, quiet: true },
    }),
  );
  expect(settings.server.listen).toEqual({ host: "::1", port: 7000 });
  expect(settings.server.trustedProxies).toEqual(["::1", "10.0.0.0/8"]);
  expect(settings.fstream).toMatchObject({
    maxLagMs: 7000,
    backlogBytes: 1_048_576,
    takeover: true,
  });
});

test("a named file is read from where it is, and its relative paths count from its folder", async () => {
  const folder = await folderWith('[fstream]\nusers_dir = "/srv/people"\n[server]\nstate_dir = "mine"\n');
  const settings = await loadSettings(
    sources(root, {
      file: join(folder, "fstream.toml"),
      overrides: { "tls-cert": "c.pem", "tls-key": "k.pem" },
    }),
  );
  expect(settings.fstream.usersDir).toBe("/srv/people");
  expect(settings.server.stateDir).toBe(join(folder, "mine"));
  expect(settings.server.tlsCert).toBe(join(root, "c.pem"));
});

test("the state folder is the system's where it gives one, unless the settings name another", async () => {
  const environment = { STATE_DIRECTORY: "/var/lib/fstream:/var/lib/other" };
  expect((await loadSettings(sources("/nowhere", { environment }))).server.stateDir).toBe("/var/lib/fstream");
  const overrides = { "state-dir": "mine" };
  expect((await loadSettings(sources("/nowhere", { environment, overrides }))).server.stateDir).toBe(
    "/nowhere/mine",
  );
});

test("a byte order mark and Windows line ends are accepted", async () => {
  const cwd = await folderWith(
    '\ufeff# mine\r\n[fstream]\r\nhold = "3s" # short\r\n\r\n[server]\r\nmax_waiting = 5\r\n',
  );
  const settings = await loadSettings(sources(cwd));
  expect(settings.fstream.holdMs).toBe(3000);
  expect(settings.server.maxWaiting).toBe(5);
});

test("a file that was named but is not there, is a folder or is not UTF-8 is refused", async () => {
  expect(await failure(sources(root, { file: "none.toml" }))).toMatchObject({
    code: "failed",
    message: "none.toml: can't be read: no such file or directory",
  });
  expect(await failure(sources(root, { file: "." }))).toMatchObject({
    message: expect.stringMatching(/^\.: can't be read: /),
  });
  const cwd = await folderWith(new Uint8Array([0x61, 0x3d, 0xff]));
  expect(await failure(sources(cwd))).toMatchObject({
    message: "fstream.toml: not UTF-8 text",
  });
});

test("what is not TOML is reported with its line", async () => {
  expect(await problemsOf("[server]\nlisten = :61920\n")).toEqual([
    'fstream.toml:2: not valid TOML: strings need quotes: listen = "..."',
  ]);
  expect(await problemsOf("[fstream]\nhold = 1\n\nhold = 2\n")).toEqual([
    "fstream.toml:4: not valid TOML: Can't redefine existing key",
  ]);
});

test("an unknown key or section is reported with its line and the name that was meant", async () => {
  const text = [
    "max_lag = 3",
    "[server]",
    '"max_wating" = 3',
    "max_lag = 3",
    "listne = ':1'",
    "zzz = 1",
    "[fstrem]",
    "[fstream]",
    "log_levle = 'info'",
    "",
  ];
  expect(await problemsOf(text.join("\n"))).toEqual([
    "fstream.toml:1: unknown key max_lag outside any section: it belongs in [fstream]",
    "fstream.toml:3: unknown key max_wating in [server]: did you mean max_waiting?",
    "fstream.toml:4: unknown key max_lag in [server]: it belongs in [fstream]",
    "fstream.toml:5: unknown key listne in [server]: did you mean listen?",
    "fstream.toml:6: unknown key zzz in [server]",
    "fstream.toml:7: unknown section [fstrem]: did you mean [fstream]?",
    "fstream.toml:9: unknown key log_levle in [fstream]: did you mean log_level in [server]?",
  ]);
  expect(await problemsOf("[zzz]\n")).toEqual([
    `fstream.toml:1: unknown section [zzz]: the sections are ${Object.keys(sections)
      .map((name) => `[${name}]`)
      .join(", ")}`,
  ]);
  expect(await problemsOf("server = 1\n")).toEqual([
    "fstream.toml:1: server is 1: it must be a table, [server]",
  ]);
});

test("a bad value is reported with its line, itself, and what would be right", async () => {
  const bad: Record<string, string> = {
    'hold = "soon"': 'hold in [fstream] is "soon": it must be a duration from 0s to 1d, for example "10s"',
    "hold = true": "hold in [fstream] is true: it must be a duration",
    'hold = "-1s"': 'hold in [fstream] is "-1s": it must be',
    'max_delay = "2s"': 'max_delay in [fstream] is "2s": it must be a duration from 0s to 1s',
    'max_lag = "1ms"': 'max_lag in [fstream] is "1ms": it must be a duration from 100ms to 1d, or 0',
    'backlog = "1KiB"': 'backlog in [fstream] is "1KiB": it must be a size from 64KiB to 2GiB',
    "max_bitrate = 9223372036854775807":
      "max_bitrate in [fstream] is 9223372036854775807: it must be a bit rate",
    "max_bitrate = -1": "max_bitrate in [fstream] is -1: it must be a bit rate of at least 8, or 0",
    "max_bitrate = 1.5": "max_bitrate in [fstream] is 1.5: it must be a bit rate",
    "max_bitrate = nan": "max_bitrate in [fstream] is NaN: it must be a bit rate",
    'max_bitrate = "5MB"': 'max_bitrate in [fstream] is "5MB": it must be a bit rate',
    "max_watchers_per_channel = 1.5":
      "max_watchers_per_channel in [fstream] is 1.5: it must be a whole number",
    'takeover = "false"': 'takeover in [fstream] is "false": it must be true or false, without quotes',
    'slow_watcher = "drop"': 'slow_watcher in [fstream] is "drop": it must be one of "skip", "close"',
    'users_dir = ""': 'users_dir in [fstream] is "": it must be a path',
    "users_dir = 2020-02-02": "users_dir in [fstream] is a date: it must be a path",
    "users_dir = { a = 1 }": "users_dir in [fstream] is a table: it must be a path",
    "users_dir = [1, 9223372036854775807]":
      'users_dir in [fstream] is [1,"9223372036854775807"]: it must be a path',
  };
  for (const [line, message] of Object.entries(bad)) {
    const problems = await problemsOf(`[fstream]\n# a comment\n\n${line}\n`);
    expect({ line, problems }).toEqual({
      line,
      problems: [expect.stringMatching(new RegExp(`^fstream\\.toml:4: ${RegExp.escape(message)}`))],
    });
  }
  expect(await problemsOf('[server]\npublic_url = "relay.example"\n')).toEqual([
    'fstream.toml:2: public_url in [server] is "relay.example": it must be an http or https URL without a query, such as ' +
      '"https://relay.example", or empty',
  ]);
  for (const sources of ["", "example.org", "'self'; script-src *", "'self', x", "'none' https://a"])
    expect(await problemsOf(`[server]\nframe_ancestors = "${sources}"\n`)).toEqual([
      expect.stringMatching(
        /^fstream\.toml:2: frame_ancestors .*: it must be sources of a Content-Security-Policy/,
      ),
    ]);
  for (const sources of ["'none'", "*", "'self' https://example.org https://*.example.org:8443"])
    expect(await problemsOf(`[server]\nframe_ancestors = "${sources}"\n`)).toEqual([]);
  expect(await problemsOf('[server]\ntrusted_proxies = ["proxy.example"]\n')).toEqual([
    expect.stringMatching(
      /^fstream\.toml:2: trusted_proxies in \[server\] is \["proxy.example"\]: it must be a list/,
    ),
  ]);
});

test("what may be meant by a port alone, and which of a list is wrong, is said", async () => {
  for (const port of ["7405", '"7405"'])
    expect(await problemsOf(`[server]\nlisten = ${port}\n`)).toEqual([
      expect.stringMatching(/it must be an address to listen on .*; did you mean ":7405"\?$/),
    ]);
  expect(await problemsOf('[server]\nlisten = ":99999"\n')).toEqual([
    expect.stringMatching(/it must be an address with a port from 0 to 65535$/),
  ]);
  expect(await problemsOf('[server]\ntrusted_proxies = ["10.0.0.0/8", "127.0.0.1/40"]\n')).toEqual([
    expect.stringMatching(/: "127\.0\.0\.1\/40" is neither$/),
  ]);
});

test("a bad flag is reported by its name", async () => {
  expect(
    await problemsOf("", { "max-channels-per-user": "many", takeover: "maybe", "https-listen": ":x" }),
  ).toEqual([
    expect.stringMatching(/^--https-listen is ":x": it must be an address to listen on/),
    expect.stringMatching(/^--takeover is "maybe": it must be true or false$/),
    expect.stringMatching(/^--max-channels-per-user is "many": it must be a whole number from 1/),
  ]);
});

test("settings that contradict each other are reported with the line of one of them", async () => {
  expect(await problemsOf('[fstream]\nmax_backlog_total = "8MiB"\n')).toEqual([
    "fstream.toml:2: backlog (16MiB) must be at most max_backlog_total (8MiB)",
  ]);
  expect(await problemsOf('[server]\ntls_key = "key.pem"\n')).toEqual([
    "fstream.toml:2: tls_key is set without tls_cert: set both",
  ]);
  expect(await problemsOf("", { "tls-cert": "cert.pem" })).toEqual(["--tls-cert needs --tls-key"]);
  expect(await problemsOf('[server]\n\nlisten = ""\nhttps_listen = ""\n')).toEqual([
    expect.stringMatching(/^fstream\.toml:3: nothing to listen on: set at least one of listen, tls_listen, /),
  ]);
  expect(await problemsOf('[server]\nhttp_listen = ":61920"\n')).toEqual([
    "fstream.toml:2: listen and http_listen are the same address: use a different one for each",
  ]);
  expect(await problemsOf('[server]\nhttps_listen = ""\n[fstream]\nplain_passwords = false\n')).toEqual([
    expect.stringMatching(/^fstream\.toml:4: plain_passwords is false, but there is no other way/),
  ]);
});

test("several listeners on port 0, and one port on two hosts, are no contradiction", async () => {
  expect(await problemsOf('[server]\nlisten = ":0"\ntls_listen = ":0"\nhttps_listen = ":0"\n')).toEqual([]);
  expect(await problemsOf('[server]\nlisten = "127.0.0.1:7"\ntls_listen = "127.0.0.2:7"\n')).toEqual([]);
});

test("a rule is not asked about a value that is wrong in itself", async () => {
  expect(await problemsOf('[fstream]\nbacklog = "huge"\nmax_backlog_total = "1MiB"\n')).toHaveLength(1);
});

test("loading reports the first of several problems and how to see the others", async () => {
  const cwd = await folderWith("[fstream]\nhold = true\nhld = 1\ntakeover = 1\n");
  const error = await loadSettings(sources(cwd)).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(FstreamError);
  expect(error).toMatchObject({
    code: "failed",
    message: expect.stringMatching(/^fstream\.toml:2: hold in .* \(and 2 more; run `fstream check`\)$/),
  });
});

test("what shows the others is told which file was named, and is not told of flags that it does not have", async () => {
  const cwd = await folderWith("[fstream]\nhold = true\nhld = 1\n");
  await Bun.write(join(cwd, "my relay.toml"), "[fstream]\nhold = true\nhld = 1\n");
  expect(await failure(sources(cwd, { file: "my relay.toml" }))).toMatchObject({
    message: expect.stringMatching(/ \(and 1 more; run `fstream check --config 'my relay.toml'`\)$/),
  });
  const fine = await folderWith("");
  expect(await failure(sources(fine, { overrides: { hold: "x", "max-lag": "y" } }))).toMatchObject({
    message: expect.stringMatching(/ \(and 1 more\)$/),
  });
});

test("what an authenticator needs is named as it is set: as a key, or as a flag", async () => {
  expect(await problemsOf('[auth]\nauthenticator = "module"\n')).toEqual([
    'fstream.toml:2: authenticator is "module", which needs module',
  ]);
  for (const [authenticator, flag] of [
    ["module", "--auth-module"],
    ["command", "--auth-command"],
    ["http", "--auth-url"],
  ]) {
    const error = await failure(sources("/nowhere", { overrides: { authenticator } }));
    expect(error).toMatchObject({
      code: "usage",
      message: expect.stringMatching(new RegExp(`needs ${flag}$`)),
    });
  }
});

test("a flag that is wrong is a wrong call, a file that is wrong is a failure", async () => {
  const cwd = await folderWith("[fstream]\n");
  for (const overrides of [
    { listen: "127.0.0.1:99999" },
    { takeover: "maybe" },
    { listen: "", "https-listen": "" },
  ])
    expect(await failure(sources(cwd, { overrides }))).toMatchObject({ code: "usage" });
  const wrong = await folderWith("[fstream]\nhold = true\n");
  expect(await failure(sources(wrong))).toMatchObject({ code: "failed" });
});

test("what is wrong comes in the order of the file's lines, then what has no line", async () => {
  const text =
    '[fstream]\nhold = true\nhld = 1\ntakeover = 1\nbacklog = "huge"\n[server]\nlistne = 1\nlisten = 1\n';
  const problems = await problemsOf(text, { "max-lag": "soon" });
  const places = problems.map((problem) => problem.slice(0, problem.search(/: | is /)));
  expect(places).toEqual([...[2, 3, 4, 5, 7, 8].map((line) => `fstream.toml:${line}`), "--max-lag"]);
});

test("examining gives defaults in the place of what is wrong", async () => {
  const cwd = await folderWith('[fstream]\nhold = true\nusers_dir = "people"\n');
  const { settings, file } = await examineSettings(sources(cwd));
  expect(file).toBe("fstream.toml");
  const { holdMs } = (await loadSettings(sources("/nowhere"))).fstream;
  expect(settings.fstream).toMatchObject({ holdMs, usersDir: join(cwd, "people") });
});

test("of very many unknown keys the first hundred are reported, and how many there are besides", async () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => `k${index} = 1\n`).join("");
  const problems = await problemsOf(`[server]\n${keys}[other]\n`);
  expect(problems.length).toBe(101);
  expect(problems[99]).toMatch(/^fstream\.toml:101: unknown key k99 in \[server\]/);
  expect(problems[100]).toBe("fstream.toml: 19901 more unknown keys");
});
