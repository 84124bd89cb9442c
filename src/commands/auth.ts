// `fstream auth types`: the types of a module that authenticates ([auth] authenticator = "module"), on stdout.

import { FstreamError } from "../errors.ts";
import type { Command } from "./command.ts";
import { typesText } from "./typestext.ts" with { type: "macro" };

export const auth: Command = {
  name: "auth",
  summary: "prints the types of a module that decides about logins",
  usage: ["auth types"],
  examples: ["fstream auth types > fstream.d.ts"],
  words: ["types"],
  notes:
    'For authenticator = "module" in the settings: `fstream auth types > fstream.d.ts` beside the module, and `import type { AuthRequest, Decision } from "./fstream"` in it.',
  flags: {},
  run: ({ operands, terminal }) => {
    if (operands.length !== 1 || operands[0] !== "types")
      throw new FstreamError("usage", "auth needs the word types", {
        hint: "fstream auth types > fstream.d.ts",
      });
    terminal.print(typesText());
    return Promise.resolve(0);
  },
};
