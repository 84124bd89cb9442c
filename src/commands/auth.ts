// `fstream auth types`: the types of a module that authenticates ([auth] authenticator = "module"), on stdout.

import { FstreamError } from "../errors.ts";
import type { Command } from "./command.ts";
import { typesText } from "./typestext.ts" with { type: "macro" };

export const auth: Command = {
  name: "auth",
  summary: "print the TypeScript types for a login module",
  usage: ["auth types"],
  examples: ["fstream auth types > fstream.d.ts"],
  words: ["types"],
  notes:
    'For authenticator = "module": run `fstream auth types > fstream.d.ts` next to the module, and use `import type { AuthRequest, Decision } from "./fstream"` in it.',
  flags: {},
  run: ({ operands, terminal }) => {
    if (operands.length !== 1 || operands[0] !== "types")
      throw new FstreamError("usage", "missing argument: types", {
        hint: "run `fstream auth types > fstream.d.ts`",
      });
    terminal.print(typesText());
    return Promise.resolve(0);
  },
};
