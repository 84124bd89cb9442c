// The settings as a running server has them: one object, which everything that a setting decides is given, and reads when it
// needs the value. So a reload is an assignment. Nothing may keep a live setting's value for longer than one connection, watcher or
// broadcast needs it.

import type { Settings } from "./load.ts";
import type { Options } from "./table.ts";

export type { Options } from "./table.ts";

/** The options to run with from the start. */
export function optionsOf({ server, fstream, auth }: Settings): Options {
  return { ...server, ...fstream, ...auth };
}

/** Puts the values of `settings` into `options`, which all parts of the server hold. */
export function takeUp(options: Options, settings: Settings): void {
  Object.assign(options, optionsOf(settings));
}
