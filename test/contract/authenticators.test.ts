// What every authenticator has to hold to, whatever it asks: one suite, run over each of them. An implementation
// is set up with users and decides about logins; nothing else of it is known here.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { FolderAuthenticator } from "../../src/auth/folderauthenticator.ts";
import { Throttle, throttled } from "../../src/auth/throttle.ts";
import { FstreamError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { kinds } from "../auth/answering.ts";
import { authRequest } from "../auth/request.ts";

const nfc = "andr\u00e9";
const nfd = "andre\u0301";

/** Passwords that something on their way could break. */
const trickyPasswords: Readonly<Record<string, string>> = {
  spaces: "a b  c",
  semicolon: "a;b ; c",
  hash: "a#b # c",
  percent: "100%s %(x)s %41",
  comma: "a,b,password=c",
  quotes: "\"'`\\",
  equals: "a=b:c",
  emoji: "🎥🔑é日本",
  long: "x".repeat(3000),
};

const users: Readonly<Record<string, string>> = { fier: "123", [nfc]: "accent", ...trickyPasswords };

interface Candidate {
  name: string;
  /** A folder to put things into, and the users to know. */
  create(folder: string, users: Readonly<Record<string, string>>): Promise<Authenticator>;
}

const log = createLog({ level: "error", journal: false, write: () => undefined, nowMs: () => 0 });

async function folderOf(
  folder: string,
  ending: string,
  write: (password: string) => string | Promise<string>,
) {
  for (const [user, password] of Object.entries(users))
    await Bun.write(join(folder, user + ending), await write(password));
  return new FolderAuthenticator({ folder, log });
}

const candidates: readonly Candidate[] = [
  ...kinds.map((kind) => ({
    name: `an operator's own, by ${kind.name}`,
    create: async (folder: string) => {
      const decide = `
        const users: Record<string, string> = ${JSON.stringify(users)};
        return Object.hasOwn(users, request.user) && users[request.user] === request.password;`;
      return (await kind.start(folder, decide)).authenticator;
    },
  })),
  {
    name: "a folder of .toml files",
    create: (folder) => folderOf(folder, ".toml", (password) => `password = ${JSON.stringify(password)}\n`),
  },
  {
    name: "a folder of .ini files",
    create: (folder) => folderOf(folder, ".ini", (password) => `[DEFAULT]\npassword=${password}\n`),
  },
  {
    name: "a folder of hashed passwords",
    create: (folder) =>
      folderOf(folder, ".toml", async (password) => {
        const cheap = { algorithm: "argon2id", memoryCost: 8, timeCost: 1 } as const;
        return `password_hash = "${await Bun.password.hash(password, cheap)}"\n`;
      }),
  },
  {
    name: "a folder behind the throttle",
    create: async (folder) => {
      const inner = await folderOf(folder, ".toml", (password) => `password = ${JSON.stringify(password)}\n`);
      return throttled(inner, new Throttle({ nowMs: () => 0, sleep: () => Promise.resolve() }));
    },
  },
];

for (const candidate of candidates) {
  describe(candidate.name, () => {
    let root: string;
    let authenticator: Authenticator;
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "fstream-auth-"));
      await Bun.write(join(root, "outside.toml"), 'password = "123"\n');
      await Bun.write(join(root, "outside.ini"), "[DEFAULT]\npassword=123\n");
      authenticator = await candidate.create(join(root, "users"), users);
    });
    afterAll(async () => {
      authenticator.stop?.();
      await rm(root, { recursive: true });
    });

    const login = (user: string, password: string, address = "192.0.2.1") =>
      authenticator.authenticate(authRequest({ user, password, address }));
    const refusal = (user: string, password: string, address?: string) =>
      login(user, password, address).then(
        () => undefined,
        (error: unknown) => (error instanceof FstreamError ? `${error.code}: ${error.message}` : error),
      );

    test("the right password lets its user in, under the right name", async () => {
      expect(await login("fier", "123")).toEqual({ user: "fier", channels: undefined });
    });

    for (const [user, password] of Object.entries(trickyPasswords)) {
      test(`a password with tricks in it is right as it is, and only so: ${user}`, async () => {
        expect((await login(user, password)).user).toBe(user);
        for (const wrong of [
          `${password} `,
          ` ${password}`,
          password.slice(0, -1),
          password.toUpperCase() + "X",
        ])
          expect(await refusal(user, wrong)).toStartWith("unauthorized");
      });
    }

    test("a wrong password, another user's, an empty one and an unknown user are refused in the same words", async () => {
      const expected = await refusal("fier", "124");
      expect(expected).toStartWith("unauthorized: ");
      for (const [user, password] of [
        ["fier", ""],
        ["fier", "accent"],
        ["fier", "1234"],
        ["nobody", "123"],
        ["nobody", ""],
        ["", "123"],
        ["", ""],
      ])
        expect({ user, password, refused: await refusal(user, password) }).toEqual({
          user,
          password,
          refused: expected,
        });
    });

    test("no name leads to anything but the user of exactly that name", async () => {
      const paths = [
        "../outside",
        "../../etc/passwd",
        "./fier",
        "fier/",
        "/etc/passwd",
        "..\\outside",
        "users/fier",
        `${root}/outside`,
      ];
      const names = [
        "Fier",
        "FIER",
        "fier.toml",
        "fier.ini",
        "fier.",
        "fier ",
        " fier",
        ".fier",
        "fier\0",
        "fier\0.toml",
        "fier*",
        "*",
      ];
      const odd = [
        nfd,
        "..",
        ".",
        "con",
        "nul",
        "constructor",
        "__proto__",
        "toString",
        "fier,",
        "\ud800",
        "x".repeat(5000),
      ];
      for (const name of [...paths, ...names, ...odd]) {
        for (const password of ["123", "accent"])
          expect({ name, refused: await refusal(name, password) }).toEqual({
            name,
            refused: expect.stringMatching(/^unauthorized: /) as never,
          });
      }
      expect((await login(nfc, "accent")).user).toBe(nfc);
    }, 60_000); // a program for each

    test("logins at the same time are each answered for themselves", async () => {
      const all = Array.from({ length: 30 }, (_, index) => {
        const [user, password] = Object.entries(users)[index % Object.keys(users).length];
        const address = `198.51.100.${index}`;
        return index % 3 === 0
          ? refusal(user, `${password}x`, address)
          : login(user, password, address).then((grant) => grant.user === user);
      });
      const answers = await Promise.all(all);
      for (const [index, answer] of answers.entries()) {
        if (index % 3 === 0) expect(answer).toStartWith("unauthorized: ");
        else expect(answer).toBe(true);
      }
    });
  });
}
