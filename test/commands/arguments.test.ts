import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argumentFlags, type Verb } from "../../src/commands/arguments.ts";
import type { Invocation } from "../../src/commands/command.ts";
import { readArguments, requirePassword } from "../../src/commands/readarguments.ts";
import { FstreamError } from "../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "fstream-arguments-"));
afterAll(() => rmSync(folder, { recursive: true }));

function nothing(): void {}

async function read(verb: Verb, environment: Record<string, string>, flags: Invocation["flags"] = {}) {
  const hints: string[] = [];
  const terminal = {
    say: nothing,
    error: nothing,
    hint: (text: string) => hints.push(text),
    print: () => true,
    columns: 80,
    rows: undefined,
  };
  const found = await readArguments(verb, { flags, operands: [], environment, cwd: folder, terminal });
  return { found: [...found], hints };
}

/** Every argument of the protocol, exported. */
const everything = {
  fserv_arg_user: "fier",
  fserv_arg_user_password: "123",
  fserv_arg_token: "t",
  fserv_arg_channel: "c",
  fserv_arg_channel_password: "456",
  fserv_arg_watcher: "ann",
  fserv_arg_watcher_password: "789",
  fserv_arg_bufsize: "7",
  fserv_arg_start: "live",
  fserv_arg_wait: "5",
  fserv_arg_lag: "skip",
  fserv_arg_reply: "0",
  HOME: "/",
};

async function names(verb: Verb): Promise<string> {
  return (await read(verb, everything)).found.map(([name]) => name).join(" ");
}

test("each verb sends its own arguments alone, whatever was exported for the others", async () => {
  expect(await names("watch")).toBe("user channel channel_password watcher watcher_password start wait lag");
  expect(await names("broadcast")).toBe("user user_password token channel channel_password bufsize");
  expect(await names("token")).toBe("user user_password");
  for (const verb of ["watch", "broadcast", "token"] as const)
    expect((await read(verb, everything)).hints).toEqual([]);
});

async function password(flags: Invocation["flags"]): Promise<string | undefined> {
  return new Map((await read("token", everything, flags)).found).get("user_password");
}

test("a flag beats a file, a file beats the environment, and what is empty is as if left out", async () => {
  writeFileSync(join(folder, "secret"), "from file\n");
  expect(await password({})).toBe("123");
  expect(await password({ "user-password-file": "secret" })).toBe("from file");
  expect(await password({ "user-password": "from flag" })).toBe("from flag");
  expect(await password({ "user-password": "" })).toBeUndefined();
});

test("a file for a secret that is empty is named, for a channel as well, which would be open to all", async () => {
  writeFileSync(join(folder, "empty"), "\n");
  for (const flag of ["user-password-file", "channel-password-file"]) {
    const error = await read("broadcast", everything, { [flag]: "empty" }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "failed", message: `--${flag} empty is empty`, hint: undefined });
  }
});

test("what is too long for a request is refused by name, and not shown", async () => {
  const long = "x".repeat(5000);
  const refusals: readonly [Verb, Record<string, string>, Invocation["flags"], string][] = [
    ["broadcast", { fserv_arg_user_password: long }, {}, "fserv_arg_user_password is too long: 5000 bytes"],
    ["watch", {}, { "channel-password": long }, "--channel-password is too long: 5000 bytes"],
    ["watch", {}, { user: "é".repeat(2100) }, "--user is too long: 4200 bytes"],
    ["token", {}, { "user-password": `,${"%".repeat(2000)}` }, "--user-password is too long: 2001 bytes"],
    ["broadcast", { fserv_arg_extra: long }, {}, "fserv_arg_extra is too long: 5000 bytes"],
  ];
  for (const [verb, environment, flags, words] of refusals) {
    const error = await read(verb, { fserv_arg_user: "fier", ...environment }, flags).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({
      code: "failed",
      message: `${words}, but a request can have at most 4096`,
    });
  }
  // Beside a token it is not sent.
  const { found } = await read("broadcast", { ...everything, fserv_arg_user_password: long });
  expect(found.length).toBe(6);
});

test("a secret can't be given twice, nor come from the stdin that is broadcast", async () => {
  const both = read("token", everything, { "user-password": "a", "user-password-file": "secret" });
  expect(await both.catch((error: unknown) => error)).toMatchObject({ code: "usage" });
  const stdin = read("broadcast", everything, { "channel-password-file": "-" });
  expect(await stdin.catch((error: unknown) => error)).toMatchObject({ code: "usage" });
});

test("what is unknown is passed on, with one hint where it looks like a slip", async () => {
  const { found, hints } = await read("broadcast", {
    fserv_arg_user: "fier",
    fserv_arg_quality: "high",
    fserv_arg_user_channel: "default",
    fserv_arg_chanel: "x",
    fserv_arg_empty: "",
  });
  expect(found).toEqual([
    ["user", "fier"],
    ["quality", "high"],
    ["user_channel", "default"],
    ["chanel", "x"],
  ]);
  expect(hints).toEqual([
    "unknown variable fserv_arg_user_channel: did you mean fserv_arg_channel?",
    "unknown variable fserv_arg_chanel: did you mean fserv_arg_channel?",
  ]);
});

test("what looks like a secret, and is no argument, is sent with no verb, and a hint says so", async () => {
  const names = [
    "user_passwd",
    "user_pasword",
    "channel_passwrd",
    "password",
    "channel_pw",
    "pw",
    "user_pwd",
    "my_secret",
    "my_token",
    "tokne",
    "stream_key",
    "apikey",
    "auth",
    "credentials",
    "user_passphrase",
  ];
  for (const verb of ["watch", "broadcast", "token"] as const) {
    for (const name of names) {
      const { found, hints } = await read(verb, { fserv_arg_user: "fier", [`fserv_arg_${name}`]: "hunter2" });
      expect({ verb, name, found }).toEqual({ verb, name, found: [["user", "fier"]] });
      const hint = `unknown variable fserv_arg_${name}, not sent because it looks like a secret`;
      expect(hints).toEqual([expect.stringContaining(hint)]);
    }
  }
});

