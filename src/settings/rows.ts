// The table of settings row by row, each with where it stands, its flag, and what it was called in earlier versions.

import type { Setting } from "./setting.ts";
import { type Table, table } from "./table.ts";

/** What a setting is called: in the file, and as a flag, without dashes in front. */
export interface Name {
  readonly section: string;
  readonly key: string;
  readonly flag: string;
}

/** One row of the table, with where it stands. */
export interface Row {
  readonly section: keyof Table;
  readonly property: string;
  readonly flag: string;
  readonly setting: Setting<unknown>;
  /** What it was called in earlier versions. */
  readonly former: readonly Name[];
}

/** A table of settings row by row, in the order of the file. */
export function rowsOf(
  settings: Readonly<Record<keyof Table, Readonly<Record<string, Setting<unknown>>>>>,
): readonly Row[] {
  return (Object.keys(settings) as (keyof Table)[]).flatMap((section) =>
    Object.entries(settings[section]).map(([property, setting]) => ({
      section,
      property,
      flag: flagOf(section, setting.name),
      setting,
      former: (setting.formerly ?? []).map(nameOf),
    })),
  );
}

/** The whole table. */
export const rows: readonly Row[] = rowsOf(table);

/** From "section.key". */
function nameOf(text: string): Name {
  const [section, key] = text.split(".");
  return { section, key, flag: flagOf(section, key) };
}

/** The key with dashes. Those of [auth] are too short to say what they are about on their own. */
function flagOf(section: string, name: string): string {
  const flag = name.replaceAll("_", "-");
  return section === "auth" && !flag.startsWith("auth") ? `auth-${flag}` : flag;
}
