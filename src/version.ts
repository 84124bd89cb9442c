// What this program is: its version, the commit it was built from, the Bun inside it, and what it was built for. The build puts
// commit and target in (scripts/build); run from its source, the program knows neither its commit nor its C library.

import { version } from "../package.json";

declare const FSTREAM_COMMIT: string;
declare const FSTREAM_TARGET: string;

const systems: Readonly<Record<string, string>> = { win32: "windows" };

/** As `fstream --version --json` prints it. */
export const build = {
  version,
  /** The first 12 digits of the commit, with `-dirty` if there were changes beside it; "unknown": not built from a repository. */
  commit: typeof FSTREAM_COMMIT === "string" ? FSTREAM_COMMIT : "unknown",
  bun: Bun.version,
  /** The operating system, the processor, and the C library where it is musl: "linux-x64-musl". */
  target:
    typeof FSTREAM_TARGET === "string" && FSTREAM_TARGET !== ""
      ? FSTREAM_TARGET
      : `${systems[process.platform] ?? process.platform}-${process.arch}`,
} as const;

/** The line of `fstream --version`. */
export function versionLine({ version, commit, bun, target }: typeof build = build): string {
  return `fstream ${version} (commit ${commit}, Bun ${bun}, ${target})`;
}
