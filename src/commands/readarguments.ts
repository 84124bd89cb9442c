// The arguments of the protocol as a verb was called with them: X comes from `--X` (dashes for underscores), or from
// `fserv_arg_X`. Each verb sends only its own arguments, so a password that was exported for one never leaves with another.
// What fstream does not know is passed on, as the original does, unless it looks like a secret: a slip must not send a
// password in the clear.

import { FstreamError } from "../errors.ts";
import { maxRequestBytes, requestTextBytes } from "../protocol/request.ts";
import {
  argumentsOf,
  flagOf,
  knownArguments,
  secretArguments,
  sentValue,
  type Verb,
  variablePrefix,
} from "./arguments.ts";
import type { Invocation } from "./command.ts";
import { readSecretFile } from "./secret.ts";
import { looksSecret, slipOf, unknownHint } from "./unknownarguments.ts";

/** What a name may consist of that is passed on; anything else could break out of its place in the request. */
const plainName = /^[A-Za-z0-9_.-]+$/;

/** Arguments by name, each with a value that is not empty, in the order in which they are sent. */
export type Arguments = ReadonlyMap<string, string>;

/** The arguments of `verb` as it was called. Throws FstreamError `usage` for what can't be. */
export async function readArguments(verb: Verb, invocation: Invocation): Promise<Arguments> {
  const { environment, terminal } = invocation;
  const found = new Map<string, string>();
  const sources = new Map<string, string>();
  for (const name of argumentsOf[verb]) {
    const given = await fromFlags(name, invocation);
    const value = given?.text ?? environment[variablePrefix + name] ?? "";
    if (value === "") continue;
    const source = given?.source ?? variablePrefix + name;
    sources.set(name, source);
    found.set(name, sentValue(name, value, source));
  }
  for (const [variable, value = ""] of Object.entries(environment)) {
    if (value === "") continue;
    const name = variable.slice(variablePrefix.length);
    if (variable.startsWith(variablePrefix)) {
      if (knownArguments.has(name)) continue;
      const { hint, meant } = slipOf(name);
      const secret = looksSecret(name) || meant.some((one) => looksSecret(one));
      if (hint !== undefined || secret) terminal.hint(unknownHint(variable, hint, secret));
      // A slip of the name of something that this verb keeps to itself is kept as well.
      const passedOn = !secret && meant.every((one) => argumentsOf[verb].includes(one));
      if (!passedOn || !plainName.test(name)) continue;
      sources.set(name, variable);
      found.set(name, value);
    } else if (variable.toLowerCase().startsWith(variablePrefix)) {
      terminal.hint(`unknown variable ${variable}: did you mean ${variable.toLowerCase()}?`);
    }
  }
  checkLength(verb, found, sources);
  if (!found.has("user")) {
    throw new FstreamError("usage", `${verb} needs a user`, {
      hint: "give --user NAME, or set fserv_arg_user",
    });
  }
  return found;
}

/** Refuses what no server with the usual `max_request` would take: it would close the connection without a word. */
function checkLength(verb: Verb, found: Arguments, sources: ReadonlyMap<string, string>): void {
  // Where there is a token the password is not sent.
  const sent = [...found].filter(
    ([name]) => name !== "user_password" || verb === "token" || !found.has("token"),
  );
  if (requestTextBytes(verb, sent) <= maxRequestBytes) return;
  const [name, value] = sent.reduce((longest, one) => (one[1].length > longest[1].length ? one : longest));
  const bytes = new TextEncoder().encode(value).length;
  throw new FstreamError(
    "failed",
    `${sources.get(name)} is too long: ${bytes} bytes, but a request can have at most ${maxRequestBytes}`,
  );
}

/** The whole of a password that `verb` needs; throws `usage` if there is none. */
export function requirePassword(verb: string, found: Arguments): string {
  const password = found.get("user_password");
  if (password !== undefined) return password;
  const token = verb === "broadcast" ? ", or a token" : "";
  throw new FstreamError("usage", `${verb} needs the user's password${token}`, {
    hint: "give --user-password-file FILE, or set fserv_arg_user_password",
  });
}

/** A value, and the flag that it comes from. */
interface Given {
  readonly text: string;
  readonly source: string;
}

async function fromFlags(name: string, { flags, cwd }: Invocation): Promise<Given | undefined> {
  const flag = flagOf(name);
  const text = flags[flag];
  const file = secretArguments.has(name) ? flags[`${flag}-file`] : undefined;
  if (text !== undefined && file !== undefined) {
    throw new FstreamError("usage", `--${flag} and --${flag}-file can't be used together`);
  }
  if (file === "-") throw new FstreamError("usage", `--${flag}-file can't be standard input`);
  if (file !== undefined) {
    const secret = await readSecretFile(String(file), cwd);
    // As if it had been left out, a channel would be open to all.
    if (secret === "") throw new FstreamError("failed", `--${flag}-file ${String(file)} is empty`);
    return { text: secret, source: `--${flag}-file` };
  }
  return typeof text === "string" ? { text, source: `--${flag}` } : undefined;
}
