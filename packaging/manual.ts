// Writes the man pages fstream.1 and fstream.toml.5 from the program's own tables: `bun packaging/manual.ts FOLDER`. Their date is
// $SOURCE_DATE_EPOCH, or the commit's, so that the same source gives the same bytes.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import { loadCommands } from "../src/commands/commands.ts";
import { build } from "../src/version.ts";
import { programPage } from "./manual/programpage.ts";
import { settingsPage } from "./manual/settingspage.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: bun packaging/manual.ts FOLDER");
  process.exit(2);
}
const seconds =
  process.env.SOURCE_DATE_EPOCH ?? (await $`git log -1 --format=%ct`.cwd(import.meta.dir).text());
const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
await mkdir(folder, { recursive: true });
await Bun.write(join(folder, "fstream.1"), programPage(await loadCommands(), build.version, date));
await Bun.write(join(folder, "fstream.toml.5"), settingsPage(build.version, date));
