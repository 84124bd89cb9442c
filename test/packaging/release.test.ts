// What releases are made of. (The executables themselves are built by `scripts/release`, which takes minutes.)

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import manifest from "../../package.json";
import { type Entry, stage, tarball, zip } from "../../packaging/archive.ts";
import { bundledPackages } from "../../packaging/bundled.ts";
import { archiveEntries, shells } from "../../packaging/contents.ts";
import { debianPackage } from "../../packaging/debian.ts";
import runtimes from "../../packaging/runtimes/package.json";
import { billOfMaterials } from "../../packaging/sbom.ts";
import { targets } from "../../packaging/targets.ts";

const folder = mkdtempSync(join(tmpdir(), "fstream-release-"));
afterAll(() => rmSync(folder, { recursive: true }));
const epoch = 1_795_000_000;

/** Stands for the executable. */
const executable = join(folder, "executable");
await Bun.write(executable, "#!/bin/sh\necho here\n");
/** Stands for the man pages and completions. */
const generated = join(folder, "generated");
for (const name of [...shells, "fstream.1", "fstream.toml.5"]) await Bun.write(join(generated, name), name);

function target(name: string) {
  const found = targets.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

const entries: Entry[] = [
  { path: "z/last", from: { text: "text" } },
  { path: "a/program", from: { file: executable }, executable: true },
  { path: "b", from: { bytes: new Uint8Array(100_000) } },
];

test("archives of the same files are the same bytes, wherever and whenever they are made", async () => {
  const hashes: string[][] = [];
  const umask = process.umask();
  for (const place of ["one", "another/place"]) {
    process.umask(place === "one" ? 0o077 : 0o002);
    const parent = join(folder, place);
    const shuffled = place === "one" ? entries : entries.toReversed();
    await stage(join(parent, "fstream-1"), shuffled, epoch);
    await tarball(join(parent, "a.tar.gz"), parent, "fstream-1", epoch);
    await zip(join(parent, "a.zip"), "fstream-1", shuffled, epoch);
    hashes.push(
      await Promise.all(
        ["a.tar.gz", "a.zip"].map(async (name) =>
          new Bun.CryptoHasher("sha256").update(await Bun.file(join(parent, name)).bytes()).digest("hex"),
        ),
      ),
    );
    utimesSync(executable, 1, 1);
  }
  process.umask(umask);
  expect(hashes[0]).toEqual(hashes[1]);
  const listed = await $`tar -tvzf ${join(folder, "one/a.tar.gz")}`.env({ ...process.env, TZ: "UTC" }).text();
  expect(listed.split("\n").map((line) => line.replaceAll(/ +/g, " "))).toContain(
    "-rwxr-xr-x 0/0 20 2026-11-18 11:06 fstream-1/a/program",
  );
});

describe("an archive", () => {
  const common = [
    "README.md",
    "LICENSE",
    "examples/fstream.toml",
    "examples/users/example.toml",
    "docs/settings.md",
    "docs/protocol.md",
  ];

  test.each([
    ["linux-x64", ["fstream", "systemd/fstream.service", "man/fstream.1", "completions/_fstream"]],
    ["darwin-arm64", ["fstream", "man/fstream.toml.5", "completions/fstream.bash"]],
    ["windows-x64", ["fstream.exe", "completions/fstream.ps1"]],
  ])("for %s has all that belongs there", async (name, own) => {
    const paths = (await archiveEntries(target(name), executable, generated)).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining([...common, ...own]));
    expect(new Set(paths).size).toBe(paths.length);
    // A server that is started in the folder is to find nothing of its own there.
    expect(paths.filter((path) => /^(fstream\.toml|users\/)/.test(path))).toEqual([]);
    expect(paths.some((path) => path.startsWith("systemd/"))).toBe(name.startsWith("linux"));
    expect(paths.some((path) => path.startsWith("man/"))).toBe(!name.startsWith("windows"));
  });

  test("has the licence of each package that is inside the executable", async () => {
    const paths = (await archiveEntries(target("linux-x64"), executable, generated)).map(({ path }) => path);
    const packages = await bundledPackages();
    expect(packages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(Object.keys(manifest.dependencies)),
    );
    for (const { name, licenseFile } of packages) {
      expect({ name, licenseFile }).not.toEqual({ name, licenseFile: undefined });
      expect(paths).toContain(`licenses/${name.replace("/", "-")}.txt`);
    }
    expect(paths).toContain("licenses/bun.md");
  });
});

test("the runtimes are of the Bun that the program is built with, one for each target", () => {
  expect(runtimes.dependencies as Record<string, string>).toEqual(
    Object.fromEntries(targets.map(({ runtime }) => [runtime, manifest.devDependencies["bun-types"]])),
  );
});

test("the list of what is inside names each package and runtime, with its licence and hash", async () => {
  const { components } = JSON.parse(await billOfMaterials("1.2.3", "abc", epoch));
  const names = components.map(({ name }: { name: string }) => name);
  expect(names).toEqual([
    ...targets.map(({ runtime }) => runtime),
    ...(await bundledPackages()).map(({ name }) => name),
  ]);
  for (const each of components) {
    expect(each.hashes[0].content).toMatch(/^[0-9a-f]{128}$/);
    expect(each.licenses[0].license.id).toMatch(/^[\w.-]+$/);
    expect(each.purl).toMatch(/^pkg:npm\/.+@[\d.]+$/);
  }
});

describe.skipIf(Bun.which("dpkg-deb") === null)("a Debian package", () => {
  const made = (async () => {
    const of = { version: "1.2.3", architecture: "amd64", executable, generated, epoch };
    for (const name of ["one", "two"])
      await debianPackage(join(folder, `${name}.deb`), join(folder, name), of);
    return join(folder, "one.deb");
  })();

  test("is the same bytes each time", async () => {
    const [one, two] = await Promise.all(
      [await made, join(folder, "two.deb")].map((path) => Bun.file(path).bytes()),
    );
    expect(Buffer.compare(one, two)).toBe(0);
  });

  test("has files in its own places alone, none writable for others, and settings that survive an upgrade", async () => {
    const listed = (await $`dpkg-deb -c ${await made}`.text()).trim().split("\n");
    for (const line of listed) {
      const [mode, owner, , , , path] = line.split(/ +/);
      expect({ path, mode, owner }).toEqual({
        path,
        mode: expect.stringMatching(/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x)$/),
        owner: "root/root",
      });
      expect(path).toMatch(/^\.\/($|etc\/($|fstream\/)|usr\/($|bin\/($|fstream$)|lib\/|share\/))/);
    }
    expect(await $`dpkg-deb -I ${await made} conffiles`.text()).toBe("/etc/fstream/fstream.toml\n");
    expect(await $`dpkg-deb -f ${await made} Package Version Architecture`.text()).toBe(
      "Package: fstream\nVersion: 1.2.3\nArchitecture: amd64\n",
    );
  });

  test.each(["postinst", "prerm", "postrm"])("has a %s that the shell takes", async (name) => {
    expect((await $`dpkg-deb -I ${await made} ${name} | sh -n`.nothrow().quiet()).exitCode).toBe(0);
  });
});
