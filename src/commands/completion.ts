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
    summary: "prints a script with which a shell completes command lines",
    usage: [`completion ${names.join("|")}`],
    examples: ['eval "$(fstream completion bash)"'],
    notes:
      'bash: `eval "$(fstream completion bash)"` in ~/.bashrc. zsh: `eval "$(fstream completion zsh)"` in ~/.zshrc, after compinit. fish: `fstream completion fish > ~/.config/fish/completions/fstream.fish`. PowerShell: `fstream completion powershell | Out-String | Invoke-Expression` in $PROFILE.',
    words: names,
    flags: {},
    run: async ({ operands, terminal }) => {
      const script = shells.get(operands[0] ?? "");
      if (script === undefined || operands.length > 1)
        throw new FstreamError("usage", `completion needs the name of one shell: ${names.join(", ")}`, {
          hint: "`fstream help completion` says where its script goes",
        });
      terminal.print(script(grammarOf(await load())));
      return 0;
    },
  };
}
