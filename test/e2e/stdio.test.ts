// What a shell hands to the program: descriptors that are closed, full or half read, pipes in place of files, and the
// variables of the runtime that the binary is built with.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { standIn } from "../client/standin.ts";
import { deadlineMs, program, Run, TestServer } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const folder = mkdtempSync(join(tmpdir(), "fstream-stdio-"));
afterAll(() => rmSync(folder, { recursive: true }));
const linux = test.skipIf(process.platform !== "linux");

/** Runs a script of bash in `folder`; `fstream` in it is the program. */
async function shell(script: string, environment: Record<string, string> = {}) {
  const words = program.map((word) => `'${word}'`).join(" ");
  const child = Bun.spawn(["bash", "-c", `fstream() { ${words} "$@"; }\n${script}`], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH ?? "", ...environment },
  });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

function tokenServer() {
  return standIn(async (peer) => {
    await peer.frame("ok,token=abc,expires=120");
    peer.fin();
  });
}

linux("a result that can't be written is a failure with its reason", async () => {
  await using server = tokenServer();
  mkdirSync(join(folder, "users"));
  writeFileSync(join(folder, "users", "fier.toml"), 'password = "x"');
  for (const call of ["--version", "--help", "help watch", "user list", `${server.address} token`]) {
    for (const [target, reason] of [
      [">/dev/full", "no space left on the device"],
      [">&-", "it is closed"],
    ]) {
      expect({ call, target, ...(await shell(`fstream ${call} ${target}`, fier)) }).toEqual({
        call,
        target,
        status: 1,
        stdout: "",
        stderr: `fstream: error: can't write to standard output: ${reason}\n`,
      });
    }
  }
});

linux("a stream that can't be written, or read, is a failure before anything is sent", async () => {
  await using server = standIn(() => undefined);
  expect(await shell(`fstream ${server.address} watch >&-`, fier)).toEqual({
    status: 1,
    stdout: "",
    stderr: "fstream: error: can't write to standard output: it is closed\n",
  });
  expect(await shell(`fstream ${server.address} broadcast <&-`, fier)).toEqual({
    status: 1,
    stdout: "",
    stderr: "fstream: error: can't read standard input: it is closed\n",
  });
  expect(server.requests).toEqual([]);
});

test("a folder for stdin is a failure with its reason", async () => {
  await using server = tokenServer();
  const { status, stderr } = await shell(`fstream ${server.address} broadcast < .`, fier);
  expect([status, stderr]).toEqual([1, "fstream: error: can't read standard input: it is a directory\n"]);
});

linux("what is open for writing only is no stdin, and does not hang", async () => {
  await using server = tokenServer();
  for (const script of ["fstream ADDRESS broadcast 0> written", "fstream ADDRESS broadcast 0> >(cat)"]) {
    const { status, stderr } = await shell(script.replace("ADDRESS", server.address), fier);
    expect([status, stderr]).toEqual([
      1,
      "fstream: error: can't read standard input: it is not open for reading\n",
    ]);
  }
});

test("a reader that has gone, and /dev/null, are no failures", async () => {
  const script = "fstream --version > /dev/null && { fstream --help; echo $? >&2; } | true";
  expect(await shell(script)).toEqual({ status: 0, stdout: "", stderr: "0\n" });
});

test("a broadcast of a file begins where the descriptor stands", async () => {
  const received = Promise.withResolvers<string>();
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    const bytes = await peer.finished;
    await peer.frame(`ok,bytes=${bytes.length}`);
    received.resolve(bytes.toString());
    peer.fin();
  });
  writeFileSync(join(folder, "lines"), "first\nsecond\nthird\n");
  const script = `{ read line; fstream ${server.address} broadcast; } < lines`;
  expect(await shell(script, fier)).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(await received.promise).toBe("second\nthird\n");
});

linux("an input without end does not keep a signal from being handled", async () => {
  const nowhere = standIn(() => undefined);
  const { address } = nowhere;
  nowhere.stop();
  const { status } = await shell(
    `${program.map((word) => `'${word}'`).join(" ")} ${address} broadcast --retry=10m < /dev/zero & sleep 1; kill -TERM $!; wait $!`,
    fier,
  );
  expect(status).toBe(143);
});

