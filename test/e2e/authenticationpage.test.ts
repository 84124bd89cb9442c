// What docs/authentication.md says, run: its module with a database, its script, its users' files; and its tables are those of
// the code.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mediaMtxRequest } from "../../src/auth/httpasker.ts";
import { readUserFile } from "../../src/auth/userfile.ts";
import { authRequest } from "../auth/request.ts";
import { isSecret } from "../secrets.ts";
import { documentOf } from "./document.ts";
import { deadlineMs, program, Run, TestServer } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const page = documentOf("authentication.md");
const folder = mkdtempSync(join(tmpdir(), "fstream-page-"));
afterAll(() => rmSync(folder, { recursive: true }));
const password = "correct-horse-battery";
isSecret(password);

/** The server's binary is a Bun with BUN_BE_BUN=1; from the sources it is Bun anyway. */
async function bun(words: readonly string[], stdin = ""): Promise<string> {
  const run = Bun.spawn([program[0], ...words], {
    cwd: folder,
    env: { ...process.env, BUN_BE_BUN: "1" },
    stdin: Buffer.from(stdin),
    stderr: "inherit",
  });
  return await run.stdout.text();
}

async function allowed(server: TestServer, user: string, channel: string): Promise<string> {
  const environment = { fserv_arg_user: user, fserv_arg_user_password: password, fserv_arg_channel: channel };
  const run = server.broadcast(environment);
  await run.finish("hello");
  const { status, stderr } = await run.outcome();
  return status === 0 ? "yes" : (/error: (.*)/.exec(stderr)?.[1] ?? stderr);
}

async function watches(server: TestServer, watcher: string, given = password): Promise<boolean> {
  const run = server.watch({ fserv_arg_watcher: watcher, fserv_arg_watcher_password: given });
  return (await run.outcome()).status === 4;
}

test("the module keeps people in a database, and is typed as the program says", async () => {
  for (const file of ["people.ts", "auth.ts", "add.ts"])
    writeFileSync(join(folder, file), page.block("ts", `// ${file}\n`));
  writeFileSync(join(folder, "fstream.d.ts"), (await new Run(["auth", "types"]).outcome()).stdout);
  const checked = Bun.spawnSync([
    join(import.meta.dir, "../../node_modules/.bin/tsc"),
    ..."--noEmit --strict --target esnext --module preserve --allowImportingTsExtensions --skipLibCheck --ignoreConfig".split(
      " ",
    ),
    ..."--types bun-types --typeRoots".split(" "),
    join(import.meta.dir, "../../node_modules"),
    ...["auth.ts", "add.ts"].map((file) => join(folder, file)),
  ]);
  expect(checked.stdout.toString()).toBe("");

  await bun(["add.ts", "fier", "default,cam*"], `${password}\n`);
  await bun(["add.ts", "ann"], password);
  const settings = page.block("toml", '[auth]\nauthenticator = "module"', {
    "[auth]": "",
    "/etc/fstream/auth.ts": join(folder, "auth.ts"),
  });
  const server = await TestServer.start({ auth: `${settings}authenticate_watchers = true` });
  expect(await allowed(server, "fier", "cam1")).toBe("yes");
  expect(await allowed(server, "fier", "other")).toContain("may not broadcast");
  expect(await allowed(server, "ann", "default")).toContain("may not broadcast");
  expect(await allowed(server, "zoe", "default")).toBe("wrong user or password");
  expect([await watches(server, "ann"), await watches(server, "ann", "wrong")]).toEqual([true, false]);
  await bun(["-e", 'require("./people.ts").people.run("update people set last_day = \'2020-12-31\'")']);
  expect(await allowed(server, "fier", "cam1")).toBe("your subscription has ended");
  await server.stop();
});

const canRunScript = Bun.which("jq") !== null && Bun.which("htpasswd") !== null;
test.skipIf(!canRunScript)(
  "the script lets in who is in an htpasswd file, and the studio broadcasts",
  async () => {
    writeFileSync(
      join(folder, "login.sh"),
      page.block("sh", "#!/bin/sh\n", { "/etc/fstream/": `${folder}/` }),
      { mode: 0o755 },
    );
    writeFileSync(join(folder, "studio"), "fier\n");
    for (const [flags, name] of [
      ["-cBi", "fier"],
      ["-Bi", "ann"],
    ])
      Bun.spawnSync(["htpasswd", flags, join(folder, "htpasswd"), name], { stdin: Buffer.from(password) });
    const settings = page.block("toml", '[auth]\nauthenticator = "command"', {
      "[auth]": "",
      "/etc/fstream/login.sh": join(folder, "login.sh"),
    });
    const server = await TestServer.start({ auth: `${settings}authenticate_watchers = true` });
    expect(await allowed(server, "fier", "default")).toBe("yes");
    expect(await allowed(server, "ann", "default")).toBe("only the studio broadcasts");
    expect(await allowed(server, "zoe", "default")).toBe("wrong user or password");
    expect([await watches(server, "ann"), await watches(server, "ann", "wrong")]).toEqual([true, false]);
    await server.stop();
  },
);

test("the request to a service has the keys of the page", () => {
  const shown = JSON.parse(page.block("json", "{")) as Record<string, string>;
  const sent = mediaMtxRequest(
    authRequest({
      action: "watch",
      user: "fier",
      watcher: "ann",
      password: "correct horse",
      channel: "cam1",
      address: "203.0.113.7",
      protocol: "https",
      id: "9b2f0a52-4c1c-4d2e-8f0e-0c8d2a3f7a11",
      query: "ticket=7",
      userAgent: "VLC/3.0.18 LibVLC/3.0.18",
    }),
  );
  expect(shown).toEqual(sent);
});

test("the keys of requests and decisions are those of the types", async () => {
  const types = await Bun.file(join(import.meta.dir, "../../src/auth/authtypes.ts")).text();
  for (const [title, name] of [
    ["The request", "AuthRequest"],
    ["The decision", "DecisionDetails"],
  ]) {
    const body = new RegExp(`interface ${name} \\{([^]*?)\n\\}`).exec(types)?.[1] ?? "";
    const typed = Array.from(body.matchAll(/^  readonly (\w+)/gm), ([, key]) => key);
    const section = page.text.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
    const [table] = section.split("What the client sees");
    expect(Array.from(table.matchAll(/^\| `(\w+)` \|/gm), ([, key]) => key)).toEqual(typed);
  }
});

test("the users' files are such, that of users/ included", async () => {
  const file = page.block("toml", "password = ");
  expect(readUserFile("fier", ".toml", Buffer.from(file))).toMatchObject({
    user: { channels: ["default", "cam*"], mayWatch: ["fier/*", "*/default"], enabled: true },
  });
  const example = await Bun.file(join(import.meta.dir, "../../users/example.toml")).text();
  const uncommented = example.replaceAll(/^# (\w+ = \[)/gm, "$1");
  expect(readUserFile("example", ".toml", Buffer.from(uncommented))).toMatchObject({
    user: { channels: ["default", "cam*"], mayWatch: ["fier/*", "*/default"], enabled: false },
  });
});

test("what check --login says is what the page shows", async () => {
  const server = await TestServer.start();
  const words = ["check", "--config", join(server.folder, "fstream.toml"), "--login", "fier"];
  const run = new Run(words);
  await run.finish("123\n");
  const { stderr } = await run.outcome();
  const shown = /\n {4}(fstream: fier may broadcast .*)\n/.exec(page.text)?.[1] ?? "";
  expect(
    stderr
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/\d+ ms/, "N ms"),
  ).toBe(shown.replace(/\d+ ms/, "N ms"));
  await server.stop();
});
