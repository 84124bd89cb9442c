// All verbs, in the order of the help text. Each is loaded when it is called, so that one does not pay for the
// start of another.

import type { Command } from "./command.ts";

const loaders = {
  watch: async () => (await import("./watch.ts")).watch,
  broadcast: async () => (await import("./broadcast.ts")).broadcast,
  token: async () => (await import("./token.ts")).token,
  status: async () => (await import("./status.ts")).status,
  serve: async () => (await import("./serve.ts")).serve,
  user: async () => (await import("./user.ts")).user,
  auth: async () => (await import("./auth.ts")).auth,
  check: async () => (await import("./check.ts")).check,
  completion: async () => (await import("./completion.ts")).completion(loadCommands),
} as const satisfies Record<string, () => Promise<Command>>;

export type CommandName = keyof typeof loaders;

export const commandNames = Object.keys(loaders) as readonly CommandName[];

/** Whether `word` is a verb. */
export function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(loaders, word);
}

export function loadCommand(name: CommandName): Promise<Command> {
  return loaders[name]();
}

/** All of them, for what is about every verb. */
export function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(commandNames.map((name) => loadCommand(name)));
}
