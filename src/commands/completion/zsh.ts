// Completion for zsh, as a function of its completion system (zshcompsys(1)): `_fstream` in a folder of $fpath, or evaluated
// after compinit.

import type { CompletedFlag, CompletedVerb } from "./grammar.ts";

/** The script. */
export function zshScript(verbs: readonly CompletedVerb[]): string {
  const afterAddress = verbs.filter(({ hasAddress }) => hasAddress);
  return `#compdef fstream
# zsh completion for fstream, written by \`fstream completion zsh\`.
# Without an installed copy: eval "$(fstream completion zsh)" in ~/.zshrc, after compinit

_fstream() {
    local -a verbs after
    verbs=(
${described(verbs)}
    )
    after=(
${described(afterAddress)}
    )

    # The verb is the first word, or the second after an address.
    if ((CURRENT == 2)); then
        _describe -t commands command verbs
        _message -e addresses ADDRESS
        return
    fi
    local verb=$words[2]
    integer at=2
    if ! (($verbs[(I)$verb:*])); then
        if ((CURRENT == 3)); then
            _describe -t commands command after
            return
        fi
        verb=$words[3]
        at=3
    fi
    words=("\${(@)words[at,-1]}")
    ((CURRENT -= at - 1))

    case $verb in
${verbs.map(cases).join("\n")}
    esac
}

if [[ $funcstack[1] == _fstream ]]; then
    _fstream "$@"
else
    compdef _fstream fstream
fi
`;
}

/** An item of _describe is NAME:DESCRIPTION. */
function described(verbs: readonly CompletedVerb[]): string {
  return verbs.map(({ name, help }) => `        ${quoted(`${name}:${help}`)}`).join("\n");
}

function cases({ name, words, flags }: CompletedVerb): string {
  const specs = flags.map(spec);
  if (words.length > 0) specs.push(quoted(`1:: :(${words.join(" ")})`));
  // What comes after these is a name or an address, of which nothing is known.
  specs.push(quoted("*: : "));
  return `        ${name})\n            _arguments -s : \\\n                ${specs.join(" \\\n                ")}\n            ;;`;
}

/** A flag as _arguments takes it: NAME=[HELP]:VALUE:ACTION, where \`=-\` is a value that comes only after an equals sign. */
function spec({ name, short, help, takes, value, values }: CompletedFlag): string {
  const text = `[${help.replace(/[\\[\]:]/g, "\\$&")}]`;
  const action =
    values === "file"
      ? "_files"
      : values === "folder"
        ? "_files -/"
        : values.length > 0
          ? `(${values.join(" ")})`
          : " ";
  const tail = {
    nothing: text,
    value: `=${text}:${value}:${action}`,
    optional: `=-${text}::${value}:${action}`,
  }[takes];
  if (short === undefined) return quoted(`${name}${tail}`);
  return `${quoted(`(${short} ${name})`)}{${short},${name}}${quoted(tail)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
