// Comparing passwords, and which hashes are taken for ones.

import { beforeAll, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { stat } from "node:fs/promises";
import {
  hashesAtOnce,
  hashPassword,
  isPasswordHash,
  Passwords,
  type Secret,
} from "../../src/auth/password.ts";

// On a machine that does much else.
setDefaultTimeout(60_000);

/** As cheap as argon2id gets, so that tests are quick. */
let cheap: string;
beforeAll(async () => {
  cheap = await Bun.password.hash("päss, wörd", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
});

function plain(password: string): Secret {
  return { kind: "plain", password };
}

function matches(passwords: Passwords, secret: Secret, password: string, lane = "x"): Promise<boolean> {
  return passwords.matches(secret, { password, lane, remembers: true });
}

test("a plain password matches itself alone", async () => {
  const passwords = new Passwords();
  expect(await matches(passwords, plain("foobar"), "foobar")).toBe(true);
  for (const wrong of ["", "foo", "foobar ", "Foobar", "foobar\0", "foobarfoobar"])
    expect({ wrong, right: await matches(passwords, plain("foobar"), wrong) }).toEqual({
      wrong,
      right: false,
    });
  expect(await matches(passwords, plain("e\u0301"), "\u00e9")).toBe(false);
});

test("a hashed password matches itself alone", async () => {
  const passwords = new Passwords();
  expect(await matches(passwords, { kind: "hash", hash: cheap }, "päss, wörd")).toBe(true);
  expect(await matches(passwords, { kind: "hash", hash: cheap }, "päss, word")).toBe(false);
});

test("an empty password never matches, not even an empty one", async () => {
  const passwords = new Passwords();
  expect(await matches(passwords, { kind: "plain", password: "" }, "")).toBe(false);
  expect(await matches(passwords, { kind: "hash", hash: cheap }, "")).toBe(false);
});

test("a malformed or foreign hash matches nothing and throws nothing", async () => {
  const passwords = new Passwords();
  const { length } = cheap;
  const hashes = [
    "",
    "foobar",
    "$argon2id$",
    cheap.slice(0, -1),
    cheap.slice(0, length - 24),
    cheap.replace("v=19", "v=16"),
  ];
  const other = [
    cheap.replace("argon2id", "argon2i"),
    cheap.replace("m=8", "m=7"),
    cheap.replace("t=1", "t=0"),
    `${cheap}$`,
  ];
  const bcrypt = await Bun.password.hash("päss, wörd", { algorithm: "bcrypt", cost: 4 });
  for (const hash of [
    ...hashes,
    ...other,
    cheap.replace("p=1", "p=0"),
    cheap.replace("m=8", "m=99999999"),
    bcrypt,
  ])
    expect({ hash, right: await matches(passwords, { kind: "hash", hash }, "päss, wörd") }).toEqual({
      hash,
      right: false,
    });
});

test("a hash is one only in the form in which argon2id encoders write it", () => {
  expect(isPasswordHash(cheap)).toBe(true);
  const bad = [
    cheap.replace("t=1", "t=101"),
    cheap.replace("m=8", "m=1048577"),
    ` ${cheap}`,
    `${cheap}\n`,
    `${cheap}=`,
  ];
  for (const hash of [...bad, cheap.replace("m=8,t=1", "t=1,m=8"), cheap.toUpperCase()])
    expect({ hash, is: isPasswordHash(hash) }).toEqual({ hash, is: false });
});

test("a new hash is argon2id at the usual cost, with a salt of its own", async () => {
  const [one, two] = await Promise.all([hashPassword("x"), hashPassword("x")]);
  expect(one).toStartWith("$argon2id$v=19$m=65536,t=2,p=1$");
  expect(isPasswordHash(one)).toBe(true);
  expect(one).not.toBe(two);
});

test("of more logins than can wait some are refused as busy, and the others are answered", async () => {
  const passwords = new Passwords();
  const logins = Array.from({ length: 80 }, () =>
    matches(passwords, { kind: "hash", hash: cheap }, "päss, wörd", "one").catch(
      (error: { code: string }) => error.code,
    ),
  );
  const honest = matches(passwords, { kind: "hash", hash: cheap }, "päss, wörd", "another");
  const answers = await Promise.all(logins);
  const answered = 63 + hashesAtOnce;
  expect(answers.filter((answer) => answer === true)).toHaveLength(answered);
  expect(answers.filter((answer) => answer === "busy")).toHaveLength(80 - answered);
  expect(await honest).toBe(true);
});

test("while hashes are computed, files are read as quickly as ever", async () => {
  const hash = await hashPassword("x");
  const passwords = new Passwords();
  let left = 6;
  const logins = Array.from({ length: left }, async () => {
    expect(await matches(passwords, { kind: "hash", hash }, "y", "one")).toBe(false);
    left--;
  });
  let reads = 0;
  // The last ones leave threads free anyway.
  const isHashing = () => left > hashesAtOnce;
  for (; isHashing(); reads++) await stat(import.meta.path);
  await Promise.all(logins);
  // One that waits for a hash each time is done with few.
  expect(reads).toBeGreaterThan(100);
});

test("of one right login that comes many times the hash is computed once, and not for those that waited", async () => {
  const verify = spyOn(Bun.password, "verify");
  try {
    const passwords = new Passwords();
    const secret: Secret = { kind: "hash", hash: cheap };
    const logins = Array.from({ length: 40 }, (_, at) => matches(passwords, secret, "päss, wörd", `${at}`));
    expect(await Promise.all(logins)).toEqual(Array.from({ length: 40 }, () => true));
    expect(verify.mock.calls.length).toBeLessThanOrEqual(hashesAtOnce);
    verify.mockClear();
    expect(await matches(passwords, secret, "päss, wörd")).toBe(true);
    expect(verify).not.toHaveBeenCalled();
  } finally {
    verify.mockRestore();
  }
});

test("a remembered login does not wait for others", async () => {
  const passwords = new Passwords();
  const hash = await hashPassword("x");
  expect(await matches(passwords, { kind: "hash", hash }, "x")).toBe(true);
  let left = 6;
  const wrong = Array.from({ length: left }, async () => {
    await matches(passwords, { kind: "hash", hash }, "y");
    left--;
  });
  expect(await matches(passwords, { kind: "hash", hash }, "x")).toBe(true);
  expect(left).toBe(6);
  await Promise.all(wrong);
});

test("each wrong password costs a hash, and so does a right one for another hash, or where nothing is remembered", async () => {
  const verify = spyOn(Bun.password, "verify");
  try {
    const passwords = new Passwords();
    const secret: Secret = { kind: "hash", hash: cheap };
    expect(await matches(passwords, secret, "päss, wörd")).toBe(true);
    const other = await Bun.password.hash("wörd", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
    verify.mockClear();
    for (const wrong of ["y", "y", "päss, wör", "päss, wörd\n"])
      expect(await matches(passwords, secret, wrong)).toBe(false);
    expect(await matches(passwords, { kind: "hash", hash: other }, "päss, wörd")).toBe(false);
    expect(verify).toHaveBeenCalledTimes(5);
    const login = { password: "päss, wörd", lane: "x", remembers: false };
    expect(await passwords.matches(secret, login)).toBe(true);
    expect(await passwords.matches(secret, login)).toBe(true);
    expect(verify).toHaveBeenCalledTimes(7);
  } finally {
    verify.mockRestore();
  }
});
