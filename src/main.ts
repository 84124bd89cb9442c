// From the command line to a command, and from its outcome to the exit status. The only place that ends the process. Messages
// go to stderr, results to stdout.

import type { Invocation, Terminal } from "./commands/command.ts";
import { isCommand, loadCommand } from "./commands/commands.ts";
import { flushed, say, sayLine } from "./commands/stderr.ts";
import { FstreamError, meaning } from "./errors.ts";
import { isJournal, printable, printableJson } from "./log.ts";
import { writeStdout } from "./stdio.ts";
import { build, versionLine } from "./version.ts";

/** The journal's priority, as the log has it. */
const errorMark = isJournal(2, process.env.JOURNAL_STREAM) ? "<3>" : "";

const terminal: Terminal = {
  say: (line) => sayLine(`fstream: ${printable(line)}`),
  error: (error) => {
    sayLine(`${errorMark}fstream: error: ${printable(error.message)}`);
    if (error.hint !== undefined) terminal.hint(error.hint);
  },
  hint: (text) => sayLine(`fstream: hint: ${printable(text)}`),
  print: writeStdout,
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : undefined;
  },
  get rows() {
    return process.stdout.isTTY ? process.stdout.rows : undefined;
  },
};

/** How long the end of the process waits for a reader of stderr, milliseconds. */
const wordsMs = 500;

async function main(argv: readonly string[]): Promise<number> {
  const [first, second, ...rest] = argv;
  if (first === "--version" || first === "-V" || first === "version") {
    if (second !== undefined && second !== "--json") {
      throw new FstreamError("usage", `unexpected argument: ${second}`);
    }
    terminal.print(second === "--json" ? `${printableJson(build)}\n` : `${versionLine()}\n`);
    return 0;
  }
  if (isCommand(first)) return await call(first, argv.slice(1));
  if (isCommand(second) && !first.startsWith("-") && first !== "help")
    return await call(second, [first, ...rest]);

  const { earlyFlag, helpFor, missingCommand, overview, unknownCommand } = await import("./commands/help.ts");
  if (first === undefined) {
    say(await overview());
    return meaning("usage").exit;
  }
  if (isHelp(first) || first === "help") {
    terminal.print(second === undefined || second === "help" ? await overview() : await helpFor(second));
    return 0;
  }
  if ((isHelp(second) || second === "help") && !first.startsWith("-")) {
    terminal.print(await overview());
    return 0;
  }
  const early = [first, second].find((word) => word?.startsWith("-"));
  if (early !== undefined) throw earlyFlag(early);
  const looksLikeAddress = /[.:[\]]/.test(first) || first === "localhost";
  if (!looksLikeAddress) throw unknownCommand(first);
  if (second !== undefined) throw unknownCommand(second);
  throw missingCommand(first);
}

function isHelp(word: string | undefined): boolean {
  return word === "--help" || word === "-h";
}

async function call(name: Parameters<typeof loadCommand>[0], argv: readonly string[]): Promise<number> {
  const { parseCommand } = await import("./commands/parse.ts");
  const command = await loadCommand(name);
  const { flags, operands } = parseCommand(command, argv);
  if (flags.help === true) {
    const { helpFor } = await import("./commands/help.ts");
    terminal.print(await helpFor(name));
    return 0;
  }
  const invocation: Invocation = { flags, operands, environment: process.env, cwd: process.cwd(), terminal };
  return await command.run(invocation);
}

/** Tells what went wrong. What is no FstreamError, or a broken invariant of ours, is a bug, and worth its stack. */
function report(error: unknown): number {
  if (error instanceof FstreamError) {
    terminal.error(error);
    return meaning(error.code).exit;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = stack.split("\n").map(printable).join("\n");
  say(`fstream: error: a bug in ${versionLine()}\n${lines}\n`);
  terminal.hint("please report this, with the lines above");
  return meaning("failed").exit;
}

/** Ends the process, once what it said is out, or has not been read for long enough. */
async function exit(status: number): Promise<void> {
  await flushed(wordsMs);
  process.exit(status);
}

process.on("unhandledRejection", (error) => void exit(report(error)));
process.on("uncaughtException", (error) => void exit(report(error)));
await exit(await main(process.argv.slice(2)).catch(report));
