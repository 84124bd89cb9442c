// What stands in one user's file: NAME.toml, or the original's NAME.ini with the same keys in `[DEFAULT]`.
//
//   password = "..."  |  password_hash = "$argon2id$..."
//   channels = ["default", "cam*"]
//   may_watch = ["fier/*"]
//   enabled = true
//
// A file with anything wrong in it is no user: a slip in `channels` or `enabled` must not open what it was
// to close. In an .ini file other keys are passed over, as the original does; there lists are separated by
// commas, and `enabled` is what Python's getboolean takes. Problems never quote a secret. Pure.

import { parse as parseToml } from "@iarna/toml";
import { named } from "../errors.ts";
import { unquoted, unquotedKey } from "../settings/document.ts";
import { locate } from "../settings/locate.ts";
import { nearest } from "../settings/nearest.ts";
import { type IniDefaults, IniError, readIniDefaults } from "./ini.ts";
import { isPasswordHash, type Secret } from "./password.ts";

/** A user as its file describes it. */
export interface User {
  readonly name: string;
  readonly secret: Secret;
  /** Patterns as in `Grant`; undefined: every channel. */
  readonly channels: readonly string[] | undefined;
  /** The same for what it may watch: patterns of USER/CHANNEL. */
  readonly mayWatch: readonly string[] | undefined;
  readonly enabled: boolean;
}

/** What is wrong in a user's file, and what would be right; `line` counts from 1. */
export interface Problem {
  readonly problem: string;
  readonly line?: number;
  /** What is wrong besides, in the order of the lines. */
  readonly others?: readonly Problem[];
}

/** A user, or what keeps its file from being one. `slips` are keys that are passed over, and look like another one. */
export type UserFile = { readonly user: User; readonly slips?: readonly Problem[] } | Problem;

export type Ending = ".toml" | ".ini";
/** What the name of a user's file ends in. */
export const endings: readonly Ending[] = [".toml", ".ini"];

/** Each key with what it means: lower case, no full stop. */
export const userKeys = {
  password: "the password in plain text, not empty; use either this or password_hash",
  password_hash:
    'the argon2id hash of the password, "$argon2id$v=19$...", as `fstream user add` and `fstream user passwd` write it',
  channels:
    'channels the user may broadcast to; * matches any characters, as in ["default", "cam*"]; left out: all channels; []: none',
  may_watch:
    'channels the user may watch if watchers have to log in (authenticate_watchers), as USER/CHANNEL with the same *, such as ["fier/*"]; left out: all channels; []: none',
  enabled: "whether the user can log in: true (the default) or false",
} as const;

const keys = Object.keys(userKeys);

/** The user `name` as described by the bytes of its file. */
export function readUserFile(name: string, ending: Ending, bytes: Uint8Array): UserFile {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { problem: "not UTF-8 text" }; // the only thing the decoder can object to
  }
  const read = ending === ".toml" ? tomlFields(text) : iniFields(text);
  if ("problem" in read) return read;
  const wrong = problemsOf(read.fields).map(({ key, problem }) => at(read.lineOf(key), problem));
  const [first, ...others] = [...read.wrong, ...wrong].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  if (first !== undefined) return others.length === 0 ? first : { ...first, others };
  const { slips } = read;
  const user = userOf(name, read.fields);
  return slips.length === 0 ? { user } : { user, slips };
}

/** A problem with the line that it is in, as "line 3: ..."; without one where that is not known. */
export function problemText({ problem, line }: Problem): string {
  return line === undefined ? problem : `line ${line}: ${problem}`;
}

function at(line: number | undefined, problem: string): Problem {
  return line === undefined ? { problem } : { problem, line };
}

interface Fields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** What is wrong with keys that are not among the fields. */
  readonly wrong: readonly Problem[];
  readonly slips: readonly Problem[];
  lineOf(key: string): number | undefined;
}

/** What is wrong with an unknown key. */
function unknownKey(key: string): string {
  const near = nearest(key, keys);
  const right = near === undefined ? `the keys are ${keys.join(", ")}` : `did you mean ${near}?`;
  return `unknown key ${named(key)}: ${right}`;
}

function tomlFields(source: string): Fields | Problem {
  const text = source.replaceAll("\r\n", "\n"); // the parser refuses a carriage return after a comment
  const lineOf = (key: string) => locate(text, "", key);
  let fields: Record<string, unknown>;
  try {
    fields = parseToml(text);
  } catch (error) {
    const { line } = error as { line?: number }; // counted from 0; the message would quote the file
    const key = line === undefined ? undefined : unquotedKey(text, line);
    // What is no key of ours may be part of a secret.
    const why = key !== undefined && keys.includes(key) ? `: ${unquoted(key)}` : "";
    return at(line === undefined ? undefined : line + 1, `not valid TOML${why}`);
  }
  const wrong = Object.keys(fields)
    .filter((key) => !keys.includes(key))
    .slice(0, maxUnknown)
    .map((key) => at(lineOf(key), unknownKey(key)));
  return { fields, wrong, slips: [], lineOf };
}

