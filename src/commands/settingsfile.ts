// The settings of commands that have --config: where they are looked for.

import { configOption, defaultPlaces, shellWord, systemFile } from "../settings/find.ts";
import type { Sources } from "../settings/load.ts";
import type { Flag, Invocation } from "./command.ts";

export const configFlag: Flag = {
  type: "string",
  value: "FILE",
  help: `the settings file (default: ${defaultPlaces})`,
};

/** Where the settings come from that a command works with; `overrides` are its flags that are settings. */
export function sourcesOf(
  { flags, cwd, environment }: Invocation,
  overrides: Sources["overrides"] = {},
): Sources {
  const file = typeof flags.config === "string" ? flags.config : undefined;
  return { file, system: systemFile(environment), cwd, environment, overrides };
}

/** What has another command find the same users: the flags of this one that say where they are, as they are typed into a shell. */
export function usersOption({ flags }: Pick<Invocation, "flags">): string {
  const { config, "users-dir": folder } = flags;
  if (typeof folder === "string") return ` --users-dir ${shellWord(folder)}`;
  return configOption(typeof config === "string" ? config : undefined);
}
