// The users folder as a list of names, and what stands in their files. A name's file is found among the
// folder's entries, never by making a path of the name.

import { randomBytes } from "node:crypto";
import { open, readdir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FstreamError, named, reasonOf } from "../errors.ts";
import { readRegularFile } from "../file.ts";
import { withEnabled } from "./enabling.ts";
import { userNameProblem } from "./name.ts";
import {
  type Ending,
  endings,
  type Problem,
  problemText,
  readUserFile,
  type User,
  type UserFile,
} from "./userfile.ts";

/** A user's file is a few lines; what is larger than this is something else. Bytes. */
const maxFileBytes = 64 * 1024;

/** So many files that are ignored are named. */
const maxIgnoredNamed = 10;

/** One user's file, or files where there are too many. */
export interface Entry {
  readonly name: string;
  /** Where they are. */
  readonly files: readonly { readonly path: string; readonly ending: Ending }[];
}

/** The names of a folder's files that are users', whatever stands in them; rejects as the system does. */
export async function listFiles(folder: string): Promise<ReadonlySet<string>> {
  return new Set((await readdir(folder)).filter(isUsersFile));
}

/** Others are an editor's copies, .gitignore, and whatever else people keep there. */
function isUsersFile(file: string): boolean {
  return !file.startsWith(".") && endings.some((ending) => file.endsWith(ending));
}

/** The entry of `name`, if it is, character by character, the name of one of the folder's `files`. */
export function findEntry(folder: string, files: ReadonlySet<string>, name: string): Entry | undefined {
  const found = endings.filter((ending) => files.has(name + ending));
  if (found.length === 0) return undefined;
  return { name, files: found.map((ending) => ({ path: join(folder, name + ending), ending })) };
}

/** The user's name in the name of a user's file. */
export function nameOf(file: string): string {
  return file.replace(/\.[^.]*$/, "");
}

/** The user of an entry, or why it is none. */
export async function readEntry({ name, files }: Entry): Promise<UserFile> {
  const problem = userNameProblem(name);
  if (problem !== undefined) return { problem: `a user's name ${problem}` };
  if (files.length > 1) return { problem: "two files for one user: keep only one" };
  const [{ path, ending }] = files;
  try {
    return readUserFile(name, ending, await readRegularFile(path, maxFileBytes));
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error; // not the system's: a bug
    return { problem: `can't be read: ${error.message}` };
  }
}

/** All users of a folder, and what is wrong in it. */
export interface Folder {
  /** In the order of their names. */
  readonly users: readonly User[];
  /** One line each, naming the file, and the line in it where that is known. */
  readonly problems: readonly string[];
  /** What is passed over, and may be a mistake: the same. */
  readonly warnings: readonly string[];
  /** Files with a plain password that others than owner and group can read. */
  readonly exposed: readonly string[];
}

/** Reads the whole users folder; rejects with FstreamError `failed` if it can't be read. */
export async function readUsers(folder: string): Promise<Folder> {
  const users: User[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  const exposed: string[] = [];
  const all = await filesOf(folder);
  const files = new Set(all.filter(isUsersFile));
  for (const name of new Set([...files].map(nameOf).sort())) {
    const entry = findEntry(folder, files, name);
    if (entry === undefined) throw new Error("a listed user file is missing");
    const file = await readEntry(entry);
    if ("user" in file) {
      users.push(file.user);
      warnings.push(...(file.slips ?? []).map((slip) => `${placeOf(entry, slip)}: ${slip.problem}`));
      if (file.user.secret.kind === "plain") exposed.push(...(await readableForOthers(entry)));
    } else {
      const all = [file, ...(file.others ?? [])];
      problems.push(...all.map((each) => `${placeOf(entry, each)}: ${each.problem}`));
    }
  }
  const ignored = all.filter((file) => !file.startsWith(".") && !isUsersFile(file));
  if (ignored.length > 0) warnings.push(describeIgnored(folder, ignored));
  return { users, problems, warnings, exposed };
}

/** "FILE:LINE" */
function placeOf({ files }: Entry, { line }: Problem): string {
  return files.map(({ path }) => (line === undefined ? path : `${path}:${line}`)).join(", ");
}

function describeIgnored(folder: string, files: readonly string[]): string {
  const shown = files.toSorted().slice(0, maxIgnoredNamed).map(named);
  const more = files.length - shown.length;
  const list = more === 0 ? shown.join(", ") : `${shown.join(", ")} and ${more} more`;
  return `${folder}: ignoring ${list}: users' files are named NAME.toml or NAME.ini`;
}

/** Those of its files that are; where there are no modes (Windows), none. */
async function readableForOthers({ files }: Entry): Promise<readonly string[]> {
  if (process.platform === "win32") return [];
  const modes = await Promise.all(
    files.map(({ path }) =>
      stat(path).then(
        ({ mode }) => mode,
        () => 0, // it has gone since it was read
      ),
    ),
  );
  return files.flatMap(({ path }, index) => ((modes[index] & 0o004) === 0 ? [] : [path]));
}

async function filesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const missing = code === "ENOENT";
    const reason = code === "ENOTDIR" ? "it is not a directory" : reasonOf(cause);
    const what = missing ? "does not exist" : `can't be read: ${reason}`;
    throw new FstreamError("failed", `the users folder ${folder} ${what}`, {
      cause,
      ...(missing ? { hint: "`fstream user add NAME` creates it" } : {}),
    });
  }
}

