// From the settings file, the flags and the defaults to `Settings`. A flag beats the file, the file beats the
// default. All that is wrong is collected, each with file, line where it can be known, key, and what would be
// right: `fstream check` reports all of it, `loadSettings` refuses with the first.
//
// Relative paths count from the settings file's folder, or without a file from the working folder; those
// given as flags always from the working folder, as on any command line.

import { dirname } from "node:path";
import { FstreamError } from "../errors.ts";
import { type Document, readDocument, show } from "./document.ts";
import { configOption, findFile } from "./find.ts";
import { given } from "./given.ts";
import type { Context } from "./kind.ts";
import { type Row, rows } from "./rows.ts";
import { rules } from "./rules.ts";
import type { Settings } from "./table.ts";

export type { Settings } from "./table.ts";

/** Where settings come from. */
export interface Sources {
  /** The settings file, which must then be there; undefined: fstream.toml of the working folder, else `system`, if there. */
  readonly file?: string | undefined;
  /** An installed server's settings file, absolute. */
  readonly system?: string | undefined;
  /** The working folder, absolute. */
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By flag without dashes in front ("max-lag"); `true` is a flag without a value. Other names are ignored. */
  readonly overrides: Readonly<Record<string, string | boolean | undefined>>;
  /** The settings that there are; left out: the program's own. */
  readonly table?: readonly Row[];
}

/** What came of reading the settings. */
export interface Examination {
  /** The file that was read, as it is named in `problems`; undefined: there was none. */
  readonly file: string | undefined;
  /** Whether the file was read and is TOML; true without one. */
  readonly isRead: boolean;
  /** With the default in the place of each value that is wrong. */
  readonly settings: Settings;
  /** What is wrong, one line each, in the order of the file's lines; then what has none. */
  readonly problems: readonly string[];
  /** Those of them that are about a flag. */
  readonly misused: ReadonlySet<string>;
  /** Where a setting is set, "FILE:LINE" or "--FLAG"; undefined: nowhere. */
  readonly placeOf: (setting: string) => string | undefined;
  /** Which settings have other names now than those that are used, one line each. */
  readonly renamed: readonly string[];
}

/**
 * The settings; rejects with FstreamError `failed`, or `usage` for a flag, that names the first thing wrong and counts the
 * others.
 */
export async function loadSettings(sources: Sources): Promise<Settings> {
  const examination = await examineSettings(sources);
  const error = firstProblem(examination, sources);
  if (error !== undefined) throw error;
  return examination.settings;
}

/** What `loadSettings` rejects with; undefined: nothing is wrong. */
export function firstProblem({ problems, misused }: Examination, sources: Sources): FstreamError | undefined {
  const [first] = problems;
  if (first === undefined) return undefined;
  return new FstreamError(misused.has(first) ? "usage" : "failed", summary(problems, misused, sources));
}

/** The first of `problems`, how many there are besides, and what shows them: `fstream check` sees none of the `misused` flags. */
export function summary(
  [first, ...others]: readonly string[],
  misused: ReadonlySet<string>,
  { file }: Sources,
): string {
  if (others.length === 0) return first;
  const isShown = others.some((problem) => !misused.has(problem));
  return `${first} (and ${others.length} more${isShown ? `; run \`fstream check${configOption(file)}\`` : ""})`;
}

/** The settings and all that is wrong with them; never rejects for what a person can have done. */
export async function examineSettings(sources: Sources): Promise<Examination> {
  const problems: string[] = [];
  const misused = new Set<string>();
  const { name: file, path } = await findFile(sources.file, sources.cwd, sources.system);
  const document = await readDocument(path, file, sources.file !== undefined, problems);
  const isRead = problems.length === 0;
  const { overrides, environment, cwd, table = rows } = sources;
  problems.push(...document.unknown(table));

  const folder = document.found ? dirname(path) : cwd;
  const renamed: string[] = [];
  const wrong = new Set<string>();
  const values: Record<string, Record<string, unknown>> = {};
  const problem = (text: string, isFlag: boolean) => {
    problems.push(text);
    if (isFlag) misused.add(text);
  };
  for (const row of table) {
    const { kind, default: usual } = row.setting;
    const said = given(row, document, overrides);
    for (const { text, isFlag } of said.problems) problem(text, isFlag);
    renamed.push(...said.renamed);
    const { value, isFlag, at, name } = said.place ?? { value: usual, isFlag: false, at: "the default" };
    const context: Context = { folder: isFlag ? cwd : folder, environment };
    let reading = kind.read(value, context);
    if ("right" in reading) {
      wrong.add(row.setting.name);
      const where = name === undefined || isFlag ? at : `${at}: ${name.key} in [${name.section}]`;
      problem(`${where} is ${show(value)}: it must be ${reading.right}`, isFlag);
      reading = kind.read(usual, context);
    }
    if ("right" in reading) throw new Error(`the default of ${row.setting.name} is not ${reading.right}`);
    values[row.section] ??= {};
    values[row.section][row.property] = reading.value;
  }

  const settings = values as unknown as Settings; // a value for each row: the table's own type
  for (const rule of rules) {
    if (rule.keys.some((key) => wrong.has(key))) continue;
    const place = culprit(rule.keys, document, sources);
    const message = rule.broken(settings, place?.isFlag === true);
    if (message === undefined) continue;
    const isFlag = place?.isFlag === true;
    problem(place === undefined || isFlag ? message : `${place.at}: ${message}`, isFlag);
  }
  problems.sort(byLine(file));
  renamed.sort(byLine(file));
  const placeOf = (setting: string) => culprit([setting], document, sources)?.at;
  return { file: document.found ? file : undefined, isRead, settings, problems, misused, placeOf, renamed };
}

/** Sorts lines that begin with "FILE:LINE:" by the lines of `file`; those without come last, as they are. */
export function byLine(file: string): (a: string, b: string) => number {
  return (a, b) => lineOf(a, file) - lineOf(b, file);
}

/** The line of `file` that `problem` begins with; one without counts as the last. */
function lineOf(problem: string, file: string): number {
  const line = problem.startsWith(`${file}:`) ? Number.parseInt(problem.slice(file.length + 1), 10) : 0;
  return line > 0 ? line : Number.MAX_SAFE_INTEGER;
}

/** The first place where one of `keys` is set, in their order. */
function culprit(keys: readonly string[], document: Document, { overrides, table = rows }: Sources) {
  for (const key of keys) {
    const row = table.find(({ setting }) => setting.name === key);
    if (row === undefined) throw new Error(`a rule is about ${key}, which is no setting`);
    const { place } = given(row, document, overrides);
    if (place !== undefined) return place;
  }
  return undefined;
}
