// A settings file as it was written: its text, its tables, and where each key stands in it. What a person can
// have got wrong in it short of a value (no TOML, unknown sections and keys) is found here.

import { parse as parseToml } from "@iarna/toml";
import { FstreamError, named } from "../errors.ts";
import { isMissing, readNamedFile, readRegularFile } from "../file.ts";
import { locate } from "./locate.ts";
import { nearest } from "./nearest.ts";
import type { Row } from "./rows.ts";
import { sections } from "./table.ts";

/** What is larger than this is no settings file. Bytes. */
const maxFileBytes = 1024 * 1024;
/** So many unknown keys are described at most: to find each in the text takes as long as the text is. */
const maxUnknown = 100;

/** A settings file, or the lack of one (`found` is then false, and it is empty). */
export class Document {
  readonly found: boolean;
  readonly #name: string;
  readonly #text: string;
  readonly #content: Readonly<Record<string, unknown>>;

  /** `name` is the file as people know it, for messages. */
  constructor(name: string, text?: string, content: Readonly<Record<string, unknown>> = {}) {
    this.found = text !== undefined;
    this.#name = name;
    this.#text = text ?? "";
    this.#content = content;
  }

  /** What the file says of `key` in `section`; undefined: nothing. */
  value(section: string, key: string): unknown {
    const content = Object.hasOwn(this.#content, section) ? this.#content[section] : undefined;
    return isTable(content) && Object.hasOwn(content, key) ? content[key] : undefined;
  }

  /** `FILE:LINE` of a section or a key in it, as far as it can be known. */
  place(section: string, key?: string): string {
    const line = locate(this.#text, section, key);
    return line === undefined ? this.#name : `${this.#name}:${line}`;
  }

  /** What stands in the file without being in `table`, one line each; of very much the beginning. */
  unknown(table: readonly Row[]): string[] {
    const found = Object.entries(this.#content).flatMap(([section, content]) =>
      this.#unknownOf(section, content, table),
    );
    const lines = found.slice(0, maxUnknown).map((describe) => describe());
    if (found.length > maxUnknown)
      lines.push(`${this.#name}: ${found.length - maxUnknown} more unknown keys`);
    return lines;
  }

  /** What describes each, which takes its time. */
  #unknownOf(section: string, content: unknown, table: readonly Row[]): (() => string)[] {
    const known = knownKeys(section, table);
    if (known.size === 0) return [() => this.#unknownSection(section, content, table)];
    if (!isTable(content)) {
      return [
        () => `${this.place(section)}: ${section} is ${show(content)}: it must be a table, [${section}]`,
      ];
    }
    return Object.keys(content)
      .filter((key) => !known.has(key))
      .map(
        (key) => () =>
          `${this.place(section, key)}: unknown key ${named(key)} in [${section}]${suggest(section, key, table)}`,
      );
  }

  #unknownSection(name: string, content: unknown, table: readonly Row[]): string {
    if (!isTable(content))
      return `${this.place("", name)}: unknown key ${named(name)} outside any section${suggest("", name, table)}`;
    const near = nearest(name, Object.keys(sections));
    const all = Object.keys(sections).map((section) => `[${section}]`);
    const right = near === undefined ? `the sections are ${all.join(", ")}` : `did you mean [${near}]?`;
    return `${this.place(name)}: unknown section [${named(name)}]: ${right}`;
  }
}

/**
 * Reads the settings file at `path`. One that is `required` was named by the caller, and may be a pipe; where there is none
 * and it is not required, that is no problem. Whatever else keeps it from being read or parsed is added to `problems`. A
 * byte order mark is left out.
 */
export async function readDocument(
  path: string,
  name: string,
  required: boolean,
  problems: string[],
): Promise<Document> {
  let text: string;
  try {
    const read = required ? readNamedFile : readRegularFile;
    text = new TextDecoder("utf-8", { fatal: true }).decode(await read(path, maxFileBytes));
    text = text.replaceAll("\r\n", "\n"); // the parser refuses a carriage return after a comment
  } catch (error) {
    if (isMissing(error) && !required) return new Document(name);
    if (error instanceof TypeError) problems.push(`${name}: not UTF-8 text`);
    else if (error instanceof FstreamError) problems.push(`${name}: can't be read: ${error.message}`);
    else throw error;
    return new Document(name);
  }
  try {
    return new Document(name, text, parseToml(text));
  } catch (error) {
    const { message, line } = error as Error & { line?: number }; // the parser counts lines from 0
    const first =
      unquoted(line === undefined ? undefined : unquotedKey(text, line)) ??
      message.split("\n")[0].replace(/ at row \d+, col \d+, pos \d+:?$/, "");
    problems.push(`${name}${line === undefined ? "" : `:${line + 1}`}: not valid TOML: ${first}`);
    return new Document(name, text);
  }
}

/** The key in line `index` of a TOML file, counted from 0, if a text without quotes is its value; else undefined. */
export function unquotedKey(text: string, index: number): string | undefined {
  const line = text.split("\n").at(index) ?? "";
  return /^\s*([\w-]{1,64})\s*=\s*[^\s"'[{+\d#-][^"']*$/.exec(line)?.[1];
}

/** What is wrong with such a line, without the text, which may be a secret. */
export function unquoted(key: string | undefined): string | undefined {
  return key === undefined ? undefined : `strings need quotes: ${key} = "..."`;
}

/** A value as it would be written in TOML, short enough for a message. */
export function show(value: unknown): string {
  if (isTable(value)) return "a table";
  if (value instanceof Date) return "a date";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The keys that `section` has, or had in earlier versions. */
function knownKeys(section: string, table: readonly Row[]): ReadonlySet<string> {
  const names = table.flatMap((row) => [{ section: row.section, key: row.setting.name }, ...row.former]);
  return new Set(names.filter((name) => name.section === section).map(({ key }) => key));
}

function suggest(section: string, key: string, rows: readonly Row[]): string {
  const elsewhere = rows.find((row) => row.setting.name === key);
  if (elsewhere !== undefined) return `: it belongs in [${elsewhere.section}]`;
  const here = rows.filter((row) => row.section === section);
  for (const known of [here, rows]) {
    const name = nearest(
      key,
      known.map((row) => row.setting.name),
    );
    const row = known.find((row) => row.setting.name === name);
    if (row !== undefined)
      return `: did you mean ${row.setting.name}${known === here ? "" : ` in [${row.section}]`}?`;
  }
  return "";
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
