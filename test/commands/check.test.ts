// `fstream check` in a folder: what it says, and its exit status.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificates } from "../certificates.ts";
import { run } from "./run.ts";

setDefaultTimeout(60_000);

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "fstream-check-"));
});
afterEach(() => rm(cwd, { recursive: true }));

const put = async (name: string, text: string, mode = 0o600) => {
  await Bun.write(join(cwd, name), text);
  await chmod(join(cwd, name), mode);
};

test("settings and users without fault are fine, and nothing is on stdout", async () => {
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  expect(await run(cwd, ["check"])).toEqual({
    status: 0,
    stdout: "",
    stderr: "fstream: settings (no file: using defaults) and 1 user are fine\n",
  });
});

test("all that is wrong is reported at once, one line each", async () => {
  await put("relay.toml", '[fstream]\nhold = "soon"\nhld = 1\nusers_dir = "people"\n');
  await put("people/fier.ini", "[DEFAULT]\npassword=");
  await put("people/zoe.toml", "password = 1\n");
  const { status, stdout, stderr } = await run(cwd, ["check", "--config", "relay.toml"]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr.trimEnd().split("\n")).toEqual([
    expect.stringMatching(
      /^fstream: error: relay\.toml:2: hold in \[fstream\] is "soon": it must be a duration/,
    ),
    "fstream: error: relay.toml:3: unknown key hld in [fstream]: did you mean hold?",
    `fstream: error: ${join(cwd, "people/fier.ini")}:2: password must not be empty`,
    `fstream: error: ${join(cwd, "people/zoe.toml")}:1: password must be a string in quotes`,
  ]);
});

test("all that is wrong with a user's file is reported, and a secret without quotes is not shown", async () => {
  await put("users/ann.toml", 'channels = "cam"\nenabled = "no"\nchanels = []\npassword = 1\n');
  await put("users/bob.toml", "password = hunter2\n");
  const { status, stderr } = await run(cwd, ["check"]);
  const ann = `fstream: error: ${join(cwd, "users/ann.toml")}`;
  expect([status, stderr.trimEnd().split("\n")]).toEqual([
    1,
    [
      expect.stringContaining(`${ann}:1: channels must be a list`),
      `${ann}:2: enabled must be true or false, without quotes`,
      `${ann}:3: unknown key chanels: did you mean channels?`,
      `${ann}:4: password must be a string in quotes`,
      `fstream: error: ${join(cwd, "users/bob.toml")}:1: not valid TOML: strings need quotes: password = "..."`,
    ],
  ]);
});

test("of settings that can't be read nothing else is reported", async () => {
  await put("relay.toml", "[server]\nlisten = :7500\n");
  for (const [file, why] of [
    ["relay.toml", 'relay.toml:2: not valid TOML: strings need quotes: listen = "..."'],
    ["missing.toml", "missing.toml: can't be read: no such file"],
  ])
    expect(await run(cwd, ["check", "--config", file])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(new RegExp(`^fstream: error: ${why}[^\n]*\n$`)),
    });
});

test("a folder where the server could not keep its certificate is a mistake, and the check leaves nothing there", async () => {
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  await put("file", "");
  await put("relay.toml", '[server]\nstate_dir = "file/state"\n');
  expect(await run(cwd, ["check", "--config", "relay.toml"])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(
      `relay.toml:2: the state folder ${join(cwd, "file/state")} can't be written: `,
    ),
  });
  await put("relay.toml", '[server]\nstate_dir = "a/b"\n');
  expect((await run(cwd, ["check", "--config", "relay.toml"])).status).toBe(0);
  expect((await readdir(cwd)).sort()).toEqual(["file", "relay.toml", "users"]);
});

test("users that are disabled are named", async () => {
  await put("users/adam.toml", 'password = "x"\n');
  await put("users/zoe.toml", 'password = "x"\nenabled = false\n');
  expect(await run(cwd, ["check"])).toMatchObject({
    status: 0,
    stderr: "fstream: settings (no file: using defaults) and 2 users (disabled: zoe) are fine\n",
  });
});