/** So many unknown keys of a file are named. */
const maxUnknown = 10;

const truths: Readonly<Record<string, boolean>> = {
  "1": true,
  yes: true,
  true: true,
  on: true,
  "0": false,
  no: false,
  false: false,
  off: false,
};

function iniFields(text: string): Fields | Problem {
  let found: IniDefaults;
  try {
    found = readIniDefaults(text);
  } catch (error) {
    if (error instanceof IniError) return { problem: error.message, line: error.line };
    throw error;
  }
  const { values, lines } = found;
  const lineOf = (key: string) => lines.get(key);
  const fields: Record<string, unknown> = {};
  for (const key of keys) if (values.has(key)) fields[key] = values.get(key);
  for (const list of ["channels", "may_watch"]) {
    const names = values.get(list);
    if (names !== undefined) fields[list] = names.split(",").map((name) => name.trim());
  }
  const enabled = values.get("enabled");
  if (enabled !== undefined) fields.enabled = truths[enabled.toLowerCase()];
  const isUnclear = enabled !== undefined && fields.enabled === undefined;
  const wrong = isUnclear ? [at(lineOf("enabled"), "enabled must be true or false")] : [];
  const slips = [...values.keys()]
    .filter((key) => !keys.includes(key) && nearest(key, keys) !== undefined)
    .map((key) => at(lineOf(key), unknownKey(key)));
  return { fields, wrong, slips, lineOf };
}

interface Wrong {
  /** The line to point at is where that is set. */
  readonly key: string;
  readonly problem: string;
}

/** All that keeps the keys from being a user's. */
function problemsOf(fields: Fields["fields"]): readonly Wrong[] {
  const { channels, may_watch: mayWatch, enabled = true } = fields;
  const wrong: Wrong[] = [];
  const secret = secretProblem(fields);
  if (secret !== undefined) wrong.push(secret);
  if (typeof enabled !== "boolean")
    wrong.push({ key: "enabled", problem: "enabled must be true or false, without quotes" });
  if (!isList(channels))
    wrong.push({
      key: "channels",
      problem: 'channels must be a list of names such as ["default", "cam*"], or left out for all channels',
    });
  if (!isList(mayWatch))
    wrong.push({
      key: "may_watch",
      problem: 'may_watch must be a list such as ["fier/*", "*/default"], or left out for all channels',
    });
  else {
    const vain = mayWatch?.map(watchPatternProblem).find((problem) => problem !== undefined);
    if (vain !== undefined) wrong.push({ key: "may_watch", problem: `may_watch: ${vain}` });
  }
  return wrong;
}

function secretProblem({ password, password_hash: hash }: Fields["fields"]): Wrong | undefined {
  if (password !== undefined && hash !== undefined)
    return {
      key: "password_hash",
      problem: "both password and password_hash are set: keep only one",
    };
  if (hash !== undefined && (typeof hash !== "string" || !isPasswordHash(hash)))
    return {
      key: "password_hash",
      problem: 'password_hash must be an argon2id hash, "$argon2id$v=19$..." in quotes',
    };
  if (hash !== undefined) return undefined;
  const key = "password";
  if (password === undefined) return { key, problem: "no password: set password or password_hash" };
  if (typeof password !== "string") return { key, problem: "password must be a string in quotes" };
  return password === "" ? { key, problem: "password must not be empty" } : undefined;
}

/** Why `pattern` of USER/CHANNEL stands for no channel of anybody, and what would be right; undefined: it may stand for one. */
export function watchPatternProblem(pattern: string): string | undefined {
  // `*` stands for slashes too; neither name is ever empty.
  if (!pattern.startsWith("/") && (pattern.includes("*") || /^[^/]+\/./.test(pattern))) return undefined;
  // What looks like another line of the file, which an indented line of an .ini file becomes, may be a secret.
  const isName = !/[\s=:"]/.test(pattern);
  const user = (isName && named(pattern.split("/", 1)[0])) || "USER";
  const what = isName ? JSON.stringify(named(pattern)) : "a pattern";
  return `${what} matches no channel: write ${user}/* for all channels of ${user}, or ${user}/CHANNEL for one`;
}

/** The user of keys that nothing is wrong with. */
function userOf(name: string, fields: Fields["fields"]): User {
  const { password, password_hash: hash, channels, may_watch: mayWatch, enabled = true } = fields;
  return {
    name,
    secret:
      hash === undefined
        ? { kind: "plain", password: password as string }
        : { kind: "hash", hash: hash as string },
    channels: channels as User["channels"],
    mayWatch: mayWatch as User["mayWatch"],
    enabled: enabled as boolean,
  };
}

/** Whether `value` is a list of names, or left out. */
function isList(value: unknown): value is readonly string[] | undefined {
  if (value === undefined) return true;
  return Array.isArray(value) && value.every((one) => typeof one === "string" && one !== "");
}
