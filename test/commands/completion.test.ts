// The scripts of `fstream completion`: they know every verb and flag that the help knows, and bash, fish and zsh complete with them.

import { describe, expect, test } from "bun:test";
import { commandNames, loadCommand, loadCommands } from "../../src/commands/commands.ts";
import { grammarOf } from "../../src/commands/completion/grammar.ts";
import { helpFor, overview } from "../../src/commands/help.ts";
import { FstreamError } from "../../src/errors.ts";

async function completion(...operands: string[]): Promise<string> {
  let printed = "";
  const terminal = {
    print: (text: string) => {
      printed += text;
      return true;
    },
    say: () => {},
    error: () => {},
    hint: () => {},
    columns: undefined,
    rows: undefined,
  };
  const command = await loadCommand("completion");
  await command.run({ flags: {}, operands, environment: {}, cwd: "/", terminal });
  return printed;
}

/** The verbs that `fstream help` lists, and of each the flags that its help lists. */
async function helped(): Promise<ReadonlyMap<string, readonly string[]>> {
  const list = [...(await overview()).matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
  return new Map(await Promise.all(list.map(async (name) => [name, await helpedFlags(name)] as const)));
}

async function helpedFlags(name: string): Promise<readonly string[]> {
  return [...(await helpFor(name)).matchAll(/^ {2}(?:(-\w), | {4})(--[a-z-]+)/gm)]
    .flatMap(([, short, long]) => (short === undefined ? [long] : [long, short]))
    .sort();
}

/** How a shell is made to say what it completes of each line: the lines are its arguments, what it prints is as `answers` reads it. */
const harnesses: Readonly<Record<string, (script: string) => readonly string[]>> = {
  bash: (script) => [
    "bash",
    "--norc",
    "-c",
    `${script}
for line; do
  COMP_LINE=$line COMP_POINT=\${#line} COMP_WORDS=($line)
  [[ $line == *" " ]] && COMP_WORDS+=("")
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  word=\${COMP_WORDS[COMP_CWORD]}
  _fstream fstream "\${word##*=}" ""
  printf '%s\\n' "> $line" "\${COMPREPLY[@]}"
done`,
    "bash",
  ],
  fish: (script) => [
    "fish",
    "--no-config",
    "-c",
    `${script}
for line in $argv; echo "> $line"; complete -C $line; end`,
  ],
  // The completion system's own functions, which need a terminal, say what they are given.
  zsh: (script) => [
    "zsh",
    "-f",
    "-c",
    `compdef() { }
${script}
_message() { }
_describe() { print -l -- "\${(@)\${(@P)argv[-1]}%%:*}" }
_arguments() {
  local spec
  for spec; do
    [[ $spec == *--* && $words[CURRENT] == -* ]] && print -r -- \${\${spec#\\(*\\)}%%(=|=-|)\\[*}
    [[ $spec == 1:*\\(*\\) && $CURRENT == 2 && -z $words[2] ]] && print -l -- \${=\${\${spec##*\\(}%\\)}}
  done
}
for line; do
  words=("\${(@s: :)line}") CURRENT=$#words
  print -r -- "> $line"
  _fstream
done`,
    "zsh",
  ],
};

/** What `shell` completes of each of `lines`. */
async function completed(
  shell: string,
  lines: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const child = Bun.spawn([...harnesses[shell](await completion(shell)), ...lines], {
    cwd: import.meta.dir,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect(stderr).toBe("");
  const answers = stdout.split(/^> /m).slice(1);
  return new Map(
    answers.map((answer) => {
      const [line, ...words] = answer.split("\n");
      // fish gives a flag whose value may be left out in both ways.
      const found = words.filter((word) => word !== "").map((word) => word.split("\t")[0].replace(/=$/, ""));
      return [line, [...new Set(found)].sort()];
    }),
  );
}

test("what it is asked for is one of the shells that it names", async () => {
  for (const operands of [[], ["tcsh"], ["bash", "zsh"]]) {
    const error = await completion(...operands).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(FstreamError);
    expect(error).toMatchObject({
      code: "usage",
      message: expect.stringContaining("bash, zsh, fish, powershell"),
    });
  }
});

test("each flag with FILE, DIR or listed words as its value is completed so", async () => {
  const flags = new Map(
    grammarOf(await loadCommands()).flatMap((verb) => verb.flags.map((flag) => [flag.name, flag])),
  );
  for (const flag of flags.values()) {
    if (flag.value === "FILE") expect(flag.values).toBe("file");
    if (flag.value === "DIR") expect(flag.values).toBe("folder");
    if (flag.value.includes("|")) expect(flag.values).toEqual(flag.value.split("|"));
  }
  expect(flags.get("--users-dir")?.values).toBe("folder");
  expect(flags.get("--start")?.values).toEqual(["join", "next", "live"]);
  expect(flags.get("--log-level")?.values).toEqual(["debug", "info", "warn", "error"]);
});

test("zsh's script gives each flag the values that it completes", async () => {
  const script = await completion("zsh");
  const actions = { file: "_files", folder: "_files -/" } as const;
  for (const { flags } of grammarOf(await loadCommands())) {
    for (const { name, takes, value, values } of flags) {
      if (takes === "nothing" || values.length === 0) continue;
      const action = typeof values === "string" ? actions[values] : `(${values.join(" ")})`;
      const line = script
        .split("\n")
        .find((text) => text.includes(`'${name}=`) && text.includes(`:${value}:`));
      expect(line).toContain(`:${value}:${action}'`);
    }
  }
});

test("the words of `user` and `auth` are those that they take", async () => {
  for (const name of ["user", "auth"] as const) {
    const { usage, words } = await loadCommand(name);
    expect(words?.map((word) => `${name} ${word}`)).toEqual(
      usage.map((way) => way.split(" ").slice(0, 2).join(" ")),
    );
  }
});

test("PowerShell's script has every verb, and every flag with its verb", async () => {
  const script = await completion("powershell");
  const parts = new Map(
    script
      .split(/^ {8}(?='[\w-]+' = @\{$)/m)
      .slice(1)
      .map((part) => [part.slice(1, part.indexOf("'", 1)), part]),
  );
  for (const [verb, flags] of await helped())
    for (const flag of flags) expect(parts.get(verb)).toContain(`                '${flag}' = @{ Help = '`);
});

describe.each(Object.keys(harnesses))("in %s", (shell) => {
  const inShell = test.skipIf(Bun.which(shell) === null);
  const isBash = shell === "bash";

  inShell("every verb, and every flag of each, is completed", async () => {
    const known = await helped();
    expect([...known.keys()]).toEqual([...commandNames]);
    const verbs = [...known.keys()];
    const answers = await completed(shell, [
      "fstream ",
      "fstream help ",
      ...verbs.map((verb) => `fstream ${verb} -`),
    ]);
    expect(answers.get("fstream ")).toEqual([...verbs, "help", "--help", "--version"].sort());
    expect(answers.get("fstream help ")).toEqual(verbs.toSorted());
    for (const [verb, flags] of known) expect(answers.get(`fstream ${verb} -`)).toEqual([...flags]);
  });

  inShell("the verbs that need an address come after one, and have their flags there", async () => {
    const lines = [
      "fstream [::1]:61920 ",
      "fstream [::1]:61920 watch -",
      "fstream watch [::1]:61920 -",
      "fstream watch -",
    ];
    const [verbs, ...flags] = (await completed(shell, lines)).values();
    expect(verbs).toEqual(["broadcast", "status", "token", "watch"]);
    expect(flags).toEqual([flags[2], flags[2], flags[2]]);
    expect(flags[2].join()).toContain("--start");
  });

  inShell("the words of a command come right after it", async () => {
    const lines = ["fstream user ", "fstream auth ", "fstream completion "];
    expect([...(await completed(shell, lines)).values()]).toEqual([
      ["add", "disable", "enable", "list", "passwd", "remove"],
      ["types"],
      ["bash", "fish", "powershell", "zsh"],
    ]);
  });

  // What zsh makes of a flag's values is its own completion system's.
  if (shell === "zsh") return;
  inShell("values are completed after their flags", async () => {
    const value = (flag: string, ...values: string[]) =>
      isBash ? values : values.map((one) => `${flag}${one}`);
    const cases: Readonly<Record<string, readonly string[]>> = {
      "fstream h watch --start ": ["join", "live", "next"],
      "fstream h watch --start n": ["next"],
      "fstream watch h --start=l": value("--start=", "live"),
      "fstream watch h --lag s": ["skip"],
      "fstream serve --log-level w": ["warn"],
      "fstream serve --takeover=": value("--takeover=", "false", "true"),
      "fstream serve --takeover t": [],
      "fstream serve --hold ": [],
      "fstream h watch --user ": [],
      "fstream serve --config completion": ["completion.test.ts"],
      "fstream serve --users-dir ../fixtures/prot": isBash
        ? ["../fixtures/protocol"]
        : ["../fixtures/protocol/"],
      "fstream serve --users-dir completion": [],
    };
    expect(Object.fromEntries(await completed(shell, Object.keys(cases)))).toEqual(cases);
  });
});
