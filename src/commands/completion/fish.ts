// Completion for fish, as lines of its complete command.

import type { CompletedFlag, CompletedVerb } from "./grammar.ts";

/** The script. */
export function fishScript(verbs: readonly CompletedVerb[]): string {
  const names = verbs.map(({ name }) => name).join(" ");
  return `# fish completion for fstream, written by \`fstream completion fish\`.
# Without an installed copy: fstream completion fish > ~/.config/fish/completions/fstream.fish

# The verb of the line and what is before the cursor after it: the verb is the first word, or the second after an address.
function __fstream_words
    set -l words (commandline -opc)
    set -e words[1]
    contains -- "$words[1]" ${names}
    or set -e words[1]
    string join \\n -- $words
end

# Whether the verb of the line is one of these.
function __fstream_verb
    contains -- (__fstream_words)[1] $argv
end

# Whether nothing, or an address alone, is before the cursor.
function __fstream_first
    test (count (commandline -opc)) -eq 1
end
function __fstream_second
    test (count (commandline -opc)) -eq 2; and test -z "$(__fstream_words)"
end

# Whether the word at the cursor comes right after the verb.
function __fstream_next
    test (count (__fstream_words)) -eq 1; and __fstream_verb $argv
end

complete -c fstream -e
complete -c fstream -f
${verbs.map(lines).join("\n")}
`;
}

function lines({ name, help, hasAddress, words, flags }: CompletedVerb): string {
  const at = hasAddress ? "__fstream_first; or __fstream_second" : "__fstream_first";
  return [
    `\n# ${name}`,
    `complete -c fstream -n ${quoted(at)} -a ${quoted(name)} -d ${quoted(help)}`,
    ...(words.length > 0
      ? [`complete -c fstream -n ${quoted(`__fstream_next ${name}`)} -a ${quoted(words.join(" "))}`]
      : []),
    ...flags.map((flag) => line(name, flag)),
  ].join("\n");
}

function line(verb: string, { name, short, help, takes, values }: CompletedFlag): string {
  const parts = [`complete -c fstream -n ${quoted(`__fstream_verb ${verb}`)}`];
  if (short !== undefined) parts.push(`-s ${short.slice(1)}`);
  parts.push(`-l ${name.slice(2)}`);
  if (takes === "value") parts.push("-r");
  if (values === "file") parts.push("-F");
  else if (values === "folder") parts.push("-f -a '(__fish_complete_directories (commandline -ct))'");
  else if (takes !== "nothing") parts.push("-f");
  if (typeof values !== "string" && values.length > 0) parts.push(`-a ${quoted(values.join(" "))}`);
  return `${parts.join(" ")} -d ${quoted(help)}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
