// From the words of the command line to a command, and from what becomes of it to the exit status. The only
// place that ends the process. Words go to stderr, results to stdout.

import { writeSync } from "node:fs";
import { version } from "../package.json";
import type { Invocation, Terminal } from "./commands/command.ts";
import { isCommand, loadCommand } from "./commands/commands.ts";
import { FstreamError, meaning } from "./errors.ts";
import { printable } from "./log.ts";
import { writeStdout } from "./stdio.ts";

const terminal: Terminal = {
  say: (line) => complain(`fstream: ${printable(line)}\n`),
  error: (error) => {
    complain(`fstream: error: ${printable(error.message)}\n`);
    if (error.hint !== undefined) terminal.hint(error.hint);
  },
  hint: (text) => complain(`fstream: hint: ${printable(text)}\n`),
  print: writeStdout,
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : undefined;
  },
};

/** Writes all of `text` to stderr. Its reader may be slow, in which case it is tried again, or gone, which is no reason to stop. */
function complain(text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(2, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "EAGAIN") return;
      Bun.sleepSync(1);
    }
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const [first, second, ...rest] = argv;
  if (first === "--version" || first === "-V") {
    terminal.print(`fstream ${version}\n`);
    return 0;
  }
  if (isCommand(first)) return await call(first, argv.slice(1));
  if (isCommand(second) && !first.startsWith("-") && first !== "help")
    return await call(second, [first, ...rest]);

  const { helpFor, missingCommand, overview, unknownCommand } = await import("./commands/help.ts");
  if (first === undefined) {
    complain(await overview());
    return meaning("usage").exit;
  }
  if (first === "--help" || first === "-h" || first === "help") {
    terminal.print(second === undefined || second === "help" ? await overview() : await helpFor(second));
    return 0;
  }
  const early = [first, second].find((word) => word?.startsWith("-"));
  if (early !== undefined) {
    throw new FstreamError("usage", `there is no command before ${early}`, {
      hint: "flags come after the command: `fstream --help`",
    });
  }
  const looksLikeAddress = /[.:[\]]/.test(first) || first === "localhost";
  if (!looksLikeAddress) throw unknownCommand(first);
  if (second !== undefined) throw unknownCommand(second);
  throw missingCommand(first);
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
  complain(`fstream: error: a bug in fstream ${version}\n${lines}\n`);
  terminal.hint("please report it, with the lines above");
  return meaning("failed").exit;
}

process.on("unhandledRejection", (error) => process.exit(report(error)));
process.on("uncaughtException", (error) => process.exit(report(error)));
process.exit(await main(process.argv.slice(2)).catch(report));
