// The users folder: what is found in it, what is wrong in it, and how a user is written.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chown, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { User } from "../../src/auth/userfile.ts";
import { readUsers, writeUser } from "../../src/auth/userstore.ts";
import type { FstreamError } from "../../src/errors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-folder-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("users are listed in order, and what is no user's file is passed over", async () => {
  await Bun.write(join(folder, "zoe.toml"), 'password = "x"');
  await Bun.write(join(folder, "adam.ini"), "[DEFAULT]\npassword=x");
  for (const other of ["README.md", ".hidden.toml", "fier.toml~", "fier.toml.bak", ".toml"])
    await Bun.write(join(folder, other), "rubbish");
  const { users, problems } = await readUsers(folder);
  expect(users.map((user) => user.name)).toEqual(["adam", "zoe"]);
  expect(problems).toEqual([]);
});

test("each file with something wrong is reported with its path", async () => {
  await Bun.write(join(folder, "both.toml"), 'password = "x"');
  await Bun.write(join(folder, "both.ini"), "[DEFAULT]\npassword=x");
  await Bun.write(join(folder, "empty.toml"), "");
  await Bun.write(join(folder, "nul.toml"), 'password = "x"');
  await Bun.write(join(folder, "vast.toml"), `password = "${"x".repeat(70_000)}"`);
  await mkdir(join(folder, "inner.toml"));
  const { users, problems } = await readUsers(folder);
  expect(users).toEqual([]);
  expect(problems).toEqual([
    `${join(folder, "both.toml")}, ${join(folder, "both.ini")}: two files for one user: keep only one`,
    `${join(folder, "empty.toml")}: no password: set password or password_hash`,
    `${join(folder, "inner.toml")}: can't be read: it is a directory, not a regular file`,
    `${join(folder, "nul.toml")}: a user's name can't be a device name`,
    `${join(folder, "vast.toml")}: can't be read: it is larger than 64 KiB`,
  ]);
});

test("a folder that is not there is reported with what makes it", async () => {
  const error = await readUsers(join(folder, "none")).catch((error: unknown) => error);
  expect(error).toMatchObject({
    code: "failed",
    message: expect.stringContaining("does not exist"),
    hint: "`fstream user add NAME` creates it",
  });
});

test("a folder that is a file is reported, without a hint at what would not make it", async () => {
  await Bun.write(join(folder, "file"), "");
  const error = (await readUsers(join(folder, "file")).catch((error: unknown) => error)) as FstreamError;
  expect([error.message, error.hint]).toEqual([
    `the users folder ${join(folder, "file")} can't be read: it is not a directory`,
    undefined,
  ]);
});

test("a written user reads back the same, whatever signs are in it, and its owner alone can read the file", async () => {
  const passwords = ["x", " a;b#c%d, \"q\" 'q' \\ ", "🎉 é e\u0301 日本", "\u0001\t\u007f", "\"\"\"'''"];
  for (const password of passwords) {
    const user: User = {
      name: "fier",
      secret: { kind: "plain", password },
      channels: ['a"b', "c*"],
      mayWatch: undefined,
      enabled: false,
    };
    const path = await writeUser(folder, user);
    expect(path).toBe(join(folder, "fier.toml"));
    expect((await stat(path)).mode & 0o777).toBe(process.platform === "win32" ? 0o666 : 0o600);
    expect(await readUsers(folder)).toEqual({ users: [user], problems: [], warnings: [], exposed: [] });
  }
  expect(await readdir(folder)).toEqual(["fier.toml"]);
});

test("a user that can't be written leaves nothing behind", async () => {
  await mkdir(join(folder, "fier.toml"));
  const user: User = {
    name: "fier",
    secret: { kind: "plain", password: "x" },
    channels: undefined,
    mayWatch: undefined,
    enabled: true,
  };
  const error = await writeUser(folder, user).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: "failed", message: expect.stringContaining("can't be written") });
  expect(await readdir(folder)).toEqual(["fier.toml"]);
});

test.skipIf(process.getuid?.() !== 0)(
  "what root writes belongs to the folder's owner, which has to read it",
  async () => {
    await chown(folder, 1234, 1235);
    const user: User = {
      name: "fier",
      secret: { kind: "plain", password: "x" },
      channels: undefined,
      mayWatch: undefined,
      enabled: true,
    };
    const { uid, gid } = await stat(await writeUser(folder, user));
    expect({ uid, gid }).toEqual({ uid: 1234, gid: 1235 });
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "root gives away no file that is put in the place of a user's",
  async () => {
    const victim = join(folder, "..", `victim-${process.pid}`);
    await Bun.write(victim, "root's");
    await chown(folder, 65_534, 65_534);
    const script = `
    const { readdirSync, symlinkSync, unlinkSync, writeSync } = require("node:fs");
    writeSync(1, "ready");
    for (;;)
      for (const name of readdirSync("."))
        if (name.startsWith(".new-"))
          try { unlinkSync(name); symlinkSync(${JSON.stringify(victim)}, name); } catch {}
  `;
    const swapper = Bun.spawn([process.execPath, "-e", script], { cwd: folder, stdout: "pipe" });
    await swapper.stdout.getReader().read();
    try {
      const user: User = {
        name: "fier",
        secret: { kind: "plain", password: "x" },
        channels: undefined,
        mayWatch: undefined,
        enabled: true,
      };
      for (let i = 0; i < 50; i++) await writeUser(folder, user).catch(() => undefined); // what it wrote may be gone
      expect((await stat(victim)).uid).toBe(0);
    } finally {
      swapper.kill();
      await swapper.exited;
      await rm(victim);
    }
  },
);
