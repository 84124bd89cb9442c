// The arguments of the protocol, from flags and from the environment: X comes from `--X` (dashes for
// underscores), or from `fserv_arg_X`. Each verb sends only its own arguments, so a password that was exported
// for one never leaves with another. What fstream does not know is passed on, as the original does.

import { FstreamError } from "../errors.ts";
import { parseDuration } from "../settings/duration.ts";
import { nearest } from "../settings/nearest.ts";
import type { Flag, Invocation } from "./command.ts";
import { readSecretFile } from "./secret.ts";

export type Verb = "watch" | "broadcast" | "token";

/** What each verb sends of the arguments that the protocol has. */
const own: Record<Verb, readonly string[]> = {
  watch: ["user", "channel", "channel_password", "start", "wait", "lag"],
  broadcast: ["user", "user_password", "token", "channel", "channel_password", "bufsize"],
  token: ["user", "user_password"],
};

/** Every argument of the protocol; `reply` is this client's own business. */
const known: ReadonlySet<string> = new Set([...Object.values(own).flat(), "reply"]);

const secrets: ReadonlySet<string> = new Set(["user_password", "channel_password"]);

const prefix = "fserv_arg_";

/** What a name may consist of that is passed on; anything else could break out of its place in the request. */
const plainName = /^[A-Za-z0-9_.-]+$/;

const help: Readonly<Record<string, Flag>> = {
  user: { type: "string", value: "NAME", help: "the user: whose channel it is (or fserv_arg_user)" },
  user_password: {
    type: "string",
    value: "TEXT",
    help: "the user's password (or fserv_arg_user_password); other processes can see it here: better a file",
  },
  token: { type: "string", value: "TEXT", help: "a one-time token, in place of the password" },
  channel: { type: "string", value: "NAME", help: "the user's channel (default: default)" },
  channel_password: { type: "string", value: "TEXT", help: "the channel's password (default: none)" },
  start: {
    type: "string",
    value: "WHERE",
    help: "where to begin: join (the newest place to start at once, the default), next (the one to come), live (the newest byte), or so far back, e.g. 10s",
  },
  lag: {
    type: "string",
    value: "skip|close",
    help: "what the server does when this end is too slow: skip to the newest place to start, or close",
  },
  bufsize: {
    type: "string",
    value: "N",
    help: "the stream is chunks of N bytes, and watchers begin with the first byte of one (default: 0, none)",
  },
};

/** The flags for the arguments of `verb`, and for the files that hold its secrets. */
export function argumentFlags(verb: Verb): Record<string, Flag> {
  const flags: Record<string, Flag> = {};
  for (const name of own[verb]) {
    if (!Object.hasOwn(help, name)) continue;
    flags[dashed(name)] = help[name];
    if (secrets.has(name)) {
      flags[`${dashed(name)}-file`] = {
        type: "string",
        value: "FILE",
        help: `read the ${dashed(name).replace("-", "'s ")} from FILE, less one line end`,
      };
    }
  }
  return flags;
}

/** Arguments by name, each with a value that is not empty, in the order in which they are sent. */
export type Arguments = ReadonlyMap<string, string>;

/** The arguments of `verb` as it was called. Throws FstreamError `usage` for what can't be. */
export async function readArguments(verb: Verb, invocation: Invocation): Promise<Arguments> {
  const { environment, terminal } = invocation;
  const found = new Map<string, string>();
  for (const name of own[verb]) {
    const value = (await fromFlags(name, invocation)) ?? environment[prefix + name] ?? "";
    if (value !== "") found.set(name, name === "start" ? startOf(value) : value);
  }
  for (const [variable, value = ""] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || value === "") continue;
    const name = variable.slice(prefix.length);
    if (known.has(name)) continue;
    const meant = likelyMeant(name);
    if (meant !== undefined) terminal.hint(`${variable} is unknown: did you mean ${prefix}${meant}?`);
    // A slip of the name of something that this verb keeps to itself is kept as well.
    if (plainName.test(name) && (meant === undefined || own[verb].includes(meant))) found.set(name, value);
  }
  if (!found.has("user")) {
    throw new FstreamError("usage", `${verb} needs a user`, {
      hint: "give --user NAME, or set the variable fserv_arg_user",
    });
  }
  return found;
}

/** The whole of a password that `verb` needs; throws `usage` if there is none. */
export function requirePassword(verb: string, found: Arguments): string {
  const password = found.get("user_password");
  if (password !== undefined) return password;
  const token = verb === "broadcast" ? ", or a token" : "";
  throw new FstreamError("usage", `${verb} needs the user's password${token}`, {
    hint: "give --user-password-file FILE, or set the variable fserv_arg_user_password",
  });
}

async function fromFlags(name: string, { flags, cwd }: Invocation): Promise<string | undefined> {
  const flag = dashed(name);
  const text = flags[flag];
  const file = secrets.has(name) ? flags[`${flag}-file`] : undefined;
  if (text !== undefined && file !== undefined) {
    throw new FstreamError("usage", `--${flag} and --${flag}-file exclude each other`);
  }
  if (file === "-") throw new FstreamError("usage", `--${flag}-file can't be stdin`);
  if (file !== undefined) return await readSecretFile(String(file), cwd);
  return typeof text === "string" ? text : undefined;
}

/** Where to begin: a duration that is written as settings write it (`90`, `1m30s`) as the protocol has it. */
function startOf(value: string): string {
  if (/^\d+(ms|s|m|h)$/.test(value)) return value;
  const ms = parseDuration(value);
  return ms === undefined ? value : `${ms}ms`;
}

/** The known argument that an unknown one looks like: a typing slip, or a known one behind a prefix. */
function likelyMeant(name: string): string | undefined {
  const tails = [...known].filter((one) => name.endsWith(`_${one}`));
  return tails.sort((a, b) => b.length - a.length).at(0) ?? nearest(name, known);
}

function dashed(name: string): string {
  return name.replaceAll("_", "-");
}
