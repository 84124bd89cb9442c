// `fstream user`: what it writes, what it says, what it refuses. Where a password is hashed for real a test
// takes a tenth of a second; the others store it plain.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driver, run } from "./run.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "fstream-user-"));
});
afterEach(() => rm(cwd, { recursive: true }));

const put = (name: string, text: string) => Bun.write(join(cwd, name), text);
const read = (name: string) => Bun.file(join(cwd, name)).text();

test("a user is added with the hash of the password, readable by its owner alone", async () => {
  const { status, stdout, stderr } = await run(cwd, ["user", "add", "fier"], "a b,c\nrest\n");
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  expect(stderr).toBe(`fstream: added fier: ${join(cwd, "users/fier.toml")}\n`);
  const hash = /^password_hash = "(\$argon2id\$[^"]+)"\n$/.exec(await read("users/fier.toml"))?.[1] ?? "";
  expect(await Bun.password.verify("a b,c", hash)).toBe(true);
  if (process.platform !== "win32")
    expect((await stat(join(cwd, "users/fier.toml"))).mode & 0o777).toBe(0o600);
});

test("the password comes from a file, or from all of stdin, without one trailing newline", async () => {
  await put("secret", "päss\n\n");
  const flags = ["--plain", "--users-dir", "people", "--channels", "default, cam*"];
  expect((await run(cwd, ["user", "add", "fier", ...flags, "--password-file", "secret"])).status).toBe(0);
  expect(await read("people/fier.toml")).toBe('password = "päss\\n"\nchannels = ["default", "cam*"]\n');
  expect((await run(cwd, ["user", "add", "zoe", ...flags, "--password-file", "-"], "x\ny\r\n")).status).toBe(
    0,
  );
  expect(await read("people/zoe.toml")).toStartWith('password = "x\\ny"\n');
});

test("the folder is the one of the settings file", async () => {
  await put("conf/relay.toml", '[fstream]\nusers_dir = "people"\n');
  expect(
    (await run(cwd, ["user", "add", "fier", "--plain", "--config", "conf/relay.toml"], "x\n")).status,
  ).toBe(0);
  expect(await readdir(join(cwd, "conf/people"))).toEqual(["fier.toml"]);
  await put("conf/relay.toml", "[fstream]\nuser_dir = 1\n");
  const { status, stderr } = await run(cwd, ["user", "list", "--config", "conf/relay.toml"]);
  expect(status).toBe(1);
  expect(stderr).toContain("did you mean users_dir?");
});

test("a folder that the server does not ask has to be named", async () => {
  await put("fstream.toml", '[auth]\nauthenticator = "http"\nurl = "http://127.0.0.1:8080/auth?key=k"\n');
  const { status, stderr } = await run(cwd, ["user", "add", "fier", "--plain"], "x\n");
  expect([status, stderr]).toEqual([
    1,
    "fstream: error: logins are checked by the service at 127.0.0.1:8080, not by a users folder\n" +
      "fstream: hint: use --users-dir DIR to manage a folder anyway\n",
  ]);
  const named = await run(cwd, ["user", "add", "fier", "--plain", "--users-dir", "people"], "x\n");
  expect([named.status, await readdir(join(cwd, "people"))]).toEqual([0, ["fier.toml"]]);
});

test("what a user may watch is set, and kept, as its channels are", async () => {
  const flags = ["--plain", "--may-watch", "fier/*, */default"];
  expect((await run(cwd, ["user", "add", "ann", ...flags], "x\n")).status).toBe(0);
  expect(await read("users/ann.toml")).toBe('password = "x"\nmay_watch = ["fier/*", "*/default"]\n');
  await run(cwd, ["user", "passwd", "ann", "--plain"], "y\n");
  expect(await read("users/ann.toml")).toBe('password = "y"\nmay_watch = ["fier/*", "*/default"]\n');
  await run(cwd, ["user", "passwd", "ann", "--plain", "--may-watch=*/*"], "y\n");
  expect(await read("users/ann.toml")).toBe('password = "y"\nmay_watch = ["*/*"]\n');
});

