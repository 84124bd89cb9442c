// The man pages: complete, as the tables that they are made from are, and right as roff.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";
import { userKeys } from "../../src/auth/userfile.ts";
import { helpFor, overview } from "../../src/commands/help.ts";
import { exitStatuses } from "../../src/errors.ts";
import { managerVariables } from "../../src/server/notify.ts";
import { rows } from "../../src/settings/rows.ts";

const root = join(import.meta.dir, "..", "..");
const names = ["fstream.1", "fstream.toml.5"] as const;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-manual-"));
  await write(folder, "1000000000");
});
afterAll(() => rm(folder, { recursive: true }));

async function write(to: string, seconds: string): Promise<void> {
  const child = Bun.spawn([process.execPath, join(root, "packaging", "manual.ts"), to], {
    env: { ...process.env, SOURCE_DATE_EPOCH: seconds },
  });
  expect(await child.exited).toBe(0);
}

/** A page's source without fonts, and with plain dashes. */
async function source(name: (typeof names)[number]): Promise<string> {
  const text = await Bun.file(join(folder, name)).text();
  return text
    .replaceAll(/\\f[BIR]/g, "")
    .replaceAll("\\-", "-")
    .replaceAll("\\(aq", "'");
}

/** What stands below a heading or the head of a term, up to the next. */
function below(page: string, head: string): string {
  const start = page.indexOf(`\n${head}\n`);
  if (start < 0) throw new Error(`the page has no ${head}`);
  const rest = page.slice(start + head.length + 2);
  const end = rest.search(/^\.(SH|SS) /m);
  return end < 0 ? rest : rest.slice(0, end);
}

test("fstream(1) has every command of the help, and of each every flag", async () => {
  const page = await source("fstream.1");
  const commands = [...(await overview()).matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
  expect(commands.length).toBeGreaterThan(8);
  for (const command of commands) {
    const [help] = (await helpFor(command)).split("\nexamples:\n");
    const section = below(page, `.SS ${command}`);
    const heads = [...help.matchAll(/^ {2}((?:-\w, )? *--.*)$/gm)].map(([, head]) => head.trim());
    expect(heads.length).toBeGreaterThan(0);
    for (const head of heads) expect(section).toContain(`\n.TP\n${head.replaceAll("...", ".\\|.\\|.")}\n`);
  }
});

test("fstream(1) has every exit status, and every variable that the program reads", async () => {
  const page = await source("fstream.1");
  const statuses = below(page, ".SH EXIT STATUS");
  for (const status of Object.keys(exitStatuses)) expect(statuses).toMatch(new RegExp(`^${status}$`, "m"));
  const variables = new Set<string>(managerVariables);
  for (const path of new Glob("src/**/*.ts").scanSync(root)) {
    const text = await Bun.file(join(root, path)).text();
    for (const [, name] of text.matchAll(/\benv(?:ironment)?\.([A-Z][A-Z_]+)/g)) variables.add(name);
  }
  const section = below(page, ".SH ENVIRONMENT");
  for (const name of variables) expect(section).toMatch(new RegExp(`\\b${name}\\b`));
  expect(section).toMatch(/^fserv_arg_channel_password$/m);
});

test("fstream.toml(5) has every setting with its default, its values, and whether a reload takes it up", async () => {
  const page = await source("fstream.toml.5");
  for (const { section, setting, flag } of rows) {
    const head = `${setting.name} = ${JSON.stringify(setting.default)}`;
    const [entry] = below(below(`\n${page}`, `.SS [${section}]`), head).split("\n.TP\n");
    const text = entry.replaceAll(/\s+/g, " ").replaceAll("\\e", "\\").replaceAll(".\\|.\\|.", "...");
    expect(text).toContain(setting.kind.range.slice(1));
    expect(text).toContain(`Flag --${flag};`);
    expect(text).toContain(setting.live ? "takes effect on reload" : "takes effect on restart");
  }
  for (const key of Object.keys(userKeys)) expect(below(page, ".SH USERS")).toContain(`\n.TP\n${key}\n`);
});

test("the same source and date give the same bytes", async () => {
  const again = join(folder, "again");
  await write(again, "1000000000");
  for (const name of names) {
    const text = await Bun.file(join(folder, name)).text();
    expect(text).toMatch(/^\.TH FSTREAM(\.TOML)? [15] 2001-09-09 "fstream \d/);
    expect(await Bun.file(join(again, name)).text()).toBe(text);
  }
});

test.skipIf(Bun.which("mandoc") === null).each(names)("mandoc has nothing to say about %s", async (name) => {
  const child = Bun.spawn(["mandoc", "-T", "lint", join(folder, name)], { stdout: "pipe", stderr: "pipe" });
  expect([await child.stdout.text(), await child.stderr.text(), await child.exited]).toEqual(["", "", 0]);
});

test.skipIf(Bun.which("groff") === null).each(names)(
  "groff shows %s within 80 columns, without a warning",
  async (name) => {
    const child = Bun.spawn(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=80n", join(folder, name)], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [text, warnings] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect(warnings).toBe("");
    expect(text).toContain("\nNAME\n       fstream");
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
  },
);
