// From the arguments after a verb to its flags and operands, and from the same table of flags to the help text.
// GNU conventions: flags and operands in any order, `--flag VALUE` or `--flag=VALUE`, `--` ends the flags, the
// last of a repeated flag counts. A value that looks like a flag has to come after an equals sign.

import { parseArgs } from "node:util";
import { FstreamError } from "../errors.ts";
import { nearest } from "../settings/nearest.ts";
import type { Command, Flag, Invocation } from "./command.ts";

const helpFlag: Flag = { type: "boolean", short: "h", help: "show this help" };

/** The flags of `command` by their names of today, in the order of the help text. */
export function flagsOf({ flags }: Pick<Command, "flags">): Readonly<Record<string, Flag>> {
  const todays = Object.entries(flags).filter(([, { now }]) => now === undefined);
  return { ...Object.fromEntries(todays), help: helpFlag };
}

/** The flags and operands in `argv` (without the verb); throws FstreamError `usage`. `flags.help` may be set. */
export function parseCommand(
  command: Pick<Command, "name" | "flags">,
  argv: readonly string[],
): Pick<Invocation, "flags" | "operands"> {
  const known: Readonly<Record<string, Flag>> = { ...command.flags, help: helpFlag };
  const options = Object.fromEntries(
    Object.entries(known).map(([name, flag]) => [
      name,
      {
        type: flag.optionalValue ? ("boolean" as const) : flag.type,
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });

  const flags: Record<string, string | boolean | undefined> = {};
  for (const [name, flag] of Object.entries(known)) flags[name] = flag.default;
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    if (!Object.hasOwn(known, token.name)) throw unknownFlag(command.name, token.rawName, flagsOf(command));
    flags[token.name] = flagValue(known[token.name], token.rawName, token.value, token.inlineValue === true);
  }
  return { flags, operands };
}

function flagValue(flag: Flag, name: string, value: string | undefined, inline: boolean): string | boolean {
  if (flag.type === "boolean") {
    if (value === undefined) return true;
    throw new FstreamError("usage", `${name} takes no value`);
  }
  if (value === undefined) {
    if (flag.optionalValue) return true;
    throw new FstreamError("usage", `${name} needs a value: ${name} ${flag.value ?? "VALUE"}`);
  }
  if (!inline && value.length > 1 && value.startsWith("-")) {
    throw new FstreamError("usage", `${name} needs a value, but what follows looks like a flag`, {
      hint: `write ${name}=VALUE for a value that starts with a dash`,
    });
  }
  return value;
}

/** Flags of other verbs that are often given to one that must not have them, with what to do instead. */
const misplaced: Readonly<Record<string, string>> = {
  "watch --user-password": "watch needs no user password; did you mean --channel-password?",
  "watch --user-password-file": "watch needs no user password; did you mean --channel-password-file?",
};

function unknownFlag(command: string, name: string, known: Readonly<Record<string, Flag>>): FstreamError {
  const elsewhere = misplaced[`${command} ${name}`];
  if (elsewhere !== undefined) {
    return new FstreamError("usage", `unknown flag ${name} for ${command}`, { hint: elsewhere });
  }
  const near = nearest(name.replace(/^-+/, ""), Object.keys(known));
  return new FstreamError("usage", `unknown flag ${name} for ${command}`, {
    hint: near === undefined ? `\`fstream help ${command}\` lists its flags` : `did you mean --${near}?`,
  });
}

/** What `fstream help COMMAND` prints: lines of at most `columns`, unless a single word is longer. */
export function helpText(command: Omit<Command, "run">, columns = 80): string {
  const names = command.usage.map((way, index) => `${index === 0 ? "usage:" : "      "} fstream ${way}\n`);
  const flags = Object.entries(flagsOf(command)).map(([name, flag]) => {
    const head = `  ${flag.short === undefined ? "    " : `-${flag.short}, `}--${name}${placeholder(flag)}`;
    return `${head}\n${wrapped(flag.help, columns, "          ")}`;
  });
  const notes = command.notes === undefined ? "" : `\n${wrapped(command.notes, columns, "")}`;
  const lines = (command.examples ?? []).flatMap((example) => example.split("\n"));
  const examples = lines.length === 0 ? "" : `\nexamples:\n${lines.map((line) => `  ${line}\n`).join("")}`;
  return `${names.join("")}\n${wrapped(command.summary, columns, "")}\n${flags.join("")}${notes}${examples}`;
}

function placeholder(flag: Flag): string {
  if (flag.type === "boolean") return "";
  const value = flag.value ?? "VALUE";
  return flag.optionalValue ? `[=${value}]` : ` ${value}`;
}

function wrapped(text: string, columns: number, indent: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1;
    if (lines[last] === "") lines[last] = word;
    else if (indent.length + lines[last].length + 1 + word.length <= columns) lines[last] += ` ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${indent}${line}\n`).join("");
}
