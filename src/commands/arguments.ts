// The arguments of the protocol, from flags and from the environment: X comes from `--X` (dashes for
// underscores), or from `fserv_arg_X`. Each verb sends only its own arguments, so a password that was exported
// for one never leaves with another. What fstream does not know is passed on, as the original does, unless it looks like
// a secret: a slip must not send a password in the clear.

import { FstreamError } from "../errors.ts";
import { parseDurationMs, requestKeys } from "../protocol/keys.ts";
import { parseDuration } from "../settings/duration.ts";
import { nearest } from "../settings/nearest.ts";
import { parseSize } from "../settings/size.ts";
import type { Flag, Invocation } from "./command.ts";
import { readSecretFile } from "./secret.ts";

export type Verb = "watch" | "broadcast" | "token";

/** What each verb sends of the arguments that the protocol has. `reply` is this client's own business. */
const own: Record<Verb, readonly string[]> = {
  watch: argumentsOf("watch"),
  broadcast: argumentsOf("broadcast"),
  token: argumentsOf("token"),
};

function argumentsOf(verb: Verb): string[] {
  return Object.values(requestKeys[verb]).flatMap(({ key }) => (key === "reply" ? [] : [key]));
}

/** Every argument of the protocol. */
const known: ReadonlySet<string> = new Set([...Object.values(own).flat(), "reply"]);

const secrets: ReadonlySet<string> = new Set(["user_password", "channel_password"]);

const prefix = "fserv_arg_";

/** What a name may consist of that is passed on; anything else could break out of its place in the request. */
const plainName = /^[A-Za-z0-9_.-]+$/;

const help: Readonly<Record<string, Flag>> = {
  user: { type: "string", value: "NAME", help: "the user: whose channel it is" },
  user_password: {
    type: "string",
    value: "TEXT",
    help: "the user's password; other processes can see it here: better a file",
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
    value: "SIZE",
    help: "the stream is chunks of so many bytes (188, 64KiB), and watchers begin with the first byte of one (default: 0, none)",
  },
};

/** The flags for the arguments of `verb`, and for the files that hold its secrets. */
export function argumentFlags(verb: Verb): Record<string, Flag> {
  const flags: Record<string, Flag> = {};
  for (const name of own[verb]) {
    if (!Object.hasOwn(help, name)) continue;
    flags[dashed(name)] = { ...help[name], help: `${help[name].help}; variable: ${prefix}${name}` };
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
    const given = await fromFlags(name, invocation);
    const value = given ?? environment[prefix + name] ?? "";
    if (value === "") continue;
    const source = given === undefined ? prefix + name : `--${dashed(name)}`;
    found.set(name, readings[name]?.(value, source) ?? value);
  }
  for (const [variable, value = ""] of Object.entries(environment)) {
    if (value === "") continue;
    const name = variable.slice(prefix.length);
    if (variable.startsWith(prefix)) {
      if (known.has(name)) continue;
      const { hint, meant } = slipOf(name);
      const secret = looksSecret(name) || meant.some((one) => looksSecret(one));
      if (hint !== undefined || secret) terminal.hint(unknownWords(variable, hint, secret));
      // A slip of the name of something that this verb keeps to itself is kept as well.
      const passedOn = !secret && meant.every((one) => own[verb].includes(one));
      if (passedOn && plainName.test(name)) found.set(name, value);
    } else if (variable.toLowerCase().startsWith(prefix)) {
      terminal.hint(`${variable} is unknown: variables are lower case, ${variable.toLowerCase()}`);
    }
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

/** From a value as people write it, and where it comes from, to the protocol's; throws `usage` if it is bad. */
const readings: Readonly<Record<string, (value: string, source: string) => string>> = {
  start(value, source) {
    if (["join", "next", "live"].includes(value) || parseDurationMs(value) !== undefined) return value;
    const ms = parseDuration(value);
    if (ms !== undefined) return `${ms}ms`;
    throw bad(source, "join, next, live, or a duration such as 10s", value);
  },
  lag(value, source) {
    if (value === "skip" || value === "close") return value;
    throw bad(source, "skip or close", value);
  },
  bufsize(value, source) {
    const bytes = parseSize(value);
    if (bytes !== undefined) return String(bytes);
    throw bad(source, "a size such as 188 or 64KiB", value);
  },
};

function bad(source: string, right: string, value: string): FstreamError {
  return new FstreamError("usage", `${source} is ${right}, not "${value}"`);
}

/** Flags that are no arguments of the protocol, by the variables that may be set for them. */
const flagsAlone: ReadonlySet<string> = new Set([
  "retry",
  "quiet",
  "token_from",
  "cafile",
  "fingerprint",
  "insecure",
  ...Array.from(secrets, (name) => `${name}_file`),
]);

/** What people call a secret: anywhere in a name, or as a word of it. */
const secretName = /pass|secret|token|credential|(?:^|[_.-])(?:(?:pwd?|psw|auth|pin)\d*(?:$|[_.-])|\w*key$)/i;

function looksSecret(name: string): boolean {
  return secretName.test(name);
}

function unknownWords(variable: string, hint: string | undefined, secret: boolean): string {
  const kept = secret ? "it looks like a secret, and is not sent" : undefined;
  return `${variable} is unknown: ${[hint, kept].filter((words) => words !== undefined).join("; ")}`;
}

/** What an unknown name looks like: a hint, and the arguments that may be meant, if any. */
function slipOf(name: string): { readonly hint?: string; readonly meant: readonly string[] } {
  if (flagsAlone.has(name)) {
    const meant = [...secrets].filter((secret) => name.startsWith(secret));
    return { hint: `${name} is a flag: --${dashed(name)}`, meant };
  }
  const tails = [...known].filter((one) => name.endsWith(`_${one}`));
  const near = tails.sort((a, b) => b.length - a.length).at(0) ?? nearest(name, known);
  if (near !== undefined) return { hint: `did you mean ${prefix}${near}?`, meant: [near] };
  if (nearest(name, ["password"]) === undefined) return { meant: [] };
  const [user, channel] = [...secrets].map((secret) => prefix + secret);
  return { hint: `did you mean ${user} (or ${channel})?`, meant: [...secrets] };
}

function dashed(name: string): string {
  return name.replaceAll("_", "-");
}
