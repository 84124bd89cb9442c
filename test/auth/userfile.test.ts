// What a user's file may say, and that a file with anything wrong in it is no user.

import { expect, test } from "bun:test";
import { type Ending, type Problem, problemText, readUserFile } from "../../src/auth/userfile.ts";

const hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";

function read(text: string, ending: Ending = ".toml") {
  return readUserFile("fier", ending, new TextEncoder().encode(text));
}

test("a password alone lets the user broadcast everywhere", () => {
  const user = {
    name: "fier",
    secret: { kind: "plain", password: "a;b #c" },
    channels: undefined,
    enabled: true,
  };
  expect(read('password = "a;b #c"\n')).toEqual({ user } as never);
  expect(read("[DEFAULT]\npassword=a;b #c\n", ".ini")).toEqual({ user } as never);
  expect(read('\ufeff# mine\r\npassword = "a;b #c"\r\n')).toEqual({ user } as never);
});

test("an empty list of channels is none, as for one that only watches", () => {
  expect(read('password = "x"\nchannels = []\nmay_watch = []\n')).toMatchObject({
    user: { channels: [], mayWatch: [] },
  });
});

test("a hash, channels and being switched off are read", () => {
  const user = {
    name: "fier",
    secret: { kind: "hash", hash },
    channels: ["default", "cam*"],
    enabled: false,
  };
  expect(read(`password_hash = "${hash}"\nchannels = ["default", "cam*"]\nenabled = false\n`)).toEqual({
    user,
  } as never);
  expect(read(`[DEFAULT]\npassword_hash=${hash}\nchannels = default, cam*\nenabled=OFF`, ".ini")).toEqual({
    user,
  } as never);
});

test("an .ini file may say more, as the original's may; a .toml file may not", () => {
  expect(read("[DEFAULT]\npassword=x\nquota=7\n[other]\npassword=y\n", ".ini")).toHaveProperty("user");
  expect(read('password = "x"\nquota = 7\n')).toEqual({
    problem: "unknown key quota: the keys are password, password_hash, channels, may_watch, enabled",
    line: 2,
  });
});

test("an unknown key that looks like a known one is reported with its line, and in an .ini file only that", () => {
  const slip = { problem: "unknown key chanels: did you mean channels?" };
  expect(read('password = "x"\n\n"chanels" = ["a"]\n')).toEqual({ ...slip, line: 3 });
  const found = read("[DEFAULT]\npassword=x\nChanels=a\n", ".ini");
  expect(found).toMatchObject({ user: { channels: undefined }, slips: [{ ...slip, line: 3 }] });
});

test("a file with anything wrong in it is no user", () => {
  const wrong: readonly [text: string, problem: RegExp, ending?: Ending][] = [
    ["", /^no password/],
    ['password = ""', /^line 1: password must not be empty/],
    ["password = 123", /^line 1: password must be a string/],
    ['password_hash = ""', /^line 1: password_hash must be an argon2id hash/],
    [
      `password_hash = "${hash.replace("argon2id", "argon2i")}"`,
      /^line 1: password_hash must be an argon2id hash/,
    ],
    [`password = "x"\npassword_hash = "${hash}"`, /^line 2: both password and password_hash/],
    ['password = "x"\nenabled = "no"', /^line 2: enabled must be true or false/],
    ['password = "x"\nchannels = "default"', /^line 2: channels must be a list/],
    ['password = "x"\nchannels = ["a", 1]', /^line 2: channels must be a list/],
    ['password = "x"\nchannels = [""]', /^line 2: channels must be a list/],
    ['password = "x"\nmay_watch = "fier/*"', /^line 2: may_watch must be a list/],
    [
      'password = "x"\nmay_watch = ["*", "fier"]',
      /^line 2: may_watch: "fier" matches no channel: write fier\/\* .* or fier\/CHANNEL/,
    ],
    [
      'password = "x"\nmay_watch = ["fier/"]',
      /^line 2: may_watch: "fier\/" matches no channel: write fier\/\*/,
    ],
    [
      'password = "x"\nmay_watch = ["/cam"]',
      /^line 2: may_watch: "\/cam" matches no channel: write USER\/\*/,
    ],
    ["[DEFAULT]\npassword=x\nmay_watch=zoe/a, fier\n", /^line 3: may_watch: "fier" matches/, ".ini"],
    ['\npassword = "hunter2', /^line 2: not valid TOML$/],
    ["[DEFAULT]\n", /^no password/, ".ini"],
    ["[DEFAULT]\npassword=\n", /^line 2: password must not be empty/, ".ini"],
    ["[default]\npassword=x\n", /^no password/, ".ini"],
    ["password=x\n", /^line 1: a line before any section/, ".ini"],
    ["[DEFAULT]\npassword=x\nenabled=maybe\n", /^line 3: enabled must be/, ".ini"],
    ["[DEFAULT]\npassword=x\nenabled=toString\n", /^line 3: enabled must be/, ".ini"],
    ["[DEFAULT]\npassword=x\nchannels=a,,b\n", /^line 3: channels must be a list/, ".ini"],
  ];
  for (const [text, problem, ending] of wrong)
    expect({ text, problem: problemText(read(text, ending) as Problem) }).toEqual({
      text,
      problem: expect.stringMatching(problem),
    });
  expect(readUserFile("fier", ".toml", new Uint8Array([0xff, 0xfe]))).toEqual({ problem: "not UTF-8 text" });
});

test("a pattern of what may be watched is one that can match, with a slash or without", () => {
  for (const pattern of ["fier/default", "fier/a/b", "fier/*", "*/default", "*", "fier*", "*cam", "fier/*/"])
    expect(read(`password = "x"\nmay_watch = ["${pattern}"]\n`)).toMatchObject({
      user: { mayWatch: [pattern] },
    });
});

test("no problem quotes the secret", () => {
  for (const text of ['password = "hunter2', "password = hunter2", "password = 'hunter2'\nenabled = hunter2"])
    expect(JSON.stringify(read(text))).not.toContain("hunter2");
  for (const text of ["[DEFAULT]\nhunter2\n", "[DEFAULT]\npassword=x\nmay_watch=fier\n password=hunter2\n"])
    expect(JSON.stringify(read(text, ".ini"))).not.toContain("hunter2");
  expect(read("[DEFAULT]\npassword=x\nmay_watch=fier\n password=hunter2\n", ".ini")).toMatchObject({
    problem:
      "may_watch: a pattern matches no channel: write USER/* for all channels of USER, or USER/CHANNEL for one",
  });
});
