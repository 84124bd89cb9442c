// Runs one command as its own process, for tests of what it does with stdin, a terminal and its exit status:
// `bun driver.ts check|user ARGS...`. Words go where the program's own go, in the same shape.

import { check } from "../../src/commands/check.ts";
import { parseCommand } from "../../src/commands/parse.ts";
import { user } from "../../src/commands/user.ts";
import { asFstreamError, type FstreamError, meaning } from "../../src/errors.ts";

// No settings of the machine.
process.env.CONFIGURATION_DIRECTORY = "/nowhere";
const [name, ...argv] = process.argv.slice(2);
const command = name === "check" ? check : user;

const hint = (text: string) => void process.stderr.write(`fstream: hint: ${text}\n`);
const tell = (error: FstreamError) => {
  process.stderr.write(`fstream: error: ${error.message}\n`);
  if (error.hint !== undefined) hint(error.hint);
};

try {
  process.exitCode = await command.run({
    ...parseCommand(command, argv),
    environment: process.env,
    cwd: process.cwd(),
    terminal: {
      say: (line) => void process.stderr.write(`fstream: ${line}\n`),
      error: tell,
      hint,
      print: (text) => {
        process.stdout.write(text);
        return true;
      },
      columns: process.stdout.isTTY ? process.stdout.columns : undefined,
      rows: undefined,
    },
  });
} catch (error) {
  const known = asFstreamError(error);
  tell(known);
  process.exitCode = meaning(known.code).exit;
}
