// What the verbs that talk to a server have in common: the address they are given, which certificates are trusted, durations,
// and the status line.

import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import { type Address, isSecure, parseAddress, withoutCredentials } from "../client/address.ts";
import { Meter } from "../client/meter.ts";
import { parseFingerprint, type Trust } from "../client/trust.ts";
import { FstreamError } from "../errors.ts";
import { readNamedFile } from "../file.ts";
import { parseDuration } from "../settings/duration.ts";
import type { Flag, Invocation, Terminal } from "./command.ts";
import { say } from "./stderr.ts";

/** A file of all the authorities there are has some 250 KiB. Bytes. */
const maxCafileBytes = 4 * 1024 * 1024;

/** The flags that decide which certificates are trusted. */
export const trustFlags: Readonly<Record<string, Flag>> = {
  cafile: {
    type: "string",
    value: "FILE",
    help: "trust the CA certificates in this PEM file instead of the system's",
  },
  fingerprint: {
    type: "string",
    value: "SHA256",
    help: "trust only the certificate with this SHA-256 fingerprint, regardless of its name, issuer and dates",
  },
  insecure: { type: "boolean", help: "don't verify the certificate (testing only)" },
};

export const quietFlag: Flag = {
  type: "boolean",
  short: "q",
  help: "no status line and no retry messages",
};

/** The one operand of `verb`, as an address of one of `schemes`. Throws `usage`. */
export function addressOperand(
  verb: "watch" | "broadcast" | "token" | "status",
  invocation: Pick<Invocation, "operands" | "flags">,
  schemes: readonly Address["scheme"][],
): Address {
  const { operands } = invocation;
  const [text, more] = operands;
  if (text === undefined) {
    throw new FstreamError("usage", `${verb} needs the server's address`, {
      hint: `e.g. fstream relay.example:61920 ${verb}`,
    });
  }
  if (more !== undefined) {
    throw new FstreamError("usage", `unexpected argument: ${withoutCredentials(more)}`, {
      hint: surplusHint(verb, invocation),
    });
  }
  return addressOf(verb, text, schemes);
}

/** How shells say where a stream comes from, or goes to. */
const redirections = {
  watch: ["writes to standard output", ">"],
  broadcast: ["reads standard input", "<"],
} as const;

/** What an operand besides the address is likely to be: a flag's value, a file, or the user. */
function surplusHint(
  verb: "watch" | "broadcast" | "token" | "status",
  { operands, flags }: Pick<Invocation, "operands" | "flags">,
): string | undefined {
  const waiting = (["wait", "retry"] as const).find((name) => flags[name] === true);
  const duration = operands.find((word) => parseDuration(word) !== undefined);
  if (waiting !== undefined && duration !== undefined) {
    return `write --${waiting}=${duration}, with an equals sign`;
  }
  if (verb === "status") return undefined;
  const more = withoutCredentials(operands[1]);
  if (verb !== "token" && (/[./\\]/.test(more) || flags.user !== undefined)) {
    const [does, sign] = redirections[verb];
    return `${verb} ${does}: fstream ADDRESS ${verb} ${sign} ${more}`;
  }
  return flags.user === undefined ? `did you mean --user ${more}?` : undefined;
}

/** `text` as an address of one of `schemes`. Throws `usage`. */
export function addressOf(taker: string, text: string, schemes: readonly Address["scheme"][]): Address {
  const address = parseAddress(text);
  if (schemes.includes(address.scheme)) return address;
  const kind = address.scheme === "fstream" ? "a host:port address" : `an ${address.scheme}:// address`;
  throw new FstreamError("usage", `${taker} doesn't take ${kind}`, { hint: rightHint(address, schemes) });
}

/** The ports that servers usually have; of plain HTTP there is none. */
const usualPorts: Record<Address["scheme"], string> = {
  fstream: "61920",
  fstreams: "61922",
  https: "61921",
  http: "PORT",
};

