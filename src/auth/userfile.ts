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
import { FstreamError, named } from "../errors.ts";
import { readIniDefaults } from "./ini.ts";
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

/** A user, or what keeps its file from being one: what is wrong and what would be right. */
export type UserFile = { readonly user: User } | { readonly problem: string };

export type Ending = ".toml" | ".ini";
/** What the name of a user's file ends in. */
export const endings: readonly Ending[] = [".toml", ".ini"];

/** Each key with what it means: lower case, no full stop. */
export const userKeys = {
  password: "the password as it is; there is one of it and password_hash, and it is not empty",
  password_hash:
    'the password\'s argon2id hash, "$argon2id$v=19$...": `fstream user add` and `fstream user passwd` write it',
  channels:
    'the channels that the user may broadcast to, where * stands for any run of characters, such as ["default", "cam*"]; left out: every channel; []: none',
  may_watch:
    'the channels that the user may watch where watchers log in (authenticate_watchers), as USER/CHANNEL with the same *, such as ["fier/*"]; left out: every channel; []: none',
  enabled: "whether the user can log in: true or false; left out: true",
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
  const fields = ending === ".toml" ? tomlFields(text) : iniFields(text);
  return "problem" in fields ? fields : userOf(name, fields.fields);
}

type Fields = { readonly fields: Readonly<Record<string, unknown>> } | { readonly problem: string };

function tomlFields(text: string): Fields {
  let fields: Record<string, unknown>;
  try {
    fields = parseToml(text.replaceAll("\r\n", "\n")); // it refuses a carriage return after a comment
  } catch (error) {
    const { line } = error as { line?: number }; // counted from 0; the message would quote the file
    return { problem: `not TOML${line === undefined ? "" : ` in line ${line + 1}`}` };
  }
  const unknown = Object.keys(fields).find((key) => !keys.includes(key));
  if (unknown === undefined) return { fields };
  return { problem: `unknown key ${named(unknown)}: the keys are ${keys.join(", ")}` };
}

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

function iniFields(text: string): Fields {
  let values: ReadonlyMap<string, string>;
  try {
    values = readIniDefaults(text);
  } catch (error) {
    if (error instanceof FstreamError) return { problem: error.message };
    throw error;
  }
  const fields: Record<string, unknown> = {};
  for (const key of keys) if (values.has(key)) fields[key] = values.get(key);
  for (const list of ["channels", "may_watch"]) {
    const names = values.get(list);
    if (names !== undefined) fields[list] = names.split(",").map((name) => name.trim());
  }
  const enabled = values.get("enabled");
  if (enabled !== undefined) fields.enabled = truths[enabled.toLowerCase()];
  return "enabled" in fields && fields.enabled === undefined
    ? { problem: "enabled should be true or false" }
    : { fields };
}

function userOf(name: string, fields: Readonly<Record<string, unknown>>): UserFile {
  const { password, password_hash: hash, channels, may_watch: mayWatch, enabled = true } = fields;
  if (password !== undefined && hash !== undefined)
    return { problem: "both password and password_hash: there should be only one of them" };
  let secret: Secret;
  if (hash !== undefined) {
    if (typeof hash !== "string" || !isPasswordHash(hash))
      return { problem: 'password_hash should be an argon2id hash, "$argon2id$v=19$..." in quotes' };
    secret = { kind: "hash", hash };
  } else {
    if (password === undefined) return { problem: "no password: there should be password or password_hash" };
    if (typeof password !== "string") return { problem: "password should be a text in quotes" };
    if (password === "") return { problem: "password should not be empty" };
    secret = { kind: "plain", password };
  }
  if (typeof enabled !== "boolean") return { problem: "enabled should be true or false, without quotes" };
  if (!isList(channels))
    return {
      problem: 'channels should be a list of names such as ["default", "cam*"], or left out for all channels',
    };
  if (!isList(mayWatch))
    return {
      problem: 'may_watch should be a list such as ["fier/*", "*/default"], or left out for all channels',
    };
  return { user: { name, secret, channels, mayWatch, enabled } };
}

/** Whether `value` is a list of names, or left out. */
function isList(value: unknown): value is readonly string[] | undefined {
  if (value === undefined) return true;
  return Array.isArray(value) && value.every((one) => typeof one === "string" && one !== "");
}