test("a pattern of what may be watched that matches nothing is named with its file and line", async () => {
  await put("users/zoe.toml", 'password = "x"\nmay_watch = ["fier"]\n');
  expect(await run(cwd, ["check"])).toMatchObject({
    status: 1,
    stderr: `fstream: error: ${join(cwd, "users/zoe.toml")}:2: may_watch: "fier" matches no channel: write fier/* for all channels of fier, or fier/CHANNEL for one\n`,
  });
});

test("a login that is refused says why: no such user, disabled, wrong, or a file that can't be used", async () => {
  await put("users/adam.toml", 'password = "x"\n');
  await put("users/zoe.toml", 'password = "x"\nenabled = false\n');
  await put("users/broken.toml", "password = 1\n");
  for (const [name, password, why] of [
    ["ghost", "x", `no user ghost in ${join(cwd, "users")}`],
    ["adam", "y", "the password is wrong"],
    ["zoe", "x", `the user is disabled (enabled = false in ${join(cwd, "users/zoe.toml")})`],
    ["zoe", "y", `the user is disabled (enabled = false in ${join(cwd, "users/zoe.toml")})`],
    ["broken", "x", `${join(cwd, "users/broken.toml")}: line 1: password must be a string in quotes`],
  ]) {
    const { status, stderr } = await run(cwd, ["check", "--login", name], password);
    expect([status, stderr.replace(/\(\d+ ms\)/, "(N ms)").replace(/fstream: hint: .*\n/, "")]).toEqual([
      3,
      `fstream: the reason (not shown to clients): ${why}\nfstream: error: ${name} was refused: wrong user or password (N ms)\n`,
    ]);
  }
  const { stderr } = await run(cwd, ["check", "--login", "adam"], "");
  expect(stderr).not.toContain("the reason");
});

test("files that settings name are reported in the order of the lines, among all else", async () => {
  await put(
    "fstream.toml",
    '[fstream]\nusers_dir = "none"\n[server]\nadmin_token_file = "token"\nlistn = ":1"\ntls_key = "k"\ntls_cert = "c"\n',
  );
  const { stderr } = await run(cwd, ["check"]);
  expect([...stderr.matchAll(/^fstream: error: fstream\.toml:(\d)/gm)].map(([, line]) => line).join("")).toBe(
    "24567",
  );
  expect(stderr.match(/^fstream: error: /gm)).toHaveLength(5);
});

test("what is passed over in the users folder is named, but for hidden files", async () => {
  await put("users/fier.ini", "[DEFAULT]\npassword=123\nchanels=a\n");
  for (const name of ["p.TOML", "q.yaml", "fier.ini~", ".gitignore", ".x.toml"])
    await put(`users/${name}`, "x");
  const folder = join(cwd, "users");
  const { status, stderr } = await run(cwd, ["check"]);
  expect({ status, lines: stderr.trimEnd().split("\n") }).toEqual({
    status: 0,
    lines: [
      `fstream: warning: ${join(folder, "fier.ini")}:3: unknown key chanels: did you mean channels?`,
      `fstream: warning: ${folder}: ignoring fier.ini~, p.TOML, q.yaml: users' files are named NAME.toml or NAME.ini`,
      "fstream: settings (no file: using defaults) and 1 user are fine",
    ],
  });
  for (let i = 0; i < 20; i++) await put(`users/${i}.bak`, "x");
  expect((await run(cwd, ["check"])).stderr).toContain(" and 13 more: users' files");
});

test("a users folder that is not there is an error with the next step", async () => {
  const { status, stderr } = await run(cwd, ["check"]);
  expect(status).toBe(1);
  expect(stderr).toContain(`fstream: error: the users folder ${join(cwd, "users")} does not exist\n`);
  expect(stderr).toContain("fstream: hint: `fstream user add NAME` creates it\n");
});

