// Disks that are full, and folders that can't be read: what fails says so, leaves nothing behind, and what is under way goes on.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deadlineMs, program, Run, TestServer, until, untimed } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const succeeds = (...command: string[]) => {
  try {
    return Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
  } catch {
    return false; // there is no such program
  }
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fstream-disk-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!succeeds("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"))(
  "on a disk that is full",
  () => {
    /** Runs it where `folder` is such a disk with a user's file on it, and lists then what is there. */
    const onFullDisk = [
      "unshare",
      "-rm",
      "sh",
      "-c",
      `mount -t tmpfs -o size=8k tmpfs "$0"
     echo 'password = "the old one"' > "$0/ann.toml"
     head -c 9k /dev/zero > "$0/fill" 2> /dev/null
     "$@"
     status=$?
     echo "left:" $(ls -A "$0") "$(cat "$0/ann.toml")" >&2
     exit $status`,
    ];
    const left = 'left: ann.toml fill password = "the old one"\n';

    test("no certificate is made, the server says why, and half a file is not left", async () => {
      const run = new Run(["serve", "--listen", "127.0.0.1:0", "--state-dir", folder], {}, [
        ...onFullDisk,
        folder,
      ]);
      const { status, stderr } = await run.outcome();
      expect({ status, stderr: untimed(stderr) }).toEqual({
        status: 1,
        stderr:
          `fstream: no settings file: using defaults\nfstream: error: can't save a certificate in ${folder}/self-signed.pem: no space left on the device\n` +
          `fstream: hint: set state_dir to a folder this user can write to, or set tls_cert and tls_key\n${left}`,
      });
    });

    test.each([
      ["add", "bob"],
      ["passwd", "ann"],
    ])("user %s changes nothing and says why", async (verb, name) => {
      const run = new Run(["user", verb, name, "--plain", "--users-dir", folder], {}, [
        ...onFullDisk,
        folder,
      ]);
      await run.finish("another one\n");
      expect(await run.outcome()).toMatchObject({
        status: 1,
        stderr: `fstream: error: ${folder}/${name}.toml can't be written: no space left on the device\n${left}`,
      });
    });
  },
);

/** Root may read everything: then the server runs as one who may not. */
const asNobody =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
/** The same, the last argument being the settings file, whose folder it has to get at. */
const servedByNobody = [
  "sh",
  "-c",
  `for last; do :; done; chmod 755 "$(dirname "$last")"; exec "$@"`,
  "sh",
  ...asNobody,
];

describe.skipIf(!succeeds(...asNobody, ...program, "--version"))("where it can't be read", () => {
  test("a state folder keeps the server from starting, which says why", async () => {
    const state = join(folder, "state");
    mkdirSync(state);
    chmodSync(state, 0);
    chmodSync(folder, 0o755);
    const args = ["serve", "--listen", "127.0.0.1:0", "--state-dir", state];
    const { status, stderr } = await new Run(args, {}, asNobody).outcome();
    expect([status, stderr.split("\n")[1]]).toEqual([
      1,
      `fstream: error: can't save a certificate in ${state}/self-signed.pem: permission denied`,
    ]);
  });

  test("a users folder, or one user's file, keeps nobody out who is in, and is named in the log", async () => {
    const server = await TestServer.start({
      listeners: { listen: "127.0.0.1:0" },
      server: 'https_listen = ""',
      under: servedByNobody,
    });
    const users = join(server.folder, "users");
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 1);
    const broadcaster = server.broadcast();
    await broadcaster.send("before ");
    await until("the first bytes come", () => watcher.length === 7);
    const token = async (user: string, password: string) =>
      await server.call("token", { fserv_arg_user: user, fserv_arg_user_password: password }).exit();
    expect(await token("ann", "abc")).toBe(0);

    chmodSync(users, 0);
    expect(await token("ann", "abc")).toBe(1);
    await server.says(/the users folder can't be read: permission denied\n/);
    chmodSync(users, 0o755);
    expect(await token("ann", "abc")).toBe(0);

    chmodSync(join(users, "fier.ini"), 0);
    expect(await token("fier", "123")).toBe(3);
    await server.says(/fier can't log in: can't be read: permission denied\n/);
    expect(await token("ann", "abc")).toBe(0);
    chmodSync(join(users, "fier.ini"), 0o644);
    expect(await token("fier", "123")).toBe(0);

    await broadcaster.finish("and after");
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stdout: "before and after" });
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("a bug in fstream");
  });
});
