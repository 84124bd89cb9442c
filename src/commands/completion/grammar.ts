// What can stand on fstream's command line, as far as a shell can complete it: the one thing that the scripts for all shells are
// written from. It comes from the commands themselves, as their help does. `fstream help` and `fstream --version`, which are no
// commands, are verbs here.
//
// The verb is the first word, or the second after an address; its flags and operands come after it.

import { type Command, type Flag, takesAddress } from "../command.ts";
import { flagsOf } from "../parse.ts";

/** What the value of a flag is: files, folders, or these words; of no words nothing is known. */
export type Values = "file" | "folder" | readonly string[];

export interface CompletedFlag {
  /** With its dashes. */
  readonly name: string;
  /** `-q`. */
  readonly short: string | undefined;
  readonly help: string;
  /** Whether there is a value: `optional` ones come only after an equals sign. */
  readonly takes: "nothing" | "value" | "optional";
  /** Stands for the value. */
  readonly value: string;
  readonly values: Values;
}

export interface CompletedVerb {
  readonly name: string;
  readonly help: string;
  /** Whether it can come after an address. */
  readonly hasAddress: boolean;
  /** What comes right after it. */
  readonly words: readonly string[];
  readonly flags: readonly CompletedFlag[];
}

type Completed = Pick<Command, "name" | "summary" | "usage" | "words" | "flags">;

/** All that `fstream` can be called with. */
export function grammarOf(commands: readonly Completed[]): readonly CompletedVerb[] {
  const names = commands.map(({ name }) => name);
  return [
    ...commands.map((command) => ({
      name: command.name,
      help: brief(command.summary),
      hasAddress: takesAddress(command),
      words: command.words ?? [],
      flags: Object.entries(flagsOf(command)).map(([name, flag]) => completedFlag(name, flag)),
    })),
    { ...special, name: "help", help: "show the usage and flags of a command", words: names },
    { ...special, name: "--help", help: "list the commands" },
    {
      ...special,
      name: "--version",
      help: "print the version",
      flags: [completedFlag("json", { type: "boolean", help: "print JSON, for scripts" })],
    },
  ];
}

const special = { hasAddress: false, words: [], flags: [] };

function completedFlag(name: string, flag: Flag): CompletedFlag {
  const { short, value = "VALUE", choices = [] } = flag;
  const paths = { FILE: "file", DIR: "folder" } as const;
  return {
    name: `--${name}`,
    short: short === undefined ? undefined : `-${short}`,
    help: brief(flag.help),
    takes: flag.type === "boolean" ? "nothing" : flag.optionalValue ? "optional" : "value",
    value,
    values: value === "FILE" || value === "DIR" ? paths[value] : choices,
  };
}

/** What a list of completions has room for. Characters. */
const maxHelp = 72;

/** The beginning of a help text: no more than one line of a terminal. */
function brief(help: string): string {
  const [first] = help.split("; ");
  if (first.length <= maxHelp) return first;
  return `${first.slice(0, first.lastIndexOf(" ", maxHelp - 4)).replace(/[,:(]*$/, "")} ...`;
}