linux("secrets come through pipes, and what has no end is refused", async () => {
  await using server = tokenServer();
  const call = `fstream ${server.address} token --user fier --user-password-file`;
  expect((await shell(`${call} <(sleep 0.1; echo 456)`)).stdout).toBe("abc\n");
  expect((await shell(`echo 456 | ${call} /dev/stdin`)).stdout).toBe("abc\n");
  expect((await shell(`mkfifo pipe; (echo 456 > pipe) & ${call} pipe`)).stdout).toBe("abc\n");
  expect(server.requests).toEqual(
    Array.from({ length: 3 }, () => expect.stringContaining(",user_password=456,")),
  );
  expect(await shell(`${call} /dev/zero`)).toMatchObject({
    status: 1,
    stderr: "fstream: error: can't read /dev/zero: it is larger than 64 KiB\n",
  });
});

test("a password in an address is not repeated", async () => {
  for (const call of ["fier:hunter2@relay.example", "watch fier:hunter2@relay.example"]) {
    const { status, stderr } = await shell(`fstream ${call}`);
    expect(status).toBe(2);
    expect(stderr).toContain("...@relay.example");
    expect(stderr).not.toContain("hunter2");
  }
  const { stderr } = await shell("fstream relay.example watch fier:hunter2@relay.example");
  expect(stderr).toContain("unexpected argument: ...@relay.example");
  expect(stderr).not.toContain("hunter2");
});

linux(
  "what is no regular file in the server's folders is passed over with a warning, and holds nothing up",
  async () => {
    const place = join(folder, "server");
    mkdirSync(join(place, "users"), { recursive: true });
    mkdirSync(join(place, "state"));
    symlinkSync("/proc/kmsg", join(place, "users", "log.toml"));
    expect(Bun.spawnSync(["mkfifo", join(place, "users", "pipe.toml")]).exitCode).toBe(0);
    expect(Bun.spawnSync(["mkfifo", join(place, "state", "self-signed.pem")]).exitCode).toBe(0);
    writeFileSync(join(place, "fstream.toml"), '[server]\nlisten = ""\nhttps_listen = "127.0.0.1:0"\n');
    const checked = await shell("cd server && fstream check");
    expect(checked.status).toBe(1);
    expect(checked.stderr).toMatch(/log\.toml: can't be read: /);
    expect(checked.stderr).toContain("pipe.toml: can't be read: it is a FIFO, not a regular file\n");
    const served = await shell("cd server && fstream serve");
    expect(served.status).toBe(1);
    expect(served.stderr).toContain("self-signed.pem: it is a FIFO, not a regular file\n");
  },
);

linux("a login whose file is a link into /proc is refused, and the next one is not", async () => {
  const server = await TestServer.start();
  symlinkSync("/proc/kmsg", join(server.folder, "users", "log.toml"));
  for (let i = 0; i < 8; i++) {
    const refused = await new Run([server.address, "token"], {
      ...fier,
      fserv_arg_user: "log",
    }).outcome();
    expect(refused.status).toBe(3);
  }
  expect((await new Run([server.address, "token"], fier).outcome()).status).toBe(0);
  expect(await server.stop()).toBe(0);
});

test.skipIf(process.env.FSTREAM_BIN === undefined)("BUN_OPTIONS has no say in the binary", async () => {
  writeFileSync(join(folder, "preloaded.js"), 'console.error("preloaded")');
  const preload = join(folder, "preloaded.js");
  const plain = await shell("fstream --version", {});
  expect(plain).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`fstream ${version} `),
    stderr: "",
  });
  for (const options of [
    `--preload ${preload}`,
    `--preload=${preload}`,
    `-r ${preload}`,
    `--import ${preload}`,
    "--help",
    "--revision",
    "--config=/none",
    "-- --help",
  ]) {
    expect({ options, ...(await shell("fstream --version", { BUN_OPTIONS: options })) }).toEqual({
      options,
      ...plain,
    });
  }
});