/**
 * Writes NAME.toml and gives its path: readable by its owner alone, and moved to its place when it is whole, so
 * that a login never reads half of it. Rejects with FstreamError `failed`.
 */
export async function writeUser(
  folder: string,
  { name, secret, channels, mayWatch, enabled }: User,
): Promise<string> {
  const path = join(folder, `${name}.toml`);
  const lines = [
    secret.kind === "hash" ? `password_hash = ${toml(secret.hash)}` : `password = ${toml(secret.password)}`,
  ];
  if (channels !== undefined) lines.push(`channels = [${channels.map(toml).join(", ")}]`);
  if (mayWatch !== undefined) lines.push(`may_watch = [${mayWatch.map(toml).join(", ")}]`);
  if (!enabled) lines.push("enabled = false");
  await replaceFile(path, `${lines.join("\n")}\n`, { mode: 0o600, ownerOf: folder });
  return path;
}

/**
 * Has the user of `entry` be enabled, or not, and leaves the rest of its file as it is; false if it is so already. Rejects with
 * FstreamError `failed`.
 */
export async function writeEnabled(entry: Entry, enabled: boolean): Promise<boolean> {
  const paths = entry.files.map(({ path }) => path).join(", ");
  const file = await readEntry(entry);
  if ("problem" in file)
    throw new FstreamError("failed", `${paths}: ${problemText(file)}`, { hint: "fix or remove it first" });
  if (file.user.enabled === enabled) return false;
  const [{ path, ending }] = entry.files;
  const text = withEnabled(ending, (await readRegularFile(path, maxFileBytes)).toString("utf8"), enabled);
  // What a person has written may be laid out in a way that is not understood here.
  const after = readUserFile(entry.name, ending, Buffer.from(text));
  if ("problem" in after || !Bun.deepEquals(after.user, { ...file.user, enabled }))
    throw new FstreamError("failed", `${path} can't be changed`, {
      hint: `write enabled = ${enabled} into it with an editor`,
    });
  const { mode } = await stat(path);
  await replaceFile(path, text, { mode: mode & 0o666, ownerOf: path });
  return true;
}

/** Replaces the file at `path` atomically by one with `text`, owned by the owner of `ownerOf`. */
async function replaceFile(
  path: string,
  text: string,
  { mode, ownerOf }: { readonly mode: number; readonly ownerOf: string },
): Promise<void> {
  const temporary = join(dirname(path), `.new-${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
      if (process.getuid?.() === 0) {
        // A server that is not root has to read it. By the open file, never by its name: the folder's owner may have put
        // a link to another file in its place.
        const { uid, gid } = await stat(ownerOf);
        await file.chown(uid, gid);
      }
      if (mode !== 0o600) await file.chmod(mode);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined); // it may never have been made
    throw new FstreamError("failed", `${path} can't be written: ${reasonOf(cause)}`, { cause });
  }
}

/** A text as TOML writes it: as JSON does, but for DEL. (@iarna/toml writes what it can't read again.) */
function toml(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}