test("disabling a user sets enabled in its file, and leaves the rest of it as it is", async () => {
  await put("users/ann.toml", '# Ann\npassword = "x" # plain\n');
  await put("users/bob.toml", 'password = "x"\nenabled = true # since May\n');
  await put("users/cat.ini", "# Cat\r\n[other]\r\na=1\r\n[DEFAULT]\r\n  Password: x;y\r\n");
  await put("users/dan.ini", "[DEFAULT]\nenabled: Yes\npassword=x\n");
  for (const name of ["ann", "bob", "cat", "dan"]) {
    expect((await run(cwd, ["user", "disable", name])).stderr).toStartWith(
      `fstream: disabled ${name}: ${cwd}`,
    );
    expect(await run(cwd, ["user", "disable", name])).toMatchObject({
      status: 0,
      stderr: `fstream: ${name} is disabled already\n`,
    });
  }
  expect((await run(cwd, ["user", "list"])).stdout).toBe(
    ["ann", "bob", "cat", "dan"].map((name) => `${name}\tdisabled\n`).join(""),
  );
  expect(await read("users/ann.toml")).toBe('# Ann\nenabled = false\npassword = "x" # plain\n');
  expect(await read("users/bob.toml")).toBe('password = "x"\nenabled = false # since May\n');
  expect(await read("users/cat.ini")).toBe(
    "# Cat\r\n[other]\r\na=1\r\n[DEFAULT]\r\n  enabled = false\r\n  Password: x;y\r\n",
  );
  expect(await read("users/dan.ini")).toBe("[DEFAULT]\nenabled: false\npassword=x\n");
  expect((await run(cwd, ["user", "enable", "dan"])).status).toBe(0);
  expect(await read("users/dan.ini")).toBe("[DEFAULT]\nenabled: true\npassword=x\n");
});

test("a file that is no user's, and one that can't be changed safely, stay as they are", async () => {
  await put("users/ann.toml", "rubbish");
  expect(await run(cwd, ["user", "disable", "ann"])).toMatchObject({ status: 1 });
  expect(await read("users/ann.toml")).toBe("rubbish");
  const odd = 'password = """\nenabled = true\n"""\n"en\\u0061bled" = true\n';
  await put("users/bob.toml", odd);
  const { status, stderr } = await run(cwd, ["user", "disable", "bob"]);
  expect([status, stderr]).toEqual([
    1,
    `fstream: error: ${join(cwd, "users/bob.toml")} can't be changed\nfstream: hint: write enabled = false into it with an editor\n`,
  ]);
  expect(await read("users/bob.toml")).toBe(odd);
});

test("a user that is there already, in whichever file, is not added again", async () => {
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  await put("users/zoe.toml", "rubbish");
  for (const name of ["fier", "zoe"]) {
    const { status, stderr } = await run(cwd, ["user", "add", name, "--plain"], "x\n");
    expect(status).toBe(1);
    expect(stderr).toBe(
      `fstream: error: user ${name} already exists\nfstream: hint: \`fstream user passwd ${name}\` changes the password\n`,
    );
  }
  expect((await readdir(join(cwd, "users"))).sort()).toEqual(["fier.ini", "zoe.toml"]);
  expect(await read("users/zoe.toml")).toBe("rubbish");
});

test("a new password leaves channels and being switched off as they are", async () => {
  await put("users/fier.toml", 'password = "old"\nchannels = ["a"]\nenabled = false\n');
  expect((await run(cwd, ["user", "passwd", "fier", "--plain"], "new\n")).status).toBe(0);
  expect(await read("users/fier.toml")).toBe('password = "new"\nchannels = ["a"]\nenabled = false\n');
  expect((await run(cwd, ["user", "passwd", "fier", "--plain", "--channels=*"], "new\n")).status).toBe(0);
  expect(await read("users/fier.toml")).toBe('password = "new"\nchannels = ["*"]\nenabled = false\n');
});

test("an empty list of channels, which could mean all or none, is refused before a password is asked for", async () => {
  for (const flag of ["--channels=", "--channels= , ", "--may-watch="]) {
    const { status, stderr } = await run(cwd, ["user", "add", "zoe", "--plain", flag], "new\n");
    expect({ flag, status }).toEqual({ flag, status: 2 });
    expect(stderr).toMatch(/error: --[a-z-]+ is empty\nfstream: hint: .*\*/);
  }
  expect(await Bun.file(join(cwd, "users/zoe.toml")).exists()).toBe(false);
});

test("a pattern that no channel can match is refused before a password is asked for", async () => {
  await put("users/zoe.toml", 'password = "old"\n');
  for (const action of ["add fier", "passwd zoe"]) {
    const { status, stderr } = await run(
      cwd,
      ["user", ...action.split(" "), "--may-watch", "*/a,fier"],
      "new\n",
    );
    expect([status, stderr]).toEqual([
      2,
      'fstream: error: --may-watch: "fier" matches no channel: write fier/* for all channels of fier, or fier/CHANNEL for one\n',
    ]);
  }
  expect(await readdir(join(cwd, "users"))).toEqual(["zoe.toml"]);
  expect(await read("users/zoe.toml")).toBe('password = "old"\n');
});

