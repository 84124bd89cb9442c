// A setting whose name was another in earlier versions: both names work, the old one is reported, and one of both has to go.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settingsDifference } from "../../src/settings/difference.ts";
import { examineSettings, loadSettings } from "../../src/settings/load.ts";
import { rowsOf } from "../../src/settings/rows.ts";
import { table } from "../../src/settings/table.ts";

setDefaultTimeout(60_000);

const folder = await mkdtemp(join(tmpdir(), "fstream-renamed-"));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, "fstream.toml");

/** `hold` had another name, and before that another in another section; `listen` and `backlog` had others too. */
const renamedRows = rowsOf({
  ...table,
  server: { ...table.server, listen: { ...table.server.listen, formerly: ["server.tcp"] } },
  fstream: {
    ...table.fstream,
    holdMs: { ...table.fstream.holdMs, formerly: ["fstream.keep", "streams.keep_time"] },
    backlogBytes: { ...table.fstream.backlogBytes, formerly: ["fstream.ring"] },
  },
});
const sources = { cwd: folder, environment: {}, overrides: {}, table: renamedRows };

async function examined(text: string, overrides: Record<string, string> = {}) {
  await Bun.write(file, text);
  const { settings, problems, renamed, misused } = await examineSettings({ ...sources, overrides });
  return { holdMs: settings.fstream.holdMs, problems, renamed, misused: [...misused] };
}

const fine = { problems: [], renamed: [], misused: [] };

test("a former name is understood, and reported with its line and what it is now", async () => {
  expect(await examined('[fstream]\nhold = "3s"\n')).toEqual({ ...fine, holdMs: 3000 });
  expect(await examined('[fstream]\n# short\nkeep = "3s"\n')).toEqual({
    ...fine,
    holdMs: 3000,
    renamed: ["fstream.toml:3: [fstream] keep is now hold"],
  });
});

test("so is one of a section that is gone, whose other keys are unknown", async () => {
  expect(await examined('[streams]\nkeep_time = "4s"\n')).toEqual({
    ...fine,
    holdMs: 4000,
    renamed: ["fstream.toml:2: [streams] keep_time is now hold in [fstream]"],
  });
  expect((await examined('[streams]\nkeep_tim = "4s"\n')).problems).toEqual([
    expect.stringMatching(/^fstream\.toml:2: unknown key keep_tim in \[streams\]/),
  ]);
  expect((await examined('[stream]\nkeep_time = "4s"\n')).problems).toEqual([
    expect.stringMatching(/^fstream\.toml:1: unknown section \[stream\]: did you mean/),
  ]);
});

test("all former names are reported, in the order of the lines", async () => {
  expect((await examined('[fstream]\nkeep = "3s"\nring = "1MiB"\n[server]\ntcp = ":1"\n')).renamed).toEqual([
    "fstream.toml:2: [fstream] keep is now hold",
    "fstream.toml:3: [fstream] ring is now backlog",
    "fstream.toml:5: [server] tcp is now listen",
  ]);
});

test("two names of one setting are an error that has both lines", async () => {
  const problem =
    "fstream.toml:2: [fstream] keep is now hold, and fstream.toml:3 already sets that: keep only one";
  expect(await examined('[fstream]\nkeep = "3s"\nhold = "5s"\n')).toMatchObject({
    problems: [problem],
    renamed: [],
  });
  expect(await loadSettings(sources).catch((error: unknown) => error)).toMatchObject({
    code: "failed",
    message: problem,
  });
  expect((await examined('[fstream]\nkeep = "3s"\n[streams]\nkeep_time = "5s"\n')).problems).toEqual([
    "fstream.toml:4: [streams] keep_time is now hold in [fstream], and fstream.toml:2 already sets that: keep only one",
  ]);
});

test("a value that is wrong, or does not go with others, is reported with its line", async () => {
  expect((await examined('[fstream]\nkeep = "soon"\n')).problems).toEqual([
    expect.stringMatching(/^fstream\.toml:2: keep in \[fstream\] is "soon": it must be a duration/),
  ]);
  expect((await examined('[fstream]\nmax_backlog_total = "1MiB"\nring = "2MiB"\n')).problems).toEqual([
    expect.stringMatching(/^fstream\.toml:3: backlog \(2MiB\) must be at most max_backlog_total/),
  ]);
});

