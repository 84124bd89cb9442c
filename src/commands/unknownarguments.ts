// Variables `fserv_arg_*` that fstream does not know: what was meant, and whether it looks like a secret.

import { nearest } from "../settings/nearest.ts";
import { flagOf, knownArguments, secretArguments, variablePrefix } from "./arguments.ts";

/** Flags that are no arguments of the protocol, by the variables that may be set for them. */
const flagsAlone: ReadonlySet<string> = new Set([
  "retry",
  "quiet",
  "token_from",
  "cafile",
  "fingerprint",
  "insecure",
  ...Array.from(secretArguments, (name) => `${name}_file`),
]);

/** What people call a secret: anywhere in a name, or as a word of it. */
const secretName = /pass|secret|token|credential|(?:^|[_.-])(?:(?:pwd?|psw|auth|pin)\d*(?:$|[_.-])|\w*key$)/i;

export function looksSecret(name: string): boolean {
  return secretName.test(name);
}

export function unknownHint(variable: string, hint: string | undefined, secret: boolean): string {
  const kept = secret ? ", not sent because it looks like a secret" : "";
  return `unknown variable ${variable}${kept}${hint === undefined ? "" : `: ${hint}`}`;
}

/** What an unknown name looks like: a hint, and the arguments that may be meant, if any. */
export function slipOf(name: string): { readonly hint?: string; readonly meant: readonly string[] } {
  if (flagsAlone.has(name)) {
    const meant = [...secretArguments].filter((secret) => name.startsWith(secret));
    return { hint: `use the flag --${flagOf(name)}`, meant };
  }
  const tails = [...knownArguments].filter((one) => name.endsWith(`_${one}`));
  const near = tails.sort((a, b) => b.length - a.length).at(0) ?? nearest(name, knownArguments);
  if (near !== undefined) return { hint: `did you mean ${variablePrefix}${near}?`, meant: [near] };
  if (nearest(name, ["password"]) === undefined) return { meant: [] };
  const [user, channel] = [...secretArguments].map((secret) => variablePrefix + secret);
  return { hint: `did you mean ${user} (or ${channel})?`, meant: [...secretArguments] };
}
