// Looks for streams that cost more than they may: see CONTRIBUTING.md, "Hostile streams".
//
//   bun test/fuzz/fuzz.ts [--seed N] [--minutes M | --seconds S | --cases N] [--container NAME [--pattern TEXT]] [--slack X] [--keep]
//
// Prints a line for each finding and one for progress; exits with 0 if there is none, with 1 if there are some. With `--keep`
// each is made smaller and written to test/fixtures/hostile, where a test replays it.

import { parseArgs } from "node:util";
import { familyOf } from "./families.ts";
import { search } from "./search.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string" },
    seconds: { type: "string" },
    cases: { type: "string" },
    container: { type: "string" },
    pattern: { type: "string" },
    slack: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
  },
});

const count = (value: string | undefined, otherwise: number): number => {
  const read = value === undefined ? otherwise : Number(value);
  if (Number.isNaN(read) || read < 0) throw new Error(`not a number: ${value}`);
  return read;
};
const unlimited = values.cases === undefined ? 180 : Number.POSITIVE_INFINITY;
const found = await search({
  seed: count(values.seed, 1),
  seconds: count(values.seconds, count(values.minutes, unlimited / 60) * 60),
  cases: count(values.cases, Number.POSITIVE_INFINITY),
  container: values.container === undefined ? undefined : familyOf(values.container).name,
  ...(values.pattern === undefined ? {} : { pattern: values.pattern }),
  slack: count(values.slack, 1),
  shrinkSeconds: values.keep ? 30 : 0,
  report: (line) => console.log(line),
});
process.exitCode = found.length === 0 ? 0 : 1;
