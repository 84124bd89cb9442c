// The users folder as an authenticator, in what only a folder can do.

import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { FolderAuthenticator } from "../../src/auth/folderauthenticator.ts";
import { createLog } from "../../src/log.ts";
import { authRequest } from "./request.ts";

let folder: string;
let authenticator: Authenticator;
let logged: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-users-"));
  logged = "";
  const write = (line: string) => {
    logged += line;
  };
  authenticator = new FolderAuthenticator({
    folder,
    log: createLog({ level: "info", journal: false, write, nowMs: () => 0 }),
  });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function login(user: string, password: string): Promise<unknown> {
  try {
    return await authenticator.authenticate(authRequest({ user, password }));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("a user can log in from the moment the file is there, and no longer than it is", async () => {
  expect(await login("fier", "123")).toBe("unauthorized");
  await Bun.write(join(folder, "fier.ini"), "[DEFAULT]\npassword=123");
  expect(await login("fier", "123")).toEqual({ user: "fier", channels: undefined });
  await Bun.write(join(folder, "fier.ini"), "[DEFAULT]\npassword=456");
  expect(await login("fier", "123")).toBe("unauthorized");
  expect(await login("fier", "456")).toEqual({ user: "fier", channels: undefined });
  await rm(join(folder, "fier.ini"));
  expect(await login("fier", "456")).toBe("unauthorized");
});

test("the grant has the channels of the file", async () => {
  await Bun.write(join(folder, "fier.toml"), 'password = "123"\nchannels = ["cam*"]');
  expect(await login("fier", "123")).toEqual({ user: "fier", channels: ["cam*"] });
});

test("a user that is switched off is refused as a wrong password is, and the log says why", async () => {
  await Bun.write(join(folder, "fier.toml"), 'password = "123"\nenabled = false');
  expect(await login("fier", "wrong")).toBe("unauthorized");
  expect(logged).toBe("");
  expect(await login("fier", "123")).toBe("unauthorized");
  expect(logged).toContain("fier can't log in: the user is disabled (enabled = false)");
});

test("with two files for one name a login is refused, and the log says why", async () => {
  await Bun.write(join(folder, "fier.toml"), 'password = "123"');
  await Bun.write(join(folder, "fier.ini"), "[DEFAULT]\npassword=123");
  expect(await login("fier", "123")).toBe("unauthorized");
  expect(logged).toContain("fier can't log in: two files for one user");
});

test("a file with something wrong in it is no user, and the log says what, but not the password", async () => {
  await Bun.write(join(folder, "fier.toml"), 'password = "hunter2"\nchanels = ["a"]');
  expect(await login("fier", "hunter2")).toBe("unauthorized");
  expect(logged).toContain("fier can't log in: line 2: unknown key chanels: did you mean channels?");
  expect(logged).not.toContain("hunter2");
});

test("a name that no entry has is not found, though the system would open a file by it", async () => {
  await symlink(folder, join(folder, "self.toml.d"));
  await Bun.write(join(folder, "fier.toml"), 'password = "123"');
  expect(await login("self.toml.d/fier", "123")).toBe("unauthorized");
});

test("a file that is a link is followed, as secrets are mounted by links", async () => {
  await Bun.write(join(folder, "..data"), 'password = "123"');
  await symlink("..data", join(folder, "fier.toml"));
  expect(await login("fier", "123")).toEqual({ user: "fier", channels: undefined });
});

test("a file that can't be a user's name is no user", async () => {
  for (const name of ["fier ", "con", "a:b"]) {
    await Bun.write(join(folder, `${name}.toml`), 'password = "123"');
    expect(await login(name, "123")).toBe("unauthorized");
  }
});

test("a folder that can't be read is the server's fault, logged, and never a yes", async () => {
  await rm(folder, { recursive: true });
  expect(await login("fier", "123")).toBe("internal");
  expect(logged).toContain("the users folder can't be read");
});

test("for an unknown user, or one that is switched off, as much work is done as for another", async () => {
  const hash = await Bun.password.hash("123", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
  await Bun.write(join(folder, "fier.toml"), `password_hash = "${hash}"`);
  await Bun.write(join(folder, "zoe.toml"), `password_hash = "${hash}"\nenabled = false`);
  const verify = spyOn(Bun.password, "verify");
  try {
    for (const user of ["fier", "zoe", "nobody", "../fier"]) {
      verify.mockClear();
      await login(user, "124");
      expect({ user, calls: verify.mock.calls }).toEqual({ user, calls: [["124", hash, "argon2id"]] });
    }
    // Another one's password, and right for that one, which is remembered.
    expect(await login("fier", "123")).toEqual({ user: "fier", channels: undefined });
    for (let i = 0; i < 2; i++) {
      verify.mockClear();
      expect(await login("nobody", "123")).toBe("unauthorized");
      expect(verify).toHaveBeenCalledTimes(1);
    }
    await login("fier", "123");
    expect(verify).toHaveBeenCalledTimes(1);
    await Bun.write(join(folder, "fier.toml"), `password_hash = "${hash}"\nenabled = false`);
    for (const user of ["fier", "zoe", "zoe"]) {
      verify.mockClear();
      expect(await login(user, "123")).toBe("unauthorized");
      expect(verify).toHaveBeenCalledTimes(1);
    }
  } finally {
    verify.mockRestore();
  }
});

test("an unknown name stands for the same user each time, so that its delay tells nothing", async () => {
  const hash = await Bun.password.hash("123", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
  for (let i = 0; i < 8; i++) {
    await Bun.write(join(folder, `hashed${i}.toml`), `password_hash = "${hash}"`);
    await Bun.write(join(folder, `plain${i}.toml`), 'password = "123"');
  }
  const verify = spyOn(Bun.password, "verify");
  try {
    const names = Array.from({ length: 40 }, (_, index) => `nobody${index}`);
    const hashed = async (name: string) => {
      verify.mockClear();
      await login(name, "124");
      return verify.mock.calls.length;
    };
    const first: number[] = [];
    for (const name of names) first.push(await hashed(name));
    const again: number[] = [];
    for (const name of names) again.push(await hashed(name));
    expect(again).toEqual(first);
    expect(new Set(first)).toEqual(new Set([0, 1])); // one kind alone: once in 2^39 runs
  } finally {
    verify.mockRestore();
  }
});

function revocation(channel = "default"): Promise<string | undefined> | undefined {
  return authenticator.revocation?.("fier", channel);
}

test("a user that broadcasts may do so until the file is gone, switches it off, or leaves out the channel", async () => {
  const file = join(folder, "fier.toml");
  await Bun.write(file, 'password = "123"');
  expect(await revocation()).toBeUndefined();
  await Bun.write(file, 'password = "another"');
  expect(await revocation()).toBeUndefined();
  await Bun.write(file, 'password = "123"\nchannels = ["cam*"]');
  expect(await revocation("cam1")).toBeUndefined();
  expect(await revocation()).toBe("user fier may no longer broadcast on channel default");
  await Bun.write(file, 'password = "123"\nenabled = false');
  expect(await revocation()).toBe("user fier was disabled");
  await Bun.write(file, ""); // it is being written
  expect(await revocation()).toBeUndefined();
  await rm(file);
  expect(await revocation()).toBe("user fier was removed");
  await rm(folder, { recursive: true });
  expect(await revocation()).toBeUndefined();
});

test("a user that broadcasts may go on where the folder has become another, empty one: an unmounted disk", async () => {
  await Bun.write(join(folder, "fier.toml"), 'password = "123"');
  expect(await revocation()).toBeUndefined();
  await rename(folder, `${folder}.mounted`);
  await mkdir(folder);
  expect(await revocation()).toBeUndefined();
  await Bun.write(join(folder, "zoe.toml"), 'password = "123"');
  expect(await revocation()).toBe("user fier was removed");
  await rm(`${folder}.mounted`, { recursive: true });
});
