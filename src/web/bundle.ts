// Bundles the pages in browser/: scripts, styles and pictures get names with a hash of what is in them, and everything is
// compressed. Run as a macro, that is while the program is built (or, from its sources, as it starts: some 50 ms): what is
// in the binary is what this gave. Bun's bundler can't be called from within itself, but it can be run.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One file of the pages, as plain data. */
export interface Bundled {
  readonly name: string;
  /** Compressed with gzip, in base64. */
  readonly gzip: string;
  /** A hash of the file itself. */
  readonly hash: string;
}

/** All files. Throws with the bundler's words if the sources don't build. */
export function bundle(): Bundled[] {
  const sources = join(import.meta.dir, "browser");
  const folder = mkdtempSync(join(tmpdir(), "fstream-pages-"));
  try {
    const pages = readdirSync(sources).filter((name) => name.endsWith(".html"));
    const options = [
      "--target=browser",
      "--minify",
      "--splitting",
      "--public-path=/assets/",
      `--outdir=${folder}`,
    ];
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, "build", ...pages, ...options], {
      cwd: sources,
    });
    if (exitCode !== 0) throw new Error(stderr.toString());
    return readdirSync(folder)
      .sort()
      .map((name) => {
        const bytes = readFileSync(join(folder, name));
        return {
          name,
          gzip: Buffer.from(Bun.gzipSync(bytes, { level: 9 })).toString("base64"),
          hash: new Bun.CryptoHasher("sha256").update(bytes).digest("base64url").slice(0, 16),
        };
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
