// Makes a release, in dist/release: for each target an executable and an archive, Debian packages, a list of what is inside, and the
// sums. From the same commit come the same bytes: all times are that of the commit (SOURCE_DATE_EPOCH, where it is set).

import { mkdir, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { run, stage, tarball, zip } from "./archive.ts";
import { archiveEntries, shells } from "./contents.ts";
import { debianPackage } from "./debian.ts";
import { billOfMaterials } from "./sbom.ts";
import { executableName, isWindows, type Target, targets } from "./targets.ts";

const root = join(import.meta.dir, "..");
const out = join(root, "dist/release");
const work = join(out, "work");

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, try: { type: "boolean" } },
});
const wanted = targets.filter(({ name }) => values.only === undefined || values.only.includes(name));
const unknown = values.only?.find((name) => !targets.some((target) => target.name === name));
if (unknown !== undefined) {
  console.error(`no target ${unknown}; there are ${targets.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const commit = git("rev-parse", "--short=12", "HEAD");
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct"));
if (git("status", "--porcelain") !== "")
  console.error("warning: there are changes that are not committed; this release can't be made again");

await rm(out, { recursive: true, force: true });
await mkdir(work, { recursive: true });
await checkRuntimes();
const generated = await generate();
const files: string[] = [];
await inParallel(wanted, make);
const bom = join(out, `fstream-${version}.cdx.json`);
await Bun.write(bom, await billOfMaterials(version, commit, epoch));
files.push(bom);
await sums();
await rm(work, { recursive: true });
if (values.try === true) await tryAll();

function git(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", ...args], { cwd: root });
  if (exitCode !== 0) {
    console.error(`error: a release is made of a git checkout: ${stderr.toString().trim()}`);
    process.exit(1);
  }
  return stdout.toString().trim();
}

/** The runtimes are of the version that the program is built with. */
async function checkRuntimes(): Promise<void> {
  for (const { runtime } of wanted) {
    const { version } = await Bun.file(join(runtimeFolder(runtime), "package.json")).json();
    if (version !== Bun.version)
      throw new Error(`packaging/runtimes has ${runtime} ${version}; Bun is ${Bun.version}`);
  }
}

function runtimeFolder(name: string): string {
  return join(import.meta.dir, "runtimes/node_modules", name);
}

/** A folder with the man pages, and the completions as this machine's executable prints them. */
async function generate(): Promise<string> {
  const folder = join(work, "generated");
  await mkdir(folder);
  await run([process.execPath, join(import.meta.dir, "manual.ts"), folder], {
    SOURCE_DATE_EPOCH: String(epoch),
  });
  for (const shell of shells) {
    const { stdout, exitCode } = Bun.spawnSync([join(root, "dist/fstream"), "completion", shell]);
    if (exitCode !== 0) throw new Error(`no completion for ${shell}`);
    await Bun.write(join(folder, shell), stdout);
  }
  return folder;
}

async function make(target: Target): Promise<void> {
  const executable = await compile(target);
  const name = `fstream-${version}-${target.name}`;
  const entries = await archiveEntries(target, executable, generated);
  const archive = join(out, `${name}.${isWindows(target) ? "zip" : "tar.gz"}`);
  if (isWindows(target)) await zip(archive, name, entries, epoch);
  else {
    await stage(join(work, name), entries, epoch);
    await tarball(archive, work, name, epoch);
  }
  done(archive, executable);
  if (target.debian === undefined) return;
  const deb = join(out, `fstream_${version}_${target.debian}.deb`);
  const of = { version, architecture: target.debian, executable, generated, epoch };
  await debianPackage(deb, join(work, `${name}-deb`), of);
  done(deb, executable);
}

/** Where the target's executable is, which has its source map inside. */
async function compile(target: Target): Promise<string> {
  const folder = join(out, "bin", target.name);
  const executable = join(folder, executableName(target));
  const runtime = join(runtimeFolder(target.runtime), "bin", isWindows(target) ? "bun.exe" : "bun");
  await run([join(root, "scripts/build"), executable, target.name, runtime]);
  for (const name of await readdir(folder)) if (name.endsWith(".map")) await rm(join(folder, name));
  return executable;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Says what was made, and how large it is. */
function done(path: string, executable: string): void {
  files.push(path);
  console.log(
    `${relative(root, path)}: ${mb(Bun.file(path).size)}, the executable ${mb(Bun.file(executable).size)}`,
  );
}

async function inParallel<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await each(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

async function sums(): Promise<void> {
  const lines = files.sort().map(async (path) => {
    const hash = new Bun.CryptoHasher("sha256").update(await Bun.file(path).arrayBuffer()).digest("hex");
    return `${hash}  ${relative(out, path)}\n`;
  });
  await Bun.write(join(out, "SHA256SUMS"), (await Promise.all(lines)).join(""));
}

/** Has the executables tried that can run here. */
async function tryAll(): Promise<void> {
  const only = wanted.flatMap(({ name }) => ["--only", name]);
  const command = [
    process.execPath,
    join(import.meta.dir, "try.ts"),
    join(out, "bin"),
    "--tests",
    "--install",
  ];
  const child = Bun.spawn([...command, ...only], { stdout: "inherit" });
  process.exitCode = await child.exited;
}
