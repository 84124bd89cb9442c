// What a row of the table of settings says (table.ts).

import type { Kind } from "./kind.ts";

/** One key of the settings file. */
export interface Setting<T> {
  /** Its name in the file. */
  readonly name: string;
  readonly kind: Kind<T>;
  /** As it would be written in the file. */
  readonly default: string | number | boolean | readonly string[];
  /** What it does: lower case, no full stop. */
  readonly help: string;
  /** Why there is such a limit, or why it is what it is. */
  readonly why?: string;
  /** Whether a running server takes up another value on a reload. */
  readonly live: boolean;
  /** What it was called in earlier versions, each as "section.key": such names go on working, and are reported. */
  readonly formerly?: readonly string[];
}

/** A row of the table: its name, kind and default, what it does, and why. */
export function setting<T>(
  name: string,
  kind: Kind<T>,
  value: Setting<T>["default"],
  help: string,
  why?: string,
): Setting<T> {
  return { name, kind, default: value, help, live: true, ...(why === undefined ? {} : { why }) };
}

/** One that is part of what is running: another value needs a restart. */
export function fixed<T>(setting: Setting<T>): Setting<T> {
  return { ...setting, live: false };
}
