// `fstream [ADDRESS] status`: show what is live, as a table, or as the server's own JSON.

import { type Address, formatPlace } from "../client/address.ts";
import { fetchStatus, type Status } from "../client/status.ts";
import { cut, statusTable } from "../client/statustable.ts";
import type { Trust } from "../client/trust.ts";
import { FstreamError } from "../errors.ts";
import { printable, printableJson } from "../log.ts";
import { parseDuration } from "../settings/duration.ts";
import { defaultPlaces } from "../settings/find.ts";
import type { Command, Invocation } from "./command.ts";
import { addressOperand, trustFlags, trustOf } from "./connectionflags.ts";
import { aboutLocal, localServer } from "./localserver.ts";
import { readSecretFile } from "./secret.ts";

/** How often `--watch` asks, if it does not say. Milliseconds. */
const usualIntervalMs = 2000;
const longestIntervalMs = 86_400_000;
const tokenShape = /^[!-~]+$/;
/** To the first line; and from there what was on the screen is taken away, line by line and then all that is below. */
const home = "\u001b[H";
const wipeLine = "\u001b[K";
const wipeBelow = "\u001b[J";

export const status: Command = {
  name: "status",
  summary: "show what is live",
  usage: ["[https://HOST:PORT] status [FLAG]..."],
  examples: [
    "fstream status",
    "fstream https://relay.example:61921 status --watch",
    "fstream https://relay.example:61921 status --json | jq .channels",
  ],
  flags: {
    json: {
      type: "boolean",
      help: "print the server's JSON, for scripts; with --watch, one line per update",
    },
    watch: {
      type: "string",
      value: "SECONDS",
      help: "repeat every SECONDS (default: 2); on a terminal, update in place",
      optionalValue: true,
    },
    "admin-token-file": {
      type: "string",
      value: "FILE",
      help: "file with the server's admin token, to see channels that are not public (default without ADDRESS: the one in the settings)",
    },
    config: {
      type: "string",
      value: "FILE",
      help: `without ADDRESS: the settings file of the server on this machine (default: ${defaultPlaces})`,
    },
    ...trustFlags,
  },
  notes:
    "Without ADDRESS, status asks the server on this machine, and trusts its certificate if the file can be read.",
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  const intervalMs = intervalOf(flags.watch);
  const { address, trust, adminTokenFile, explain } = await placeOf(invocation);
  const tokenFile = flags["admin-token-file"];
  const given = typeof tokenFile === "string" ? await readSecretFile(tokenFile, invocation.cwd) : undefined;
  if (given !== undefined && !tokenShape.test(given))
    throw new FstreamError("usage", "--admin-token-file does not contain an admin token");
  const token = given ?? (adminTokenFile && (await tokenIn(adminTokenFile, invocation.cwd)));
  const fetch = () =>
    fetchStatus(address, trust, token).catch((error: unknown) => {
      throw explain !== undefined && error instanceof FstreamError ? explain(error) : error;
    });
  if (intervalMs === undefined) show(await fetch(), invocation);
  else await watch(fetch, address, intervalMs, invocation);
  return 0;
}

/** What a file of the server's holds; undefined where this user may not read it, or it is no token: others see what is public. */
async function tokenIn(file: string, cwd: string): Promise<string | undefined> {
  const token = await readSecretFile(file, cwd).catch(() => "");
  return tokenShape.test(token) ? token : undefined;
}

interface Place {
  readonly address: Address;
  readonly trust: Trust;
  /** Where the server on this machine has its admin token, if this is sure to be that server. */
  readonly adminTokenFile?: string | undefined;
  /** What went wrong, with a hint where it is not the server that was meant. */
  readonly explain?: (error: FstreamError) => FstreamError;
}

