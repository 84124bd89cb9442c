// Reads the `[DEFAULT]` section of an INI file exactly as Python 3.11's configparser.RawConfigParser does, since
// that is what the users' files of the original were written for: keys in lower case, `=` or `:` after them,
// whole-line comments (`#`, `;`) and none behind a value, indented lines go on with the value before, nothing
// is interpolated. A section or key that is given twice, a line that is neither, or one before any section
// is an error wherever it stands. Two things are kinder than Python: a byte order mark is skipped, and the text
// is always UTF-8.

import { FstreamError, named } from "../errors.ts";

/** What Python's str.strip() strips (str.isspace); JavaScript's trim() takes another set. */
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const leadingSpace = new RegExp(`^${space}*`);
const trailingSpace = new RegExp(`(?<!${space})${space}+$`);

/** What is wrong with a file, and in which line, counted from 1. */
export class IniError extends FstreamError {
  readonly line: number;

  constructor(line: number, message: string) {
    super("failed", message);
    this.line = line;
  }
}

export interface IniDefaults {
  /** By key, in lower case. */
  readonly values: ReadonlyMap<string, string>;
  /** The line of each key, counted from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

/** What stands in `[DEFAULT]`. Throws IniError. */
export function readIniDefaults(text: string): IniDefaults {
  const sections = new Map<string, Map<string, string[]>>([["DEFAULT", new Map()]]);
  const lines = new Map<string, number>();
  let section: Map<string, string[]> | undefined;
  let value: string[] | undefined; // of the key that an indented line goes on with
  let indent = 0; // of the line with that key, or of the section's header
  for (const [index, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const stripped = strip(line);
    if (stripped.startsWith("#") || stripped.startsWith(";")) continue;
    if (stripped === "") {
      value?.push("");
      continue;
    }
    const lineIndent = leadingSpace.exec(line)?.[0].length ?? 0;
    if (value !== undefined && lineIndent > indent) {
      value.push(stripped);
      continue;
    }
    indent = lineIndent;
    const header = /^\[([^]+)\]/.exec(stripped)?.[1]; // up to the line's last bracket
    if (header !== undefined) {
      section = sections.get(header);
      if (section !== undefined && header !== "DEFAULT") throw wrong(index, "duplicate section");
      section ??= new Map();
      sections.set(header, section);
      value = undefined;
      continue;
    }
    if (section === undefined)
      throw wrong(index, "a line before any section: the file must start with [DEFAULT]");
    const delimiter = stripped.search(/[=:]/);
    if (delimiter <= 0) throw wrong(index, "neither a section nor `key = value`");
    const key = strip(stripped.slice(0, delimiter)).toLowerCase();
    if (section.has(key)) throw wrong(index, `duplicate key ${named(key)}`);
    value = [strip(stripped.slice(delimiter + 1))];
    section.set(key, value);
    if (section === sections.get("DEFAULT")) lines.set(key, index + 1);
  }
  const defaults = sections.get("DEFAULT") ?? new Map<string, string[]>();
  const values = new Map(
    [...defaults].map(([key, parts]) => [key, parts.join("\n").replace(trailingSpace, "")]),
  );
  return { values, lines };
}

function strip(text: string): string {
  return text.replace(leadingSpace, "").replace(trailingSpace, "");
}

function wrong(index: number, what: string): IniError {
  return new IniError(index + 1, what);
}
