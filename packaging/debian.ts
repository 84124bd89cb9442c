// A Debian package (deb(5), Debian Policy): the files of contents.ts, and what says what they are.

import { join } from "node:path";
import { type Entry, run, stage } from "./archive.ts";
import { debianEntries } from "./contents.ts";

const scripts = ["postinst", "prerm", "postrm"];

/** What a package is made of. */
export interface Package {
  readonly version: string;
  /** Debian's name of the processor. */
  readonly architecture: string;
  readonly executable: string;
  /** The folder of man pages and completions. */
  readonly generated: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** Makes the package `out`, by way of the folder `work`, which is made anew. Needs dpkg-deb. */
export async function debianPackage(out: string, work: string, of: Package): Promise<void> {
  const { version, architecture, executable, generated, epoch } = of;
  const entries: Entry[] = [
    ...(await debianEntries(executable, generated)),
    { path: "usr/share/doc/fstream/copyright", from: { text: await copyright() } },
    {
      path: "usr/share/lintian/overrides/fstream",
      from: { file: join(import.meta.dir, "debian/lintian-overrides") },
    },
    {
      path: "usr/share/doc/fstream/changelog.gz",
      from: { bytes: Bun.gzipSync(Buffer.from(changelog(version, epoch)), { level: 9 }) },
    },
  ];
  await stage(work, entries, epoch);
  const control = [
    {
      path: "control",
      from: { text: controlFile(version, architecture, await installedKiB(work, entries)) },
    },
    { path: "conffiles", from: { text: "/etc/fstream/fstream.toml\n" } },
    { path: "md5sums", from: { text: await md5sums(work, entries) } },
    ...scripts.map((name) => ({
      path: name,
      from: { file: join(import.meta.dir, "debian", name) },
      executable: true,
    })),
  ];
  await stage(join(work, "DEBIAN"), control, epoch);
  // One thread: how many there are has a say in the bytes.
  const options = ["--root-owner-group", "-Zxz", "-z6", "--threads-max=1"];
  await run(["dpkg-deb", ...options, "--build", work, out], { SOURCE_DATE_EPOCH: String(epoch) });
}

function controlFile(version: string, architecture: string, kib: number): string {
  return `Package: fstream
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${kib}
Depends: libc6 (>= 2.17), passwd
Recommends: ca-certificates
Suggests: ffmpeg
Section: net
Priority: optional
Description: live relay for byte streams
 One program that is server and client at once: pipe ffmpeg into it on one
 machine, and watch on any number of others, with a player or in a browser.
 Late joiners start with a picture, slow watchers skip to the next clean
 start, and broadcasters that return keep their watchers.
`;
}

const maintainer = "the fstream maintainers <maintainers@fstream.invalid>";

function changelog(version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `fstream (${version}) stable; urgency=medium

  * New release; what has changed is in CHANGELOG.md.

 -- ${maintainer}  ${date}
`;
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
async function copyright(): Promise<string> {
  const license = await Bun.file(join(import.meta.dir, "../LICENSE")).text();
  const [, , holder] = license.split("\n");
  const paragraphs = license
    .split("\n")
    .slice(4)
    .map((line) => (line === "" ? " ." : ` ${line}`))
    .join("\n")
    .replace(/(\n \.)+$/, "");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fstream
Comment: The executable contains Bun and npm packages, whose licences are in
 /usr/share/doc/fstream/licenses.

Files: *
${holder.replace("Copyright (c)", "Copyright:")}
License: Expat
${paragraphs}
`;
}

async function md5sums(folder: string, entries: readonly Entry[]): Promise<string> {
  const paths = entries.map(({ path }) => path).filter((path) => !path.startsWith("etc/"));
  const lines = paths.sort().map(async (path) => {
    const hasher = new Bun.CryptoHasher("md5").update(await Bun.file(join(folder, path)).arrayBuffer());
    return `${hasher.digest("hex")}  ${path}\n`;
  });
  return (await Promise.all(lines)).join("");
}

/** As Policy 5.6.20 counts: files in whole KiB. */
async function installedKiB(folder: string, entries: readonly Entry[]): Promise<number> {
  const kib = entries.map(({ path }) => Math.ceil(Bun.file(join(folder, path)).size / 1024));
  return kib.reduce((sum, each) => sum + each, 0);
}
