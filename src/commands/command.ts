// The shape of a verb: what it is called, which flags it takes, and how it runs. Each file beside this one
// exports one. parse.ts reads the flags and writes the help from the same table; main.ts gives it the process's
// surroundings and exits with the status that `run` gives back.

import type { FstreamError } from "../errors.ts";

/** One flag of a command. */
export interface Flag {
  readonly type: "string" | "boolean";
  /** One letter: `-q`. */
  readonly short?: string;
  /** What the flag is without being given; for a person the help text should say it. */
  readonly default?: string | boolean;
  /** Stands for the value in the help text. FILE and DIR are a file and a folder, which shells complete. */
  readonly value?: string;
  /** Words that the value can be, which shells complete: all that it can be, or those beside numbers and names. */
  readonly choices?: readonly string[];
  /** What it does: lower case, no full stop. */
  readonly help: string;
  /** The flag that it is now: an earlier name, which goes on working and is in no list of flags. */
  readonly now?: string;
  /** `--wait` alone is `true`, and a value comes only after an equals sign: `--wait=5s`. */
  readonly optionalValue?: boolean;
}

/** Where output goes. */
export interface Terminal {
  /** A line for people: `fstream: LINE` on stderr. */
  say(line: string): void;
  /** `fstream: error: ...` on stderr, and its hint after it. */
  error(error: FstreamError): void;
  /** `fstream: hint: ...` on stderr. */
  hint(text: string): void;
  /**
   * A result that was asked for, on stdout, as it is: the caller ends its lines. False if its reader has gone; throws `failed` if it
   * can't be written.
   */
  print(text: string): boolean;
  /** How wide stdout is if it is a terminal; undefined: a file or a pipe, where scripts read. */
  readonly columns: number | undefined;
  /** How many lines it shows, in the same way. */
  readonly rows: number | undefined;
}

/** A command as it was called. */
export interface Invocation {
  /** By name without dashes; a flag that was not given is its default, or undefined. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly operands: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working folder, absolute. */
  readonly cwd: string;
  readonly terminal: Terminal;
}

/** A verb. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands: lower case, no full stop. */
  readonly summary: string;
  /** More of what there is to know than its flags say: whole sentences. */
  readonly notes?: string;
  /** Each way to call it, without `fstream` in front. */
  readonly usage: readonly string[];
  /** Command lines that people can begin with; a shell can run each as it stands, but for names and addresses. */
  readonly examples?: readonly string[];
  /** What its first operand is one of, which shells complete. */
  readonly words?: readonly string[];
  /** By name without dashes, in the order of the help text. `help` is there without being declared. */
  readonly flags: Readonly<Record<string, Flag>>;
  /** The exit status; rejects with an FstreamError that says what is wrong. */
  run(invocation: Invocation): Promise<number>;
}

/** Whether a verb can come after an address. */
export function takesAddress({ name, usage }: Pick<Command, "name" | "usage">): boolean {
  return usage.some((way) => way.includes(` ${name} `));
}
