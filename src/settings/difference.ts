// The settings file read once more, by a server that runs: what is different by now, and what the server is to go on with. Settings
// that are part of what is running keep their values until a restart. What is wrong with one key, or with what a running server
// would make of the whole, keeps all of it from being taken up.

import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { findFile } from "./find.ts";
import { examineSettings, type Settings, type Sources } from "./load.ts";
import { type Row, rows } from "./rows.ts";
import { rules } from "./rules.ts";

/** One key whose value is another by now. */
export interface Change {
  readonly row: Row;
  readonly before: unknown;
  readonly after: unknown;
}

export interface Difference {
  /** What to run with from now on: as before where anything is wrong. */
  readonly settings: Settings;
  /** What that changes, in the order of the table. */
  readonly live: readonly Change[];
  /** What only a restart would change. */
  readonly restart: readonly Change[];
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  /** See Examination. */
  readonly renamed: readonly string[];
}

/** Reads the settings again. Nothing is different where they came from a pipe, which can be read only once. */
export async function settingsDifference(before: Settings, sources: Sources): Promise<Difference> {
  const same = { settings: before, live: [], restart: [], problems: [], renamed: [] };
  const { path } = await findFile(sources.file, sources.cwd, sources.system);
  const isPipe = await stat(path).then(
    (stats) => !stats.isFile(),
    () => false, // reading it will tell why
  );
  if (isPipe) return same;
  const { settings: read, problems, renamed } = await examineSettings(sources);
  if (problems.length > 0) return { ...same, problems, renamed };
  const { table = rows } = sources;
  const changed = table.flatMap((row): Change[] => {
    const change = { row, before: valueOf(row, before), after: valueOf(row, read) };
    return isDeepStrictEqual(change.before, change.after) ? [] : [change];
  });
  const live = changed.filter(({ row }) => row.setting.live);
  const restart = changed.filter(({ row }) => !row.setting.live);
  const settings = withChanges(before, live);
  const broken = rules.flatMap((rule) => rule.broken(settings) ?? []);
  if (broken.length > 0)
    return { ...same, problems: broken.map((problem) => `until the restart: ${problem}`), renamed };
  return { settings, live, restart, problems: [], renamed };
}

/** `settings` with what has changed. */
export function withChanges(settings: Settings, changes: readonly Change[]): Settings {
  const sections: Record<string, Record<string, unknown>> = structuredClone(settings);
  for (const { row, after } of changes) sections[row.section][row.property] = after;
  return sections as unknown as Settings; // each value is one of its row
}

function valueOf({ section, property }: Row, settings: Settings): unknown {
  return (settings[section] as Readonly<Record<string, unknown>>)[property];
}

/** "max_lag 60s -> 2m", for a message; the name alone where a value may have a secret in it. */
export function describeChange({ row: { setting }, before, after }: Change): string {
  const { kind, name } = setting;
  const show = (value: unknown) => kind.show?.(value) ?? JSON.stringify(value ?? "");
  return kind.isPrivate === true ? name : `${name} ${show(before)} -> ${show(after)}`;
}
