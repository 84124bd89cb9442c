// A list of what is inside the executables, in CycloneDX 1.6 (ECMA-424): Bun's runtimes and the npm packages, with their licences and
// the hashes by which they were installed.

import { join } from "node:path";
import { bundledPackages } from "./bundled.ts";
import { targets } from "./targets.ts";

const root = join(import.meta.dir, "..");

/** The list, as JSON. `epoch`: seconds since 1970. */
export async function billOfMaterials(version: string, commit: string, epoch: number): Promise<string> {
  const packages = await integrities(join(root, "bun.lock"));
  const runtimes = await integrities(join(root, "packaging/runtimes/bun.lock"));
  const program = `pkg:generic/fstream@${version}`;
  const components = [
    ...targets.map(({ name, runtime }) => ({
      ...component(runtime, Bun.version, "MIT", runtimes),
      description: `the runtime of ${name}; licenses/bun.md has the libraries in it`,
    })),
    ...(await bundledPackages()).map(({ name, version, license }) =>
      component(name, version, license, packages),
    ),
  ];
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: {
        type: "application",
        name: "fstream",
        version,
        "bom-ref": program,
        licenses: [{ license: { id: "MIT" } }],
        properties: [{ name: "commit", value: commit }],
      },
    },
    components,
    dependencies: [{ ref: program, dependsOn: components.map((each) => each["bom-ref"]) }],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

function component(name: string, version: string, license: string, of: ReadonlyMap<string, string>) {
  const integrity = of.get(`${name}@${version}`);
  if (integrity === undefined) throw new Error(`no lock file names ${name} ${version}`);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return {
    type: "library",
    name,
    version,
    "bom-ref": purl,
    purl,
    licenses: [{ license: { id: license } }],
    hashes: [{ alg: "SHA-512", content: Buffer.from(integrity, "base64").toString("hex") }],
  };
}

/** `NAME@VERSION` -> the SHA-512 of its archive in base64, as the lock file has it (a line for each package). */
async function integrities(lockFile: string): Promise<ReadonlyMap<string, string>> {
  const lines = (await Bun.file(lockFile).text()).matchAll(
    /^ {4}"[^"]*": \["([^"]+)".*"sha512-([^"]+)"\],?$/gm,
  );
  return new Map([...lines].map(([, name, hash]) => [name, hash]));
}