test("what only resembles the name of a secret is passed on", async () => {
  const names = ["keyframe", "key_interval", "author", "spin", "pwm"];
  const environment = Object.fromEntries(names.map((name) => [`fserv_arg_${name}`, "x"]));
  const { found } = await read("broadcast", { fserv_arg_user: "fier", ...environment });
  expect(found.map(([name]) => name)).toEqual(["user", ...names]);
});

test("a name that could break out of its place is dropped", async () => {
  const names = ["a,user", "a=b", "user*", "a\nb", "ä", ""];
  const environment = Object.fromEntries(names.map((name) => [`fserv_arg_${name}`, "x"]));
  expect((await read("watch", { fserv_arg_user: "fier", ...environment })).found).toEqual([["user", "fier"]]);
});

test("a missing user or password is a usage error that names both ways to give it", async () => {
  const user = (await read("watch", {}).catch((error: unknown) => error)) as FstreamError;
  expect(user).toBeInstanceOf(FstreamError);
  expect([user.code, user.hint]).toEqual(["usage", "give --user NAME, or set fserv_arg_user"]);
  expect(() => requirePassword("token", new Map())).toThrow("token needs the user's password");
  expect(() => requirePassword("broadcast", new Map())).toThrow("or a token");
  expect(requirePassword("token", new Map([["user_password", "x"]]))).toBe("x");
});

test("each argument has a flag, and each password a file", () => {
  expect(Object.keys(argumentFlags("watch"))).toEqual([
    "user",
    "channel",
    "channel-password",
    "channel-password-file",
    "watcher",
    "watcher-password",
    "watcher-password-file",
    "start",
    "wait",
    "lag",
  ]);
  expect(Object.keys(argumentFlags("token"))).toEqual(["user", "user-password", "user-password-file"]);
});

test("how far back to begin may be written as any duration is", async () => {
  for (const [given, sent] of [
    ["10s", "10s"],
    ["90", "90000ms"],
    ["1m30s", "90000ms"],
    ["next", "next"],
  ]) {
    expect((await read("watch", {}, { user: "fier", start: given })).found).toContainEqual(["start", sent]);
  }
});

test("a chunk's size may be written as any size is, and leaves as bytes", async () => {
  for (const [given, sent] of [
    ["188", "188"],
    ["64KiB", "65536"],
    ["1.5 kB", "1500"],
    ["0", "0"],
  ]) {
    expect((await read("broadcast", {}, { user: "fier", bufsize: given })).found).toContainEqual([
      "bufsize",
      sent,
    ]);
  }
});

test("a value that no server would take is a usage error that names where it came from", async () => {
  for (const [verb, name, right] of [
    ["watch", "start", "join, next, live, or a duration such as 10s"],
    ["watch", "lag", "skip or close"],
    ["broadcast", "bufsize", "a size such as 188 or 64KiB"],
  ] as const) {
    const user = { fserv_arg_user: "fier" };
    const flag = read(verb, user, { [name]: "x" });
    expect(await flag.catch((error: unknown) => error)).toMatchObject({
      code: "usage",
      message: `--${name} must be ${right}, not "x"`,
    });
    const variable = read(verb, { ...user, [`fserv_arg_${name}`]: "x" });
    expect(await variable.catch((error: unknown) => error)).toMatchObject({
      code: "usage",
      message: `fserv_arg_${name} must be ${right}, not "x"`,
    });
  }
});

test("a password of neither kind is hinted at", async () => {
  for (const name of ["password", "pasword", "passwd"]) {
    const slip = { fserv_arg_user: "fier", [`fserv_arg_${name}`]: "123" };
    const hint = `unknown variable fserv_arg_${name}, not sent because it looks like a secret: did you mean fserv_arg_user_password (or fserv_arg_channel_password)?`;
    expect(await read("broadcast", slip)).toEqual({ found: [["user", "fier"]], hints: [hint] });
  }
});

test("a variable for what is only a flag, or one in upper case, gets a hint at the right way", async () => {
  const { found, hints } = await read("watch", {
    fserv_arg_user: "fier",
    fserv_arg_retry: "1h",
    fserv_arg_user_password_file: "/secret",
    FSERV_ARG_USER: "ann",
    FSERV_ARG_CHANNEL: "",
  });
  expect(found).toEqual([
    ["user", "fier"],
    ["retry", "1h"],
  ]);
  expect(hints).toEqual([
    "unknown variable fserv_arg_retry: use the flag --retry",
    "unknown variable fserv_arg_user_password_file, not sent because it looks like a secret: use the flag --user-password-file",
    "unknown variable FSERV_ARG_USER: did you mean fserv_arg_user?",
  ]);
});

test("the help of each argument names its variable", () => {
  for (const verb of ["watch", "broadcast", "token"] as const) {
    for (const [flag, { help }] of Object.entries(argumentFlags(verb))) {
      if (!flag.endsWith("-file")) expect(help).toEndWith(`[fserv_arg_${flag.replaceAll("-", "_")}]`);
    }
  }
});

test("a name that no server takes is a wrong call", async () => {
  for (const [flags, message] of [
    [{ channel: "a\nb" }, "--channel contains a control character"],
    [{ channel: "c".repeat(256) }, "--channel is too long: at most 255 bytes"],
    [{ user: "f\tier" }, "--user contains a control character"],
  ] as const) {
    const failure = await read("watch", { fserv_arg_user: "fier" }, flags).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "usage", message });
  }
});
