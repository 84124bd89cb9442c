// `fstream user`: the users folder from the command line. It writes what a person could write by hand, NAME.toml,
// and a server needs no notice: it reads the folder for each login.

import { lstat, mkdir, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { userNameProblem } from "../auth/name.ts";
import { hashPassword, type Secret } from "../auth/password.ts";
import { problemText, type User, watchPatternProblem } from "../auth/userfile.ts";
import {
  type Entry,
  findEntry,
  listFiles,
  readEntry,
  readUsers,
  writeEnabled,
  writeUser,
} from "../auth/userstore.ts";
import { FstreamError, systemReason } from "../errors.ts";
import { printable, printableJson } from "../log.ts";
import { maxRequestBytes, requestTextBytes } from "../protocol/request.ts";
import { loadSettings } from "../settings/load.ts";
import { nearest } from "../settings/nearest.ts";
import { described } from "./authentication.ts";
import type { Command, Invocation } from "./command.ts";
import { askSecrets, readSecretFile, readSecretLine } from "./secret.ts";
import { configFlag, sourcesOf, usersOption } from "./settingsfile.ts";

const actions = ["add", "passwd", "disable", "enable", "remove", "list"] as const;

export const user: Command = {
  name: "user",
  summary: "add, change, disable, remove and list users",
  usage: [
    "user add NAME [FLAG]...",
    "user passwd NAME [FLAG]...",
    "user disable NAME",
    "user enable NAME",
    "user remove NAME",
    "user list [--json]",
  ],
  examples: [
    "fstream user add fier",
    "fstream user add cam --channels 'cam*' --password-file secret",
    "fstream user passwd fier",
    "fstream user disable fier",
    "fstream user remove fier",
  ],
  words: actions,
  notes:
    "A running server picks up changes at once; live broadcasts of a removed or disabled user end within about 6 s. user disable sets enabled = false in the user's file, and user enable sets it to true. In a pipe, user list prints one name per line, followed by a tab and the word disabled for a disabled user.",
  flags: {
    config: configFlag,
    "users-dir": {
      type: "string",
      value: "DIR",
      help: "the users folder (default: the one in the settings)",
    },
    "password-file": {
      type: "string",
      value: "FILE",
      help: "read the password from FILE (- for standard input); by default it is asked for, or read as a line from standard input",
    },
    plain: { type: "boolean", help: "store the password as plain text instead of an argon2id hash" },
    channels: {
      type: "string",
      value: "NAME,...",
      help: "channels the user may broadcast to; * matches any characters (default: all)",
    },
    "may-watch": {
      type: "string",
      value: "NAME/CHANNEL,...",
      help: "channels the user may watch, where watchers log in; * matches any characters (default: all)",
    },
    json: { type: "boolean", help: "print the list as JSON" },
  },
  run: async (invocation) => {
    try {
      return await run(invocation);
    } catch (error) {
      const reason = systemReason(error);
      if (reason === undefined) throw error;
      const { path = "the users folder" } = error as NodeJS.ErrnoException;
      throw new FstreamError("failed", `${path}: ${reason}`, {
        hint: "use --users-dir DIR for another folder",
        cause: error,
      });
    }
  },
};

/** What people write for `remove` too: it is in no list, and goes on working. */
const formsOfRemove: ReadonlySet<string> = new Set(["del", "delete", "rm"]);

async function run(invocation: Invocation): Promise<number> {
  const [word, name, ...more] = invocation.operands;
  const action = formsOfRemove.has(word) ? "remove" : word;
  const change = { add, passwd, remove, disable: setEnabled(false), enable: setEnabled(true) };
  if (action === "list") {
    if (name !== undefined) throw new FstreamError("usage", "user list takes no name");
    return await list(invocation, await usersFolder(invocation));
  }
  if (!isChange(action, change)) throw noAction(action);
  if (name === undefined) {
    throw new FstreamError("usage", `user ${action} needs a name`, { hint: `fstream user ${action} NAME` });
  }
  if (more.length > 0) throw new FstreamError("usage", `user ${action} takes one name`);
  const problem = userNameProblem(name);
  if (problem !== undefined) throw new FstreamError("usage", `a user's name ${problem}`);
  return await change[action](invocation, await usersFolder(invocation), name);
}

function isChange<T extends object>(action: string | undefined, change: T): action is keyof T & string {
  return action !== undefined && Object.hasOwn(change, action);
}

function noAction(action = ""): FstreamError {
  const near = nearest(action, actions);
  return new FstreamError("usage", "user needs an action: add, passwd, disable, enable, remove or list", {
    hint: near === undefined ? "`fstream help user` shows the usage" : `did you mean ${near}?`,
  });
}

async function usersFolder(invocation: Invocation): Promise<string> {
  const { flags, cwd } = invocation;
  if (flags["users-dir"] !== undefined) return resolve(cwd, String(flags["users-dir"]));
  const settings = await loadSettings(sourcesOf(invocation));
  if (settings.auth.authenticator !== "users")
    throw new FstreamError("failed", `logins are checked by ${described(settings)}, not by a users folder`, {
      hint: "use --users-dir DIR to manage a folder anyway",
    });
  return settings.fstream.usersDir;
}

async function add(invocation: Invocation, folder: string, name: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const onBlindDisk = await exists(join(folder, `${name}.toml`)); // another's, in other letters
  const taken = onBlindDisk || findEntry(folder, await listFiles(folder), name) !== undefined;
  if (taken)
    throw new FstreamError("failed", `user ${name} already exists`, {
      hint: `\`fstream user passwd ${name}\` changes the password`,
    });
  const channels = listFlag(invocation, "channels");
  const mayWatch = mayWatchFlag(invocation);
  const secret = await newSecret(invocation, name);
  const path = await writeUser(folder, { name, secret, channels, mayWatch, enabled: true });
  invocation.terminal.say(`added ${name}: ${path}`);
  return 0;
}

async function passwd(invocation: Invocation, folder: string, name: string): Promise<number> {
  const entry = await existing(folder, name);
  const file = await readEntry(entry);
  if ("problem" in file)
    throw new FstreamError("failed", `${paths(entry)}: ${problemText(file)}`, {
      hint: "fix or remove it first",
    });
  const { user } = file;
  const channels = listFlag(invocation, "channels") ?? user.channels;
  const mayWatch = mayWatchFlag(invocation) ?? user.mayWatch;
  const secret = await newSecret(invocation, name);
  const path = await writeUser(folder, { ...user, secret, channels, mayWatch });
  invocation.terminal.say(`changed the password of ${name}: ${path}`);
  for (const old of entry.files) {
    if (old.path === path) continue;
    await unlink(old.path);
    invocation.terminal.say(`removed ${old.path}, which it replaces`);
  }
  return 0;
}

/** Changes nothing else of the user's file, comments included. */
function setEnabled(enabled: boolean) {
  return async ({ terminal }: Invocation, folder: string, name: string): Promise<number> => {
    const entry = await existing(folder, name);
    const isChanged = await writeEnabled(entry, enabled);
    const state = enabled ? "enabled" : "disabled";
    terminal.say(isChanged ? `${state} ${name}: ${paths(entry)}` : `${name} is ${state} already`);
    return 0;
  };
}

async function remove({ terminal }: Invocation, folder: string, name: string): Promise<number> {
  const entry = await existing(folder, name);
  for (const { path } of entry.files) await unlink(path);
  terminal.say(`removed ${name}: ${paths(entry)}`);
  return 0;
}

async function list(invocation: Invocation, folder: string): Promise<number> {
  const { flags, terminal } = invocation;
  const { users, problems } = await readUsers(folder);
  if (flags.json === true) {
    const entries = users.map(({ name, secret, channels, mayWatch, enabled }) => ({
      user: name,
      password: secret.kind,
      channels: channels ?? null,
      may_watch: mayWatch ?? null,
      enabled,
    }));
    terminal.print(`${printableJson(entries)}\n`);
  } else if (terminal.columns === undefined) {
    // For a script each name is as it is; without control characters, as a name of a user never has any, a tab neither.
    terminal.print(users.map(({ name, enabled }) => `${name}${enabled ? "" : "\tdisabled"}\n`).join(""));
  } else {
    terminal.print(table(users));
  }
  if (problems.length > 0) {
    terminal.say(`warning: ${problems.length} more ${problems.length === 1 ? "is" : "are"} not valid`);
    terminal.hint(`\`fstream check${usersOption(invocation)}\` shows what is wrong`);
  }
  return 0;
}

function table(users: readonly User[]): string {
  const rows = users.map(({ name, secret, channels, enabled }) => [
    name,
    enabled ? "yes" : "no",
    secret.kind === "hash" ? "hashed" : "plain",
    channels?.join(", ") ?? "all",
  ]);
  const all = [["USER", "ENABLED", "PASSWORD", "CHANNELS"], ...rows.map((row) => row.map(printable))];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column]))));
  const pad = (cell: string, column: number) => cell + " ".repeat(widths[column] - Bun.stringWidth(cell));
  return all.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
}