test("a flag may have its former name too, and beats the file whatever it is called there", async () => {
  expect(await examined('[fstream]\nhold = "5s"\n', { keep: "7s" })).toEqual({
    ...fine,
    holdMs: 7000,
    renamed: ["--keep is now --hold"],
  });
  expect(await examined('[fstream]\nkeep = "5s"\n', { hold: "7s" })).toEqual({
    ...fine,
    holdMs: 7000,
    renamed: ["fstream.toml:2: [fstream] keep is now hold"],
  });
  const both = "--keep is now --hold, and --hold already sets that: keep only one";
  expect(await examined("", { hold: "7s", keep: "8s" })).toMatchObject({ problems: [both], misused: [both] });
  expect((await examined("", { "keep-time": "soon" })).misused).toEqual([
    expect.stringMatching(/^--keep-time is "soon": it must be a duration/),
  ]);
});

test("a reload takes up a value under either name, and goes on reporting the former one", async () => {
  await Bun.write(file, '[fstream]\nhold = "3s"\n');
  const before = await loadSettings(sources);
  const renamed = ["fstream.toml:2: [fstream] keep is now hold"];
  await Bun.write(file, '[fstream]\nkeep = "3s"\n');
  expect(await settingsDifference(before, sources)).toMatchObject({ live: [], problems: [], renamed });
  await Bun.write(file, '[fstream]\nkeep = "4s"\n');
  const after = await settingsDifference(before, sources);
  expect(after).toMatchObject({ live: [{ after: 4000 }], problems: [], renamed });
  expect(after.settings.fstream.holdMs).toBe(4000);
});

test("no two settings have ever had the same name", () => {
  const names = rowsOf(table).flatMap(({ section, setting, flag, former }) => [
    { section, key: setting.name, flag },
    ...former,
  ]);
  expect(new Set(names.map(({ section, key }) => `${section}.${key}`)).size).toBe(names.length);
  expect(new Set(names.map(({ flag }) => flag)).size).toBe(names.length);
});

function program(...argv: string[]) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "renamedprogram.ts"), ...argv], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("`fstream check` names what has another name now, and is content", async () => {
  await Bun.write(file, '[fstream]\nkeep = "3s"\n');
  await Bun.write(join(folder, "users/fier.toml"), 'password = "x"');
  const checked = program("check");
  const [stderr, status] = await Promise.all([checked.stderr.text(), checked.exited]);
  expect(stderr).toContain("fstream: warning: fstream.toml:2: [fstream] keep is now hold\n");
  await Bun.write(file, '[fstream]\nkeep = "3s"\nhold = "3s"\n');
  const both = program("check");
  expect(await both.stderr.text()).toContain(
    "fstream: error: fstream.toml:2: [fstream] keep is now hold, and fstream.toml:3",
  );
  expect([status, await both.exited]).toEqual([0, 1]);
});

test("the help of `serve` has the name of today alone", async () => {
  const text = await program("help", "serve").stdout.text();
  expect(text).toContain("--hold DURATION");
  expect(text).not.toContain("--keep");
});

test.skipIf(process.platform === "win32")(
  "`fstream serve` warns when it starts, and when it reloads",
  async () => {
    await Bun.write(file, '[fstream]\nkeep = "3s"\n');
    const server = program("serve", "--listen", "127.0.0.1:0", "--https-listen", "", "--keep-time", "2s");
    let seen = "";
    const waiting: { readonly text: string; readonly found: () => void }[] = [];
    const reading = (async () => {
      for await (const piece of server.stderr.pipeThrough(new TextDecoderStream())) {
        seen += piece;
        for (const { text, found } of waiting) if (seen.includes(text)) found();
      }
    })();
    const until = (text: string) =>
      Promise.race([
        new Promise<void>((found) => {
          waiting.push({ text, found });
          if (seen.includes(text)) found();
        }),
        reading.then(() => Promise.reject(new Error(`it ended without ${text}: ${seen}`))),
      ]);
    try {
      await until("ready\n");
      const warnings = seen.split("\n").filter((line) => line.includes(" is now "));
      expect(warnings).toEqual([
        expect.stringMatching(/warn.*fstream\.toml:2: \[fstream\] keep is now hold$/),
        expect.stringMatching(/warn.*--keep-time is now --hold$/),
      ]);
      seen = "";
      server.kill("SIGHUP");
      await until("no settings have changed");
      expect(seen).toContain("fstream.toml:2: [fstream] keep is now hold\n");
    } finally {
      server.kill("SIGTERM");
    }
    await reading;
    expect(await server.exited).toBe(0);
  },
);
