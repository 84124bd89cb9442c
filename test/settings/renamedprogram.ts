// The program with a table of settings in which `hold` had other names: `bun renamedprogram.ts ARGS...`.

import { rows } from "../../src/settings/rows.ts";

const row = rows.find(({ setting }) => setting.name === "hold");
if (row === undefined) throw new Error("there is no setting hold");
Object.assign(row, {
  former: [
    { section: "fstream", key: "keep", flag: "keep" },
    { section: "streams", key: "keep_time", flag: "keep-time" },
  ],
});
await import("../../src/main.ts");
