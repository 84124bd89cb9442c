// The arguments that the client's verbs send: the one table of their flags, and of how their values are written. Which verb
// sends which is the protocol's to say (protocol/keys.ts); a key of the protocol without a row here is an error at once.

import { FstreamError } from "../errors.ts";
import { lagWords, parseDurationMs, requestKeys, startWords } from "../protocol/keys.ts";
import { parseDuration } from "../settings/duration.ts";
import { parseSize } from "../settings/size.ts";
import type { Flag } from "./command.ts";

export type Verb = "watch" | "broadcast" | "token";

interface Argument {
  /** Stands for the value in the help text. */
  readonly value: string;
  /** See Flag. */
  readonly choices?: readonly string[];
  /** What it does: lower case, no full stop. */
  readonly help: string;
  /** It has to stay out of sight: the flag can name a file, and slips of its name are not sent. */
  readonly secret?: true;
  /** The flag may stand alone, which the verb gives a meaning. */
  readonly optionalValue?: true;
  /** From a value as people write it, and where it comes from, to the protocol's; throws `usage` if it is bad. */
  readonly read?: (value: string, source: string) => string;
}

const table: Readonly<Record<string, Argument>> = {
  user: {
    value: "NAME",
    help: "the user who owns the channel",
    read: (value, source) => asRequested(requestKeys.watch.user, value, source),
  },
  user_password: {
    value: "TEXT",
    help: "the user's password (visible to other processes: prefer the file)",
    secret: true,
  },
  token: { value: "TEXT", help: "a one-time token, sent instead of the password" },
  channel: {
    value: "NAME",
    help: "the channel's name (default: default; an empty value means the default)",
    read: (value, source) => asRequested(requestKeys.watch.channel, value, source),
  },
  channel_password: { value: "TEXT", help: "the channel's password (default: none)", secret: true },
  watcher: {
    value: "NAME",
    help: "the watcher's user name, if the server requires a login",
    read: (value, source) => asRequested(requestKeys.watch.watcher, value, source) ?? value,
  },
  watcher_password: { value: "TEXT", help: "the watcher's password", secret: true },
  start: {
    value: "WHERE",
    choices: startWords,
    help: "where to start: join (the newest join point, such as a keyframe; the default), next (the next join point), live (the newest byte), or a time back, such as 10s",
    read(value, source) {
      if (startWords.some((word) => word === value) || parseDurationMs(value) !== undefined) return value;
      const ms = parseDuration(value);
      if (ms !== undefined) return `${ms}ms`;
      throw bad(source, "join, next, live, or a duration such as 10s", value);
    },
  },
  wait: {
    value: "DURATION",
    help: "wait up to DURATION for the server to be reachable and the channel to be live; without DURATION, wait indefinitely",
    optionalValue: true,
  },
  lag: {
    value: lagWords.join("|"),
    choices: lagWords,
    help: "what to do when this client is too slow: skip to the newest join point, or close (default: the server's setting)",
    read(value, source) {
      if (lagWords.some((word) => word === value)) return value;
      throw bad(source, "skip or close", value);
    },
  },
  bufsize: {
    value: "SIZE",
    help: "divide the stream into chunks of SIZE (such as 188 or 64KiB); watchers start at the beginning of a chunk (default: 0, no chunks)",
    read(value, source) {
      const bytes = parseSize(value);
      if (bytes !== undefined) return String(bytes);
      throw bad(source, "a size such as 188 or 64KiB", value);
    },
  },
};

/** The variable of an argument X is `fserv_arg_X`. */
export const variablePrefix = "fserv_arg_";

/** What each verb sends, in this order. `reply` is this client's own business. */
export const argumentsOf: Readonly<Record<Verb, readonly string[]>> = {
  watch: namesOf("watch"),
  broadcast: namesOf("broadcast"),
  token: namesOf("token"),
};

/** Every argument of the protocol. */
export const knownArguments: ReadonlySet<string> = new Set([...Object.values(argumentsOf).flat(), "reply"]);

/** Those that have to stay out of sight. */
export const secretArguments: ReadonlySet<string> = new Set(
  Object.keys(table).filter((name) => table[name].secret === true),
);

/** The flags for the arguments of `verb`, and for the files that hold its secrets. */
export function argumentFlags(verb: Verb): Record<string, Flag> {
  const flags: Record<string, Flag> = {};
  for (const name of argumentsOf[verb]) {
    const { value, choices, help, optionalValue = false } = table[name];
    const flag = flagOf(name);
    flags[flag] = {
      type: "string",
      value,
      ...(choices === undefined ? {} : { choices }),
      help: `${help} [${variablePrefix}${name}]`,
      ...(optionalValue ? { optionalValue } : {}),
    };
    if (!secretArguments.has(name)) continue;
    const what = flag.replace("-", "'s ");
    flags[`${flag}-file`] = {
      type: "string",
      value: "FILE",
      help: `read the ${what} from FILE, without the trailing newline`,
    };
  }
  return flags;
}

/** The name of an argument's flag, without the dashes in front. */
export function flagOf(name: string): string {
  return name.replaceAll("_", "-");
}

/** A value of the argument `name` as it is sent. `source` is the flag or variable; throws FstreamError `usage`. */
export function sentValue(name: string, value: string, source: string): string {
  return table[name].read?.(value, source) ?? value;
}

function namesOf(verb: Verb): string[] {
  const names = Object.values(requestKeys[verb]).flatMap(({ key }) => (key === "reply" ? [] : [key]));
  const missing = names.find((name) => !Object.hasOwn(table, name));
  if (missing !== undefined) throw new Error(`the argument ${missing} has no row in the table`);
  return names;
}

/** `value` as it is, if a server's reading of the request would take it; throws `usage`. */
function asRequested<T>(key: { key: string; read(value: string): T }, value: string, source: string): T {
  try {
    return key.read(value);
  } catch (cause) {
    if (!(cause instanceof FstreamError)) throw cause;
    const named = cause.message.startsWith(`${key.key} `);
    const message = named ? source + cause.message.slice(key.key.length) : `${source}: ${cause.message}`;
    throw new FstreamError("usage", message, { cause });
  }
}

function bad(source: string, right: string, value: string): FstreamError {
  return new FstreamError("usage", `${source} must be ${right}, not "${value}"`);
}
