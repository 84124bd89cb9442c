// Which npm packages are inside the executable: those that the bundler takes files from, for the program and for the pages, with
// their versions and licences.

import { readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const modules = join(root, "node_modules");

/** A package of the npm registry. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** As SPDX writes it. */
  readonly license: string;
  /** The file with the licence's text; undefined: the package has none. */
  readonly licenseFile: string | undefined;
}

/** All of them, by name. Rejects if the sources don't build. */
export async function bundledPackages(): Promise<Package[]> {
  const program = await packagesOf(
    [join(root, "src/main.ts"), join(root, "src/auth/moduleworker.ts")],
    "bun",
  );
  const browser = join(root, "src/web/browser");
  const pages = readdirSync(browser).filter((name) => name.endsWith(".html"));
  // What is in them may be a bundle itself, of the packages that it depends on.
  const inPages = withDependencies(
    await packagesOf(
      pages.map((name) => join(browser, name)),
      "browser",
    ),
  );
  return [...new Set([...program, ...inPages])].sort().map(described);
}

async function packagesOf(entrypoints: string[], target: "bun" | "browser"): Promise<string[]> {
  const { metafile } = await Bun.build({ entrypoints, target, metafile: true });
  return Object.keys(metafile?.inputs ?? {}).flatMap((path) => {
    const [, inside] = path.split("node_modules/");
    return inside === undefined ? [] : [nameOf(inside)];
  });
}

/** The package of a file in node_modules. */
function nameOf(path: string): string {
  return path.split("/", path.startsWith("@") ? 2 : 1).join("/");
}

function withDependencies(names: readonly string[]): string[] {
  const all = new Set(names);
  for (const name of all) for (const each of Object.keys(manifestOf(name).dependencies ?? {})) all.add(each);
  return [...all];
}

interface Manifest {
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function manifestOf(name: string): Manifest {
  return require(join(modules, name, "package.json"));
}

function described(name: string): Package {
  const folder = join(modules, name);
  const { version, license } = manifestOf(name);
  if (license === undefined) throw new Error(`${name} does not say its licence`);
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const licenseFile = file === undefined ? undefined : join(folder, file);
  return { name, version, license, licenseFile };
}
