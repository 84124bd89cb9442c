// Looks for streams that cost more than they may: see CONTRIBUTING.md, "Hostile streams".
//
//   bun test/fuzz/fuzz.ts [--seed N [--from CASE]] [--minutes M | --seconds S | --cases N] [--container NAME [--pattern TEXT]]
//                         [--only structure|bytes|handshakes|inputs|TARGET] [--slack X] [--keep]
//
// First streams made by structure (search.ts), then real ones with changed bytes (bytes.ts), then damaged handshakes, then requests
// over HTTP, files and what else is read (inputs.ts; `--only http` is for those over HTTP alone): three, two, one and two eighths of
// the time. Prints a line for each finding and one for progress. At the end what took too long is looked at
// again, and is no finding if it does not then. Exits with 0 if there is no finding, with 1 if there are some. `--seed 7 --from 19 --cases 1 --only structure` looks at case 19 of seed 7 alone. With `--keep` each
// finding is made smaller and written to test/fixtures, where a test replays it.

import { parseArgs } from "node:util";
import { familyOf } from "./families.ts";
import { searchHandshakes } from "./handshakes.ts";
import { searchInputs, targets } from "./inputs.ts";
import { type Options, search, searchBytes } from "./search.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    minutes: { type: "string" },
    seconds: { type: "string" },
    cases: { type: "string" },
    container: { type: "string" },
    pattern: { type: "string" },
    slack: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
    only: { type: "string" },
  },
});

const count = (value: string | undefined, otherwise: number): number => {
  const read = value === undefined ? otherwise : Number(value);
  if (Number.isNaN(read) || read < 0) throw new Error(`not a number: ${value}`);
  return read;
};
const unlimited = values.cases === undefined ? 180 : Number.POSITIVE_INFINITY;
const options: Options = {
  seed: count(values.seed, 1),
  from: count(values.from, 0),
  seconds: count(values.seconds, count(values.minutes, unlimited / 60) * 60),
  cases: count(values.cases, Number.POSITIVE_INFINITY),
  container: values.container === undefined ? undefined : familyOf(values.container).name,
  ...(values.pattern === undefined ? {} : { pattern: values.pattern }),
  slack: count(values.slack, 1),
  shrinkSeconds: values.keep ? 30 : 0,
  report: (line) => console.log(line),
};
/** Shares of the time. What is limited to a container or a number of streams has no use for the others. */
const isStreams = values.container !== undefined || values.cases !== undefined;
const others = isStreams ? {} : { handshakes: 1, inputs: 2 };
const shares = values.pattern === undefined ? { structure: 3, bytes: 2, ...others } : { structure: 1 };
const target = targets.find(({ name }) => name === values.only);
const kinds = target === undefined ? values.only : "inputs";
const chosen = Object.entries(shares).filter(([kind]) => kinds === undefined || kinds === kind);
if (chosen.length === 0) {
  const all = [...Object.keys(shares), ...targets.map(({ name }) => name)];
  throw new Error(`--only takes one of ${all.join(", ")}, not ${values.only}`);
}
const total = chosen.reduce((sum, [, share]) => sum + share, 0);
let findings = 0;
for (const [kind, share] of chosen) {
  const seconds = (options.seconds * share) / total;
  if (share === 0) continue;
  if (kind === "structure") findings += (await search({ ...options, seconds })).length;
  else if (kind === "bytes") findings += (await searchBytes({ ...options, seconds })).length;
  else if (kind === "handshakes")
    findings += (await searchHandshakes(options.seed, seconds, options.report)).length;
  else {
    const only = target === undefined ? {} : { only: [target.name] };
    findings += (await searchInputs({ ...options, ...only, seconds })).length;
  }
}
process.exitCode = findings === 0 ? 0 : 1;
