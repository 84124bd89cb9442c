// A user's file with another `enabled`, and otherwise as a person has written it, comments included. The text is that of a valid
// file (userfile.ts); in an .ini file an indented line goes on with the value before, so a new line is indented as its neighbour. Pure.

import { locate } from "../settings/locate.ts";
import { readIniDefaults } from "./ini.ts";
import type { Ending } from "./userfile.ts";

/** `text` with the key set. Where it is set in an unusual way nothing may come of that: the caller reads the result. */
export function withEnabled(ending: Ending, text: string, enabled: boolean): string {
  const lines = text.split(/(?<=\n)/);
  const lineOf = (key: string) =>
    ending === ".toml"
      ? locate(text.replaceAll("\r\n", "\n"), "", key)
      : readIniDefaults(text).lines.get(key);
  const line = lineOf("enabled");
  if (line !== undefined) {
    lines[line - 1] = lines[line - 1].replace(/^(\s*["']?enabled["']?\s*[=:]\s*)\w+/i, `$1${enabled}`);
  } else {
    // In front of a key that every user has: no section or value of several lines can be around it.
    const at = (lineOf("password") ?? lineOf("password_hash") ?? 1) - 1;
    const indent = /^\s*/.exec(lines[at])?.[0] ?? "";
    const newline = text.includes("\r\n") ? "\r\n" : "\n";
    lines.splice(at, 0, `${indent}enabled = ${enabled}${newline}`);
  }
  return lines.join("");
}
