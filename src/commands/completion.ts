// `fstream completion SHELL`: a script that has the shell complete fstream's command lines, on stdout. It knows all that the help
// knows, and runs nothing when it completes.

import { FstreamError } from "../errors.ts";
import type { Command } from "./command.ts";
import { bashScript } from "./completion/bash.ts";
import { fishScript } from "./completion/fish.ts";
import { type CompletedVerb, grammarOf } from "./completion/grammar.ts";
import { powershellScript } from "./completion/powershell.ts";
import { zshScript } from "./completion/zsh.ts";

const shells: ReadonlyMap<string, (verbs: readonly CompletedVerb[]) => string> = new Map([
  ["bash", bashScript],
  ["zsh", zshScript],
  ["fish", fishScript],
  ["powershell", powershellScript],
]);
const names = [...shells.keys()];

/** The command, which writes the scripts from what `load` gives. */
export function completion(load: () => Promise<readonly Command[]>): Command {
  return {
    name: "completion",
    summary: "print a shell completion script",
    usage: [`completion ${names.join("|")}`],
    examples: ['eval "$(fstream completion bash)"'],
    notes:
      'bash: put `eval "$(fstream completion bash)"` in ~/.bashrc. zsh: put `eval "$(fstream completion zsh)"` in ~/.zshrc, after compinit. fish: run `fstream completion fish > ~/.config/fish/completions/fstream.fish`. PowerShell: put `fstream completion powershell | Out-String | Invoke-Expression` in $PROFILE.',
    words: names,
    flags: {},
    run: async ({ operands, terminal }) => {
      const script = shells.get(operands[0] ?? "");
      if (script === undefined || operands.length > 1)
        throw new FstreamError("usage", `completion needs one shell: ${names.join(", ")}`, {
          hint: "`fstream help completion` shows where to put the script",
        });
      terminal.print(script(grammarOf(await load())));
      return 0;
    },
  };
}
