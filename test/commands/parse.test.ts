// Flags and operands from the words after a verb, and the help text from the same table.

import { expect, test } from "bun:test";
import { isCommand, loadCommand, loadCommands } from "../../src/commands/commands.ts";
import { helpText, parseCommand } from "../../src/commands/parse.ts";
import { FstreamError } from "../../src/errors.ts";

const command = {
  name: "watch",
  summary: "sends a stream to stdout",
  usage: ["ADDRESS watch [FLAG]...", "watch ADDRESS [FLAG]..."],
  flags: {
    channel: { type: "string", value: "NAME", help: "the channel", default: "default" },
    wait: { type: "string", value: "DURATION", help: "wait for the channel to go live", optionalValue: true },
    quiet: {
      type: "boolean",
      short: "q",
      help: "no status line, and no words but errors, whatever happens to it",
    },
  },
} as const;

function failure(...argv: string[]): unknown {
  try {
    parseCommand(command, argv);
  } catch (error) {
    if (error instanceof FstreamError) return { code: error.code, message: error.message, hint: error.hint };
  }
  return undefined;
}

test("flags and operands come in any order, and the last of a repeated flag counts", () => {
  expect(parseCommand(command, ["a", "--channel", "x", "-q", "b", "--channel=y"])).toEqual({
    flags: { channel: "y", wait: undefined, quiet: true, help: undefined },
    operands: ["a", "b"],
  });
});

test("a flag that is not given is its default", () => {
  expect(parseCommand(command, []).flags.channel).toBe("default");
});

test("a flag with a value that may be left out takes one only after an equals sign", () => {
  expect(parseCommand(command, ["--wait", "5s"])).toMatchObject({ flags: { wait: true }, operands: ["5s"] });
  expect(parseCommand(command, ["--wait=5s"])).toMatchObject({ flags: { wait: "5s" }, operands: [] });
});

test("after two dashes everything is an operand, and so is a dash alone", () => {
  expect(parseCommand(command, ["-", "--", "--quiet", "-q"]).operands).toEqual(["-", "--quiet", "-q"]);
});

test("values may be empty, contain equals signs, and after one begin with a dash", () => {
  expect(parseCommand(command, ["--channel="]).flags.channel).toBe("");
  expect(parseCommand(command, ["--channel=a=b"]).flags.channel).toBe("a=b");
  expect(parseCommand(command, ["--channel=-x"]).flags.channel).toBe("-x");
  expect(parseCommand(command, ["--channel", "-"]).flags.channel).toBe("-");
});

test("help can be asked of every command", () => {
  expect(parseCommand(command, ["-h"]).flags.help).toBe(true);
  expect(parseCommand(command, ["--help"]).flags.help).toBe(true);
});

test("an unknown flag is a usage error with the nearest right one", () => {
  expect(failure("--chanel=x")).toEqual({
    code: "usage",
    message: "unknown flag --chanel for watch",
    hint: "did you mean --channel?",
  });
  for (const flag of ["--frobnicate", "-z", "--__proto__", "--constructor=1"])
    expect(failure(flag)).toMatchObject({ code: "usage", hint: "`fstream help watch` lists its flags" });
});

test("a user's password that watching would not need is a usage error that says what may be meant", () => {
  for (const file of ["", "-file"]) {
    expect(failure(`--user-password${file}`, "x")).toEqual({
      code: "usage",
      message: `unknown flag --user-password${file} for watch`,
      hint: `watch needs no user password; did you mean --channel-password${file}?`,
    });
  }
});

test("a value that is missing or too many is a usage error that names the flag, and never the value", () => {
  expect(failure("--channel")).toMatchObject({
    code: "usage",
    message: "--channel needs a value: --channel NAME",
  });
  expect(failure("--channel", "-hunter2")).toEqual({
    code: "usage",
    message: "--channel needs a value, but what follows looks like a flag",
    hint: "write --channel=VALUE for a value that starts with a dash",
  });
  expect(failure("--quiet=1")).toMatchObject({ code: "usage", message: "--quiet takes no value" });
});

test("the help text has the ways to call, what it does, and every flag, in lines that fit", () => {
  const text = helpText(command, 40);
  expect(text).toBe(`usage: fstream ADDRESS watch [FLAG]...
       fstream watch ADDRESS [FLAG]...

sends a stream to stdout

      --channel NAME
          the channel
      --wait[=DURATION]
          wait for the channel to go
          live
  -q, --quiet
          no status line, and no words
          but errors, whatever happens
          to it
  -h, --help
          show this help
`);
});

test("every command's help has examples, each with flags that there are", async () => {
  for (const command of await loadCommands()) {
    const examples = command.examples ?? [];
    expect([command.name, examples.length > 0]).toEqual([command.name, true]);
    expect(helpText(command)).toContain(`\nexamples:\n  ${examples[0].split("\n")[0]}\n`);
    for (const example of examples) {
      const line = /\bfstream (.*)/s
        .exec(example)?.[1]
        .replaceAll("\\\n", " ")
        .replace(/\s[|>].*|[)"].*/s, "");
      const words = (line ?? "").split(/ +/);
      const verb = words.find((word) => isCommand(word));
      if (!isCommand(verb)) throw new Error(`no command: ${example}`);
      // An unknown flag, or one without its value, is thrown.
      expect(parseCommand(await loadCommand(verb), words).operands).toContain(verb);
    }
  }
});
