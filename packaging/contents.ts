// What lies beside the executable in an archive, and where a Debian package puts it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "./archive.ts";
import { bundledPackages } from "./bundled.ts";
import { executableName, isLinux, isWindows, type Target } from "./targets.ts";

const root = join(import.meta.dir, "..");

/** The files of the folder `from` (a path in the project), as entries of the folder `to`. */
function folder(from: string, to: string): Entry[] {
  return readdirSync(join(root, from), { withFileTypes: true }).flatMap((each) =>
    each.isDirectory()
      ? folder(`${from}/${each.name}`, `${to}/${each.name}`)
      : [file(`${from}/${each.name}`, `${to}/${each.name}`)],
  );
}

function file(from: string, to = from): Entry {
  return { path: to, from: { file: join(root, from) } };
}

/** The licences of what is inside the executable, as a folder. */
export async function licenses(to: string): Promise<Entry[]> {
  const packages = (await bundledPackages()).map(({ name, version, license, licenseFile }): Entry => {
    const path = `${to}/${name.replace("/", "-")}.txt`;
    const from =
      licenseFile === undefined ? { text: `${name} ${version}: ${license}\n` } : { file: licenseFile };
    return { path, from };
  });
  return [...folder("packaging/licenses", to), ...packages];
}

const man = ["fstream.1", "fstream.toml.5"];
const completions = {
  bash: { archive: "fstream.bash", debian: "usr/share/bash-completion/completions/fstream" },
  zsh: { archive: "_fstream", debian: "usr/share/zsh/vendor-completions/_fstream" },
  fish: { archive: "fstream.fish", debian: "usr/share/fish/vendor_completions.d/fstream.fish" },
  powershell: { archive: "fstream.ps1", debian: undefined },
};

/** The shells that completions are made for. */
export const shells = Object.keys(completions) as (keyof typeof completions)[];

/** The files of an archive, without the folder that all of them are in. `generated`: the folder of man pages and completions. */
export async function archiveEntries(
  target: Target,
  executable: string,
  generated: string,
): Promise<Entry[]> {
  return [
    { path: executableName(target), from: { file: executable }, executable: true },
    ...["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"].map((each) => file(each)),
    // Not where a server that is started in the folder finds them.
    file("packaging/fstream.toml", "examples/fstream.toml"),
    file("users/example.toml", "examples/users/example.toml"),
    file("src/protocol/README.md", "docs/protocol.md"),
    ...folder("docs", "docs"),
    ...(await licenses("licenses")),
    ...shells.map(
      (shell): Entry => ({
        path: `completions/${completions[shell].archive}`,
        from: { file: join(generated, shell) },
      }),
    ),
    ...(isWindows(target)
      ? []
      : man.map((name): Entry => ({ path: `man/${name}`, from: { file: join(generated, name) } }))),
    ...(isLinux(target) ? folder("packaging/systemd", "systemd") : []),
  ];
}

function zipped(path: string): Uint8Array {
  return Bun.gzipSync(readFileSync(path), { level: 9 });
}

/** The files of a Debian package but those that say what it is. */
export async function debianEntries(executable: string, generated: string): Promise<Entry[]> {
  const doc = "usr/share/doc/fstream";
  return [
    { path: "usr/bin/fstream", from: { file: executable }, executable: true },
    file("packaging/fstream.toml", "etc/fstream/fstream.toml"),
    ...["fstream.service", "fstream.socket", "fstream-broadcast@.service"].map((name) =>
      file(`packaging/systemd/${name}`, `usr/lib/systemd/system/${name}`),
    ),
    file("packaging/systemd/fstream.sysusers", "usr/lib/sysusers.d/fstream.conf"),
    file("packaging/systemd/fstream.tmpfiles", "usr/lib/tmpfiles.d/fstream.conf"),
    ...man.map(
      (name): Entry => ({
        path: `usr/share/man/man${name.at(-1)}/${name}.gz`,
        from: { bytes: zipped(join(generated, name)) },
      }),
    ),
    ...shells.flatMap((shell): Entry[] => {
      const path = completions[shell].debian;
      return path === undefined ? [] : [{ path, from: { file: join(generated, shell) } }];
    }),
    ...["README.md", "SECURITY.md"].map((each) => file(each, `${doc}/${each}`)),
    ...folder("docs", `${doc}/docs`),
    file("src/protocol/README.md", `${doc}/docs/protocol.md`),
    file("users/example.toml", `${doc}/examples/users/example.toml`),
    file("packaging/systemd/broadcast.env", `${doc}/examples/broadcast.env`),
    ...(await licenses(`${doc}/licenses`)),
  ];
}
