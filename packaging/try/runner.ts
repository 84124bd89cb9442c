// How an executable for another system runs on this one: a shell script that stands in for the program wherever one is expected, so that the
// end-to-end tests run on it (FSTREAM_BIN). Linux on other processors runs under QEMU, musl with a root of its own, Windows under Wine.

import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Runner {
  /** In words: " under QEMU". Empty: as it is. */
  readonly how: string;
  /** The script. */
  readonly program: string;
  /** For the tests: see test/e2e/program.ts and demo.test.ts. */
  readonly environment: Readonly<Record<string, string>>;
  /** To be called at the end. */
  stop(): Promise<void>;
}

/** Why it does not run here, and what would have to be there. */
export interface Missing {
  readonly missing: string;
}

const qemus: Readonly<Record<string, string>> = { arm64: "qemu-aarch64-static", x64: "qemu-x86_64-static" };
const machines: Readonly<Record<string, string>> = { arm64: "aarch64", x64: "x86_64" };

/** Prepares it in `folder`, an existing one that is its own; absolute paths. `install`: what is missing is fetched, where it can be. */
export async function runnerFor(
  target: string,
  executable: string,
  folder: string,
  install: boolean,
): Promise<Runner | Missing> {
  const [system, processor, library] = target.split("-");
  if (system === "windows" && processor === "x64" && process.platform !== "win32")
    return await wine(executable, folder, install);
  if (system !== process.platform && !(system === "windows" && process.platform === "win32"))
    return { missing: `it runs on ${system} alone` };
  if (system !== "linux")
    return processor === process.arch ? direct(executable, folder) : { missing: "another processor" };

  // On Alpine itself that is where it is installed.
  const isOwn = processor === process.arch && (library === undefined || existsSync("/etc/alpine-release"));
  if (isOwn) return direct(executable, folder);
  const root = rootFor(processor, library, folder);
  const needs = [
    ...(processor === process.arch ? [] : [[qemus[processor], "qemu-user-static"]]),
    ...(library === undefined ? [[join(root, "lib/ld-linux-aarch64.so.1"), "libc6-arm64-cross"]] : []),
  ];
  const missing = await provide(needs, install);
  if (missing !== "") return { missing };
  const musl = join(root, `lib/ld-musl-${machines[processor]}.so.1`);
  if (library === "musl" && !existsSync(join(root, "lib/libstdc++.so.6"))) {
    const script = join(import.meta.dir, "muslroot");
    if (!install || (await Bun.spawn([script, root, processor], { stdout: "ignore" }).exited) !== 0)
      return { missing: `${root} with musl and libstdc++ (packaging/try/muslroot makes it, with --install)` };
  }
  if (processor !== process.arch) {
    const command = `${qemus[processor]} -L '${root}' '${executable}'`;
    return written(folder, " under QEMU", command, { FSTREAM_EMULATED: "1" });
  }
  return written(folder, " with musl", `'${musl}' --library-path '${join(root, "lib")}' '${executable}'`, {});
}

/** The folder that stands in for / under QEMU, or has musl in it: on a system that is not Alpine. */
function rootFor(processor: string, library: string | undefined, folder: string): string {
  return library === "musl"
    ? join(folder, "..", `musl-${processor}`)
    : `/usr/${machines[processor]}-linux-gnu`;
}

function direct(executable: string, folder: string): Runner {
  return written(folder, "", `'${executable}'`, {});
}

/** Writes a script that runs `command` with its own arguments, and gives its path. */
function script(path: string, command: string, before: string): string {
  writeFileSync(path, `#!/bin/sh\n${before}exec ${command} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

function written(
  folder: string,
  how: string,
  command: string,
  environment: Readonly<Record<string, string>>,
  before = "",
  stop = async () => {},
): Runner {
  return { how, program: script(join(folder, "fstream"), command, before), environment, stop };
}

/**
 * Wine's own processes outlive the program that starts them, with its pipes in their hands: they are started first, by a shell of
 * Windows' that waits for its input until all is done.
 */
async function wine(executable: string, folder: string, install: boolean): Promise<Runner | Missing> {
  const compiler = "x86_64-w64-mingw32-gcc";
  const missing = await provide(
    [
      ["wine", "wine wine64"],
      [compiler, "gcc-mingw-w64-x86-64"],
    ],
    install,
  );
  if (missing !== "") return { missing };
  const place = join(folder, "program");
  mkdirSync(place);
  const copy = join(place, "fstream.exe");
  symlinkSync(executable, copy);
  const source = join(import.meta.dir, "bcryptprimitives.c");
  const stub = [
    compiler,
    "-shared",
    "-O2",
    "-s",
    "-o",
    join(place, "bcryptprimitives.dll"),
    source,
    "-ladvapi32",
  ];
  if ((await Bun.spawn(stub).exited) !== 0)
    return { missing: "a stub of bcryptprimitives.dll: it was not built" };
  const settings = { WINEPREFIX: join(folder, "wine"), WINEARCH: "win64", WINEDEBUG: "-all", HOME: folder };
  const shell = Bun.spawn(["wine", "cmd", "/q"], {
    env: { ...process.env, ...settings },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  const first = await shell.stdout.getReader().read();
  if (first.done) return { missing: "Wine: it did not start" };
  const exports = Object.entries(settings).map(([key, value]) => `export ${key}='${value}'\n`);
  const stop = async () => {
    await shell.stdin.end();
    await shell.exited;
  };
  const environment = {
    FSTREAM_STOP: "SIGINT",
    FSTREAM_EMULATED: "1",
    FSTREAM_SC: script(join(folder, "sc"), "wine sc", exports.join("")),
    FSTREAM_EXE: `Z:${copy.replaceAll("/", "\\")}`,
  };
  return written(folder, " under Wine", `wine '${copy}'`, environment, exports.join(""), stop);
}

function isThere([what]: readonly string[]): boolean {
  return what.startsWith("/") ? existsSync(what) : Bun.which(what) !== null;
}

/** What is missing of programs and files, in words, after installing Debian's packages for them if that was asked for. */
async function provide(needs: readonly string[][], install: boolean): Promise<string> {
  const packages = () => needs.filter((need) => !isThere(need)).flatMap(([, name]) => name.split(" "));
  if (install && packages().length > 0) {
    const command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages()];
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    await Bun.spawn(command, { env, stdout: "ignore", stderr: "inherit" }).exited;
  }
  return packages().length === 0 ? "" : `apt-get install ${packages().join(" ")} (or --install)`;
}
