// What the flags and the file say of one setting. It may have had other names in earlier versions: those are understood as its own,
// and reported, so that a file goes on working after an upgrade. A flag beats the file; of two names there may be only one.

import type { Document } from "./document.ts";
import type { Name, Row } from "./rows.ts";

/** A place where a setting is set. */
interface Place {
  readonly name: Name;
  readonly isFlag: boolean;
  /** `--hold`, or `fstream.toml:12`. */
  readonly at: string;
  readonly value: unknown;
}

export interface Given {
  /** What counts; undefined: nothing is said, so the default does. */
  readonly place: Place | undefined;
  /** For each former name that stands for the setting, what its name is now. */
  readonly renamed: readonly string[];
  /** What is wrong with the places together. */
  readonly problems: readonly { readonly text: string; readonly isFlag: boolean }[];
}

type Overrides = Readonly<Record<string, string | boolean | undefined>>;

/** What is said of `row`. `overrides` are flags by name, without dashes in front. */
export function given(row: Row, document: Document, overrides: Overrides): Given {
  const names = [nameOf(row), ...row.former];
  const flags = names.flatMap((name): Place[] => {
    const flag = overrides[name.flag];
    if (flag === undefined) return [];
    return [{ name, isFlag: true, at: `--${name.flag}`, value: row.setting.kind.fromText(String(flag)) }];
  });
  const keys = names.flatMap((name): Place[] => {
    const value = document.value(name.section, name.key);
    return value === undefined
      ? []
      : [{ name, isFlag: false, at: document.place(name.section, name.key), value }];
  });
  const counting = [flags, keys].flatMap((places) => places.slice(0, 1));
  const others = [flags, keys].flatMap((places) =>
    places.slice(1).map((place) => ({ place, first: places[0] })),
  );
  return {
    place: counting.at(0),
    renamed: counting.filter(({ name }) => row.former.includes(name)).map((place) => isNow(place, row)),
    problems: others.map(({ place, first }) => ({
      text: `${isNow(place, row)}, and ${first.at} already sets that: keep only one`,
      isFlag: place.isFlag,
    })),
  };
}

function nameOf({ section, flag, setting }: Row): Name {
  return { section, key: setting.name, flag };
}

/** "fstream.toml:12: [fstream] keep is now hold". */
function isNow({ name, isFlag, at }: Place, { section, flag, setting }: Row): string {
  if (isFlag) return `${at} is now --${flag}`;
  return `${at}: [${name.section}] ${name.key} is now ${setting.name}${name.section === section ? "" : ` in [${section}]`}`;
}
