// The text of auth/authtypes.ts. Run as a macro, that is while the program is built: what is in the binary is what this gave.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The types as a declaration file has them. */
export function typesText(): string {
  return readFileSync(join(import.meta.dir, "..", "auth", "authtypes.ts"), "utf8");
}
