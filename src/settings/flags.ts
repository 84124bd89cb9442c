// The settings as flags of `serve`: one for each key of the table, so that a server can be tried out without
// a settings file. What they say is read by load.ts, as `overrides`.

import { rows } from "./rows.ts";

/** A flag as the commands' argument parser takes it. */
export interface SettingFlag {
  readonly type: "string";
  readonly value: string;
  readonly choices?: readonly string[];
  readonly help: string;
  /** Without a value it is as with `true`. */
  readonly optionalValue: boolean;
  /** The flag that it is now, of a former name. */
  readonly now?: string;
}

/** By name without dashes in front, in the order of the settings file. */
export const settingFlags: Readonly<Record<string, SettingFlag>> = Object.fromEntries(
  rows.flatMap(({ flag, setting, former }) => {
    const row: SettingFlag = {
      type: "string",
      value: setting.kind.placeholder,
      ...(setting.kind.choices === undefined ? {} : { choices: setting.kind.choices }),
      help: withDefault(setting.help, setting.default),
      optionalValue: typeof setting.default === "boolean",
    };
    return [[flag, row], ...former.map((name) => [name.flag, { ...row, now: flag }])];
  }),
);

function withDefault(help: string, value: string | number | boolean | readonly string[]): string {
  const text = Array.isArray(value) ? value.join(",") : String(value);
  if (text !== "") return `${help} (default: ${text})`;
  return help.includes("empty: ")
    ? help.replace("empty: ", "empty (the default): ")
    : `${help} (default: none)`;
}