async function placeOf(invocation: Invocation): Promise<Place> {
  if (invocation.operands.length === 0) {
    const { address, trust, adminTokenFile, settingsFile } = await localServer(invocation);
    const given = await trustOf(invocation, [address]);
    const explain = (error: FstreamError) => aboutLocal(error, settingsFile);
    if (given.type === "system" && trust !== undefined) return { address, trust, adminTokenFile, explain };
    // A fingerprint that was given is not these settings'.
    return given.type === "system" ? { address, trust: given, explain } : { address, trust: given };
  }
  const { flags, operands } = invocation;
  const interval = operands.find((word) => /^\d+[a-z]*$/.test(word));
  if (flags.watch === true && interval !== undefined)
    throw new FstreamError("usage", `"${interval}" is not a valid address`, {
      hint: `write --watch=${interval}, with an equals sign`,
    });
  if (flags.config !== undefined) throw new FstreamError("usage", "--config can't be used with an address");
  const address = addressOperand("status", invocation, ["https", "http"]);
  return { address, trust: await trustOf(invocation, [address]) };
}

/** Milliseconds; undefined: once. */
function intervalOf(given: string | boolean | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (given === true) return usualIntervalMs;
  const text = String(given);
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (ms !== undefined && ms >= 100 && ms <= longestIntervalMs) return ms;
  throw new FstreamError("usage", `--watch must be from 0.1 to 86400 seconds, not "${text}"`);
}

function show(found: Status, { flags, terminal }: Invocation): void {
  if (flags.json === true) terminal.print(`${printableJson(found.answer)}\n`);
  else if (found.channels.length === 0)
    terminal.say(found.isAll ? "no channels are live" : "no public channels are live");
  else terminal.print(`${table(found, terminal.columns).join("\n")}\n`);
}

function table({ channels, nowMs }: Status, width: number | undefined): readonly string[] {
  return statusTable(channels, nowMs ?? Date.now(), width);
}

/** Until a signal ends it, or stdout's reader leaves. Rejects if it fails at first, or for something that will not pass. */
async function watch(
  fetch: () => Promise<Status>,
  address: Address,
  intervalMs: number,
  { flags, terminal }: Invocation,
): Promise<void> {
  let last: Status | undefined;
  for (;;) {
    const found = await fetch().catch((error: unknown) => {
      if (last !== undefined && error instanceof FstreamError && willPass(error)) return error;
      throw error;
    });
    if (!(found instanceof FstreamError)) last = found;
    const { columns, rows } = terminal;
    let text: string;
    if (flags.json === true)
      text = found instanceof FstreamError ? "" : `${printableJson(found.answer, 0)}\n`;
    else if (columns === undefined) text = `${contents(found, columns).join("\n")}\n\n`;
    else
      text = screen(
        `${formatPlace(address)}  ${clock()}  ${titleOf(found)}`,
        contents(found, columns),
        columns,
        rows,
      );
    if (text !== "" && !terminal.print(text)) return;
    await Bun.sleep(intervalMs);
  }
}

/** What fills a terminal, in place of what it showed before. */
function screen(title: string, lines: readonly string[], columns: number, rows = 25): string {
  const shown = fitting([cut(printable(title), columns), "", ...lines], rows);
  return `${home}${shown.map((line) => `${line}${wipeLine}\n`).join("")}${wipeBelow}`;
}

function contents(found: Status | FstreamError, columns: number | undefined): readonly string[] {
  if (found instanceof FstreamError) return columns === undefined ? [printable(found.message)] : [];
  return table(found, columns);
}

function titleOf(found: Status | FstreamError): string {
  return found instanceof FstreamError ? found.message : summary(found);
}

/** The lines that a screen of so many shows, with a last one for the cursor. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  const most = Math.max(3, rows - 1);
  if (lines.length <= most) return lines;
  return [...lines.slice(0, most - 1), `... and ${lines.length - most + 1} more`];
}

function summary({ channels }: Status): string {
  const watchers = channels.reduce((sum, each) => sum + each.watchers, 0);
  return `${counted(channels.length, "channel")}, ${counted(watchers, "watcher")}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}

function willPass({ code }: FstreamError): boolean {
  return ["disconnected", "busy", "limit", "shutting_down"].includes(code);
}