function rightHint({ host }: Address, schemes: readonly Address["scheme"][]): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const places = schemes.map((scheme) =>
    scheme === "fstream" ? `${name}:${usualPorts.fstream}` : `${scheme}://${name}:${usualPorts[scheme]}`,
  );
  const settings = schemes.includes("http")
    ? ", with the port of the server's https_listen or http_listen"
    : "";
  return `use ${places.slice(0, -1).join(", ")}${places.length > 1 ? " or " : ""}${places[places.length - 1]}${settings}`;
}

/** Whom to trust at `addresses`; flags that would have no effect there are refused, as they would give false comfort. */
export async function trustOf({ flags, cwd }: Invocation, addresses: readonly Address[]): Promise<Trust> {
  const given = Object.keys(trustFlags).filter((name) => flags[name] !== undefined && flags[name] !== false);
  if (given.length > 1) {
    throw new FstreamError(
      "usage",
      `${given.map((name) => `--${name}`).join(" and ")} can't be used together`,
    );
  }
  if (given.length === 1 && !addresses.some(isSecure)) {
    throw new FstreamError("usage", `--${given[0]} needs an address that uses TLS`, {
      hint: "use fstreams://host:port",
    });
  }
  if (flags.insecure === true) return { type: "insecure" };
  if (typeof flags.fingerprint === "string") {
    return { type: "fingerprint", sha256: parseFingerprint(flags.fingerprint) };
  }
  if (typeof flags.cafile === "string")
    return { type: "authorities", pem: await readPem(resolve(cwd, flags.cafile)) };
  return { type: "system" };
}

async function readPem(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readNamedFile(path, maxCafileBytes)).toString("utf8");
  } catch (cause) {
    if (!(cause instanceof FstreamError)) throw cause;
    throw new FstreamError("failed", `can't read --cafile ${path}: ${cause.message}`, { cause });
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new FstreamError("failed", `--cafile ${path} contains no PEM certificate`);
}

/**
 * The duration of a flag that may stand alone, milliseconds: 0 if it was not given, Infinity if it has no
 * value. Throws `usage`.
 */
export function optionalDuration(name: string, value: string | boolean | undefined): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return Number.POSITIVE_INFINITY;
  const ms = parseDuration(value);
  if (ms !== undefined) return ms;
  throw new FstreamError("usage", `${name} must be a duration such as 30s or 5m, not "${value}"`);
}

/** Of a status line that is not read, the next ones are worth nothing. Bytes. */
const maxUnreadStatusBytes = 1024;

/**
 * The status line of a verb whose stream is at `descriptor`: undefined if it is not wanted, or stderr is no terminal. It is live only
 * where the stream is a file's: the other program of a pipeline (ffmpeg, a player) has a line of its own on the same terminal, and
 * what is typed into a terminal is shown there.
 */
export function meterFor({ flags }: Invocation, descriptor: 0 | 1): Meter | undefined {
  if (flags.quiet === true || !process.stderr.isTTY) return undefined;
  const screen = {
    write: (text: string) => say(text, maxUnreadStatusBytes),
    columns: () => process.stderr.columns || 80, // 0: a terminal that does not know
    nowMs: () => performance.now(),
  };
  return new Meter(screen, isFile(descriptor));
}

/** Whether it is a file, or a device that is no terminal (which `watch` does not write to); not where that is not known. */
export function isFile(descriptor: 0 | 1): boolean {
  try {
    const stats = fstatSync(descriptor);
    return stats.isFile() || stats.isBlockDevice() || (descriptor === 1 && stats.isCharacterDevice());
  } catch {
    return false;
  }
}

/** How a verb reports what it tolerates: not at all with --quiet, and never into the status line. */
export function sayer(terminal: Terminal, meter: Meter | undefined, quiet: boolean): (text: string) => void {
  return (text) => {
    if (quiet) return;
    meter?.clear();
    terminal.say(text);
  };
}
