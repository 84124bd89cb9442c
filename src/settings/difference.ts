// What the settings file says by now, as against the settings that a server runs with: it takes them up when it is started, and
// says on a reload what that would change.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { defaultFile, examineSettings, type Settings, type Sources } from "./load.ts";
import { type Row, rows } from "./table.ts";

/** What a restart would meet. */
export interface Difference {
  /** Keys whose values would be others, in the order of the table. */
  readonly changed: readonly string[];
  /** What is wrong by now, one line each: the server would not start. */
  readonly problems: readonly string[];
}

/** Reads the settings again. Nothing is different where they came from a pipe, which can be read only once. */
export async function settingsDifference(before: Settings, sources: Sources): Promise<Difference> {
  const path = resolve(sources.cwd, sources.file ?? defaultFile);
  const isPipe = await stat(path).then(
    (stats) => !stats.isFile(),
    () => false, // reading it will tell why
  );
  if (isPipe) return { changed: [], problems: [] };
  const { settings, problems } = await examineSettings(sources);
  const changed = rows.filter((row) => !isDeepStrictEqual(valueOf(row, before), valueOf(row, settings)));
  return { changed: changed.map(({ setting }) => setting.name), problems };
}

function valueOf({ section, property }: Row, settings: Settings): unknown {
  return (settings[section] as Readonly<Record<string, unknown>>)[property];
}
