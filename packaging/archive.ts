// Archives with the same bytes whenever they are made of the same files: entries in the order of their names, all of one time,
// owned by root, without what else the file system knows of them.

import { createWriteStream } from "node:fs";
import { chmod, copyFile, mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";

/** A file of an archive or a package. */
export interface Entry {
  /** In the archive, with slashes. */
  readonly path: string;
  /** A path on this machine, or what is in the file. */
  readonly from: { readonly file: string } | { readonly text: string } | { readonly bytes: Uint8Array };
  readonly executable?: boolean;
}

function modeOf({ executable }: Entry): number {
  return executable ? 0o755 : 0o644;
}

function byPath(a: Entry, b: Entry): number {
  return a.path < b.path ? -1 : 1;
}

/** Writes `entries` into `folder`, which is made anew, with their modes and the time `epoch` (seconds since 1970), whatever the umask. */
export async function stage(folder: string, entries: readonly Entry[], epoch: number): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  for (const entry of entries) {
    const path = join(folder, entry.path);
    await makeFolders(folder, dirname(entry.path));
    if ("file" in entry.from) await copyFile(entry.from.file, path);
    else await writeFile(path, "text" in entry.from ? entry.from.text : entry.from.bytes);
    await chmod(path, modeOf(entry));
    await utimes(path, epoch, epoch);
  }
}

/** Makes `path` in `folder`, folder by folder. */
async function makeFolders(folder: string, path: string): Promise<void> {
  if (path === ".") return;
  await makeFolders(folder, dirname(path));
  await mkdir(join(folder, path), { recursive: true });
  await chmod(join(folder, path), 0o755);
}

/** Makes the archive `out` (.tar.gz, by GNU tar and gzip) of the folder `name` beside it in `parent`. */
export async function tarball(out: string, parent: string, name: string, epoch: number): Promise<void> {
  const options = `--sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=go-w --mtime=@${epoch}`;
  await run(["sh", "-c", `tar -c ${options} -C "$1" "$2" | gzip -9n > "$3"`, "sh", parent, name, out]);
}

/** Makes the archive `out` (.zip) of `entries`, under the folder `name`. */
export async function zip(
  out: string,
  name: string,
  entries: readonly Entry[],
  epoch: number,
): Promise<void> {
  const archive = new ZipFile();
  // In local time: scripts/release sets the zone.
  const mtime = new Date(epoch * 1000);
  for (const entry of entries.toSorted(byPath)) {
    const path = `${name}/${entry.path}`;
    const options = { mtime, mode: modeOf(entry) | 0o100000, forceDosTimestamp: true };
    if ("file" in entry.from) archive.addFile(entry.from.file, path, options);
    else {
      const bytes = "text" in entry.from ? Buffer.from(entry.from.text) : Buffer.from(entry.from.bytes);
      archive.addBuffer(bytes, path, options);
    }
  }
  archive.end();
  await pipeline(archive.outputStream, createWriteStream(out));
}

/** Runs a program; rejects with what it said if it fails. */
export async function run(
  command: readonly string[],
  environment: Record<string, string> = {},
): Promise<void> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...environment },
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${stdout}${stderr}`.trim());
}