async function existing(folder: string, name: string): Promise<Entry> {
  const entry = (await exists(folder)) ? findEntry(folder, await listFiles(folder), name) : undefined;
  if (entry !== undefined) return entry;
  throw new FstreamError("failed", `no user ${name} in ${folder}`, {
    hint: "`fstream user list` lists them",
  });
}

function paths(entry: Entry): string {
  return entry.files.map(({ path }) => path).join(", ");
}

async function newSecret({ flags, cwd }: Invocation, name: string): Promise<Secret> {
  let password: string;
  if (flags["password-file"] !== undefined) {
    password = await readSecretFile(String(flags["password-file"]), cwd);
  } else if (process.stdin.isTTY) {
    const [first, second] = await askSecrets([`Password for ${name}: `, "Repeat: "]);
    if (first !== second) throw new FstreamError("failed", "the passwords don't match");
    password = first;
  } else {
    password = await readSecretLine();
  }
  if (password === "") {
    throw new FstreamError("failed", "the password is empty", {
      hint: "type one, pipe one in, or name a file with --password-file",
    });
  }
  const request = requestTextBytes("token", [
    ["user", name],
    ["user_password", password],
  ]);
  if (request > maxRequestBytes)
    throw new FstreamError("failed", `the password is ${request - maxRequestBytes} bytes too long`);
  if (flags.plain === true) return { kind: "plain", password };
  return { kind: "hash", hash: await hashPassword(password) };
}

/** The names in a flag, undefined without it. An empty list, as of a variable that is not set, could mean all or none: throws `usage`. */
function listFlag({ flags }: Invocation, name: string): readonly string[] | undefined {
  if (flags[name] === undefined) return undefined;
  const named = String(flags[name])
    .split(",")
    .map((channel) => channel.trim())
    .filter((channel) => channel !== "");
  if (named.length > 0) return named;
  throw new FstreamError("usage", `--${name} is empty`, {
    hint:
      name === "channels" ? `--channels '*' allows every channel` : `--may-watch '*/*' allows every channel`,
  });
}

/** The same of --may-watch, each a pattern of USER/CHANNEL. */
function mayWatchFlag(invocation: Invocation): readonly string[] | undefined {
  const patterns = listFlag(invocation, "may-watch");
  const problem = patterns?.map(watchPatternProblem).find((found) => found !== undefined);
  if (problem !== undefined) throw new FstreamError("usage", `--may-watch: ${problem}`);
  return patterns;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