test("a new password for a user of the original's kind takes the .ini file's place, and says so", async () => {
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  const { status, stderr } = await run(cwd, ["user", "passwd", "fier", "--plain"], "new\n");
  expect(status).toBe(0);
  expect(stderr).toContain(`fstream: removed ${join(cwd, "users/fier.ini")}, which it replaces\n`);
  expect(await readdir(join(cwd, "users"))).toEqual(["fier.toml"]);
});

test("a file with something wrong in it is not written over", async () => {
  await put("users/fier.toml", 'password = "old"\nchanels = ["a"]\n');
  const { status, stderr } = await run(cwd, ["user", "passwd", "fier", "--plain"], "new\n");
  expect(status).toBe(1);
  expect(stderr).toContain("unknown key chanels");
  expect(await read("users/fier.toml")).toContain("old");
});

test("a removed user's files are gone, whatever stood in them", async () => {
  await put("users/fier.toml", "rubbish");
  await put("users/fier.ini", "rubbish");
  await put("users/zoe.ini", "rubbish");
  expect((await run(cwd, ["user", "remove", "fier"])).status).toBe(0);
  expect(await readdir(join(cwd, "users"))).toEqual(["zoe.ini"]);
});

test("a user that is not there can't be changed or removed", async () => {
  for (const action of ["passwd", "remove"]) {
    const { status, stderr } = await run(cwd, ["user", action, "fier"], "x\n");
    expect(status).toBe(1);
    expect(stderr).toStartWith(`fstream: error: no user fier in ${join(cwd, "users")}\n`);
  }
});

test("the list is one name a line for scripts, with a word behind that of a disabled user, and JSON where asked for", async () => {
  await put("users/zoe.toml", 'password = "x"\nchannels = ["a", "b*"]\nmay_watch = ["a/*"]\nenabled = false');
  await put("users/adam.ini", "[DEFAULT]\npassword=x");
  await put("users/broken.ini", "");
  const { status, stdout, stderr } = await run(cwd, ["user", "list"]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: "adam\nzoe\tdisabled\n" });
  expect(stderr).toBe(
    "fstream: warning: 1 more is not valid\nfstream: hint: `fstream check` shows what is wrong\n",
  );
  expect(JSON.parse((await run(cwd, ["user", "list", "--json"])).stdout)).toEqual([
    { user: "adam", password: "plain", channels: null, may_watch: null, enabled: true },
    { user: "zoe", password: "plain", channels: ["a", "b*"], may_watch: ["a/*"], enabled: false },
  ]);
});

test("del, delete and rm remove a user too", async () => {
  for (const word of ["del", "delete", "rm"]) {
    await run(cwd, ["user", "add", "zoe"], "secret\n");
    expect((await run(cwd, ["user", word, "zoe"])).status).toBe(0);
    expect(await readdir(join(cwd, "users"))).toEqual([]);
  }
});

test("a password that is too long for any request is refused", async () => {
  for (const argv of [
    ["add", "fier"],
    ["passwd", "zoe"],
  ]) {
    await run(cwd, ["user", "add", "zoe"], "short\n");
    const { status, stderr } = await run(cwd, ["user", ...argv], `${"x".repeat(5000)}\n`);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^fstream: error: the password is \d+ bytes too long\n$/),
    ]);
  }
  expect(await readdir(join(cwd, "users"))).toEqual(["zoe.toml"]);
  expect((await run(cwd, ["user", "passwd", "zoe"], `${"x".repeat(4000)}\n`)).status).toBe(0);
  await run(cwd, ["user", "remove", "zoe"]);
});

test("empty passwords, bad names and wrong calls are refused before anything is written", async () => {
  const calls: readonly [status: number, argv: string[]][] = [
    [1, ["add", "fier"]],
    [2, ["add", "../fier"]],
    [2, ["add", ".fier"]],
    [2, ["add"]],
    [2, ["add", "fier", "zoe"]],
    [2, ["list", "fier"]],
    [2, ["toString"]],
    [2, []],
    [1, ["add", "fier", "--password-file", "none"]],
  ];
  for (const [status, argv] of calls) {
    const outcome = await run(cwd, ["user", ...argv], "\n");
    expect({ argv, status: outcome.status, stdout: outcome.stdout }).toEqual({ argv, status, stdout: "" });
    expect(outcome.stderr).toStartWith("fstream: error: ");
  }
  expect((await run(cwd, ["user", "lst"])).stderr).toEndWith("fstream: hint: did you mean list?\n");
  expect(await readdir(join(cwd, "users"))).toEqual([]);
});