test.skipIf(process.platform === "win32")(
  "a plain password that others can read gets a warning",
  async () => {
    const hash = await Bun.password.hash("x", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
    await put("users/ann.toml", `password_hash = "${hash}"`, 0o644);
    await put("users/fier.toml", 'password = "x"', 0o640);
    await put("users/zoe.ini", "[DEFAULT]\npassword=x", 0o644);
    const path = join(cwd, "users/zoe.ini");
    expect(await run(cwd, ["check"])).toEqual({
      status: 0,
      stdout: "",
      stderr:
        `fstream: warning: ${path}: others on this machine can read the plain-text password: chmod o= ${path}\n` +
        "fstream: settings (no file: using defaults) and 3 users are fine\n",
    });
  },
);

test("another users folder than the settings' may be examined", async () => {
  await put("people/fier.ini", "[DEFAULT]\npassword=");
  const { status, stderr } = await run(cwd, ["check", "--users-dir", "people"]);
  expect(status).toBe(1);
  expect(stderr).toBe(`fstream: error: ${join(cwd, "people/fier.ini")}:2: password must not be empty\n`);
});

test("where no user can log in there is a hint", async () => {
  await put("users/example.toml", 'enabled = false\npassword = "x"');
  const { status, stderr } = await run(cwd, ["check"]);
  expect(status).toBe(0);
  expect(stderr).toBe(
    "fstream: settings (no file: using defaults) and 1 user (disabled: example) are fine\nfstream: hint: no users yet, so nobody can broadcast: `fstream user add NAME`\n",
  );
});

test("certificate and key are looked at, and whether they belong together", async () => {
  const { loopback, elsewhere } = certificates;
  await put("fstream.toml", '[server]\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n');
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  await put("cert.pem", loopback.cert);
  await put("key.pem", loopback.key);
  expect((await run(cwd, ["check"])).stderr).toBe("fstream: settings (fstream.toml) and 1 user are fine\n");

  await put("key.pem", elsewhere.key);
  expect((await run(cwd, ["check"])).stderr).toBe(
    "fstream: error: fstream.toml:3: tls_key does not match tls_cert\n",
  );

  await put("cert.pem", "rubbish");
  await rm(join(cwd, "key.pem"));
  const { status, stderr } = await run(cwd, ["check"]);
  expect(status).toBe(1);
  expect(stderr.trimEnd().split("\n")).toEqual([
    expect.stringMatching(
      /^fstream: error: fstream\.toml:2: tls_cert: .*cert\.pem is not a PEM certificate$/,
    ),
    expect.stringMatching(/^fstream: error: fstream\.toml:3: tls_key: .*key\.pem can't be read: /),
  ]);
});

test("a certificate that has expired is reported", async () => {
  await put("fstream.toml", '[server]\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n');
  await put("cert.pem", certificates.expired.cert);
  await put("key.pem", certificates.expired.key);
  await put("users/fier.ini", "[DEFAULT]\npassword=123");
  expect((await run(cwd, ["check"])).stderr).toMatch(/cert\.pem expired on \d/);
});

test("an operand is a usage error", async () => {
  expect((await run(cwd, ["check", "fstream.toml"])).status).toBe(2);
});

test("an admin token that can't be used is an error, and one that others can read a warning", async () => {
  await put("users/fier.toml", 'password = "x"');
  await put("fstream.toml", '[server]\nadmin_token_file = "token"\n');
  const missing = await run(cwd, ["check"]);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain(`admin_token_file: ${join(cwd, "token")} can't be read: no such file`);
  await put("token", "short");
  expect((await run(cwd, ["check"])).stderr).toContain("at least 16 visible ASCII characters");
  await put("token", "0123456789abcdef\n");
  expect((await run(cwd, ["check"])).stderr).toBe("fstream: settings (fstream.toml) and 1 user are fine\n");
  if (process.platform === "win32") return;
  await put("token", "0123456789abcdef\n", 0o644);
  const { status, stderr } = await run(cwd, ["check"]);
  expect(status).toBe(0);
  expect(stderr).toContain(
    `others on this machine can read the admin token: chmod o= ${join(cwd, "token")}\n`,
  );
});

test("a hint at another command names the settings file, or the folder, that this one was given", async () => {
  await put("my relay.toml", '[fstream]\nusers_dir = "none"\n');
  const config = await run(cwd, ["check", "--config", "my relay.toml"]);
  expect(config.stderr).toEndWith("hint: `fstream user add NAME --config 'my relay.toml'` creates it\n");
  const folder = await run(cwd, ["check", "--users-dir", "people"]);
  expect(folder.stderr).toEndWith("hint: `fstream user add NAME --users-dir people` creates it\n");
});
