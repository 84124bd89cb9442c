// Completion for bash, 3.2 and later, with bash-completion or without. Bash has split the line at `=` and `:` too, where an address
// or `--flag=VALUE` is one word to fstream, so the line is split anew, at its spaces. Descriptions have no place in bash.

import type { CompletedFlag, CompletedVerb } from "./grammar.ts";

/** The script; what stands behind `complete` in bash(1) runs it. */
export function bashScript(verbs: readonly CompletedVerb[]): string {
  const names = verbs.map(({ name }) => name);
  const afterAddress = verbs.filter(({ hasAddress }) => hasAddress).map(({ name }) => name);
  return `# bash completion for fstream, written by \`fstream completion bash\`.
# Without an installed copy: eval "$(fstream completion bash)" in ~/.bashrc

_fstream() {
    local line=\${COMP_LINE:0:COMP_POINT} typed verb word flag words= flags= values= at=1
    read -ra typed <<< "$line"
    [[ $line == *[[:space:]] ]] && typed+=("")
    local last=$((\${#typed[@]} - 1))
    word=\${typed[last]}
    COMPREPLY=()

    # The verb is the first word, or the second after an address.
    case \${typed[1]} in
        ${names.join(" | ")}) ;;
        *) at=2 ;;
    esac
    if ((last == 1)); then
        COMPREPLY=($(compgen -W '${names.join(" ")}' -- "$word"))
        return
    elif ((last == at)); then
        COMPREPLY=($(compgen -W '${afterAddress.join(" ")}' -- "$word"))
        return
    fi
    verb=\${typed[at]}

    # A value comes after its flag, or after an equals sign.
    flag=\${COMP_WORDS[COMP_CWORD - 1]}
    [[ $word == --*=* ]] && flag=\${word%%=*}=
    case $verb in
${verbs.map(cases).join("\n")}
    esac

    case $values in
        none) ;;
        file) compopt -o default 2> /dev/null || COMPREPLY=($(compgen -f -- "$2")) ;;
        folder) compopt -o dirnames 2> /dev/null || COMPREPLY=($(compgen -d -- "$2")) ;;
        ?*)
            # Readline replaces "$2", which begins after the equals sign if that breaks words.
            [[ $word == "$flag"* && $2 == "$word" ]] || flag=
            COMPREPLY=($(compgen -P "$flag" -W "$values" -- "\${word#*=}"))
            ;;
        *)
            [[ -n $words && $word != -* ]] && ((last == at + 1)) || words=$flags
            COMPREPLY=($(compgen -W "$words" -- "$word"))
            ;;
    esac
}
complete -F _fstream fstream
`;
}

function cases({ name, words, flags }: CompletedVerb): string {
  const all = flags.flatMap((flag) => [flag.name, ...(flag.short === undefined ? [] : [flag.short])]);
  const lines = [`words='${words.join(" ")}'`, `flags='${all.join(" ")}'`];
  const values = [...groups(flags)].map(
    ([value, patterns]) => `    ${patterns.join(" | ")}) values='${value}' ;;`,
  );
  if (values.length > 0) lines.push("case $flag in", ...values, "esac");
  return [`${name})`, ...lines.map((line) => `    ${line}`), "    ;;"]
    .map((line) => `        ${line}`)
    .join("\n");
}

/** The patterns of the flags whose values are completed in one way. */
function groups(flags: readonly CompletedFlag[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { name, takes, values } of flags) {
    if (takes === "nothing") continue;
    const way = typeof values === "string" ? values : values.join(" ") || "none";
    const patterns = [];
    if (takes === "value") patterns.push(name);
    if (way !== "none") patterns.push(`${name}=`);
    if (patterns.length > 0) found.set(way, [...(found.get(way) ?? []), ...patterns]);
  }
  return found;
}