/** Runs the driver on a terminal of its own, typing each answer once its prompt is there. */
async function onTerminal(argv: readonly string[], answers: Readonly<Record<string, string>>) {
  let shown = "";
  const decoder = new TextDecoder();
  const asked = Object.keys(answers);
  const child = Bun.spawn([process.execPath, driver, ...argv], {
    cwd,
    terminal: {
      cols: 80,
      rows: 24,
      data(terminal, bytes) {
        shown += decoder.decode(bytes, { stream: true });
        while (asked.length > 0 && shown.includes(asked[0])) terminal.write(answers[asked.shift() ?? ""]);
      },
    },
  });
  const status = await child.exited;
  child.terminal?.close();
  return { status, shown };
}

const posix = test.skipIf(process.platform === "win32");

posix("on a terminal the password is asked for twice and not shown", async () => {
  const answers = { "Password for fier: ": "hunterX\x7f2é\r", "Repeat: ": "no\x15hunter2é\r" };
  const { status, shown } = await onTerminal(["user", "add", "fier", "--plain"], answers);
  expect(shown).toContain("added fier: ");
  expect(shown).not.toContain("hunter");
  expect(status).toBe(0);
  expect(await read("users/fier.toml")).toBe('password = "hunter2é"\n');
});

posix("two passwords that differ, Ctrl-D and Ctrl-C change nothing", async () => {
  const differ = await onTerminal(["user", "add", "fier"], {
    "Password for fier: ": "a\r",
    "Repeat: ": "b\r",
  });
  expect(differ.shown).toContain("the passwords don't match");
  const ended = await onTerminal(["user", "add", "fier"], { "Password for fier: ": "a\x04" });
  expect(ended.shown).toContain("no password given");
  const interrupted = await onTerminal(["user", "add", "fier"], { "Password for fier: ": "a\x03" });
  expect(interrupted.shown).not.toContain("error");
  expect([differ.status, ended.status, interrupted.status]).toEqual([1, 1, 130]);
  expect(await readdir(join(cwd, "users"))).toEqual([]);
});

posix("on a terminal the list is a table", async () => {
  await put("users/fier.toml", 'password = "x"\nchannels = ["a", "b*"]\nenabled = false');
  await put("users/日本.ini", "[DEFAULT]\npassword=x");
  const { shown } = await onTerminal(["user", "list"], {});
  expect(shown.replaceAll("\r", "")).toBe(
    "USER  ENABLED  PASSWORD  CHANNELS\nfier  no       plain     a, b*\n日本  yes      plain     all\n",
  );
});

posix("nothing in a user's file can draw on the terminal that lists it", async () => {
  await put("users/fier.toml", 'password = "x"\nchannels = ["a\\u001b[2J\\nroot  yes", "\\u202eb"]');
  await put("users/a\u202eb.toml", 'password = "x"');
  const { shown } = await onTerminal(["user", "list"], {});
  expect(shown.replaceAll("\r", "")).toBe(
    [
      "USER      ENABLED  PASSWORD  CHANNELS\n",
      "a\\u202eb  yes      plain     all\n",
      "fier      yes      plain     a\\x1b[2J\\x0aroot  yes, \\u202eb\n",
    ].join(""),
  );
  const { stdout } = await run(cwd, ["user", "list", "--json"]);
  expect(stdout).toMatch(/^[ -~\n]*$/);
  expect(JSON.parse(stdout)[1].channels).toEqual(["a\u001b[2J\nroot  yes", "\u202eb"]);
  expect((await run(cwd, ["user", "list"])).stdout).toBe("a\u202eb\nfier\n");
});

posix("a password is one line of stdin, and what follows is left for another program", async () => {
  for (const stdin of ["printf 'one\\ntwo\\nthree\\n' |", ""]) {
    await put("lines", "one\ntwo\nthree\n");
    const add = `"${process.execPath}" "${driver}" user add fier --plain; cat`;
    const script = stdin === "" ? `{ ${add}; } < lines` : `${stdin} { ${add}; }`;
    const child = Bun.spawn(["sh", "-c", script], { cwd, stdout: "pipe", stderr: "inherit" });
    expect(await child.stdout.text()).toBe("two\nthree\n");
    expect(await read("users/fier.toml")).toBe('password = "one"\n');
    await rm(join(cwd, "users/fier.toml"));
  }
});

test("a first line without an end is refused, not gathered", async () => {
  const { status, stderr } = await run(cwd, ["user", "add", "fier", "--plain"], "x".repeat(70_000));
  expect(status).toBe(1);
  expect(stderr).toBe("fstream: error: can't read standard input: the first line is longer than 64 KiB\n");
});
