// What an executable for a target has to be: the format, the processor, the C library and how old it may be, the signature. What does not
// run on the machine at hand is held to this at least. Pure.

import { type Elf, readElf } from "./elf.ts";
import { type MachO, readMachO } from "./macho.ts";
import { type Pe, readPe } from "./pe.ts";

export interface Findings {
  /** What the executable is, in words. */
  readonly facts: readonly string[];
  /** What it should be, and is not. */
  readonly problems: readonly string[];
}

/** The oldest C library of Linux distributions that it has to run with: that of RHEL 7, from 2013. */
const oldestGlibc = [2, 17];

/** Looks at an executable for a target such as linux-x64-musl. */
export function examine(target: string, bytes: Uint8Array): Findings {
  const [system, processor, library] = target.split("-");
  const problems: string[] = [];
  const must = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  let facts: string[];
  try {
    const found =
      system === "windows" ? readPe(bytes) : system === "darwin" ? readMachO(bytes) : readElf(bytes);
    must(found.processor === processor, `it is for ${found.processor}`);
    must(found.embeddedBytes > 0, "the program is not in it");
    if (found.format === "PE") facts = windows(found, must);
    else if (found.format === "Mach-O") facts = macos(found, must);
    else if (system === "freebsd") facts = freebsd(found, must);
    else facts = library === "musl" ? musl(found, must) : glibc(found, must);
    facts = [`${found.format}, ${found.processor}`, ...facts];
  } catch (error) {
    return { facts: [], problems: [error instanceof Error ? error.message : String(error)] };
  }
  return { facts, problems };
}

type Must = (holds: boolean, problem: string) => void;

function windows(found: Pe, must: Must): string[] {
  must(found.isConsole, "it is no console program");
  must(found.trailingBytes === 0, `${found.trailingBytes} bytes lie behind its sections: it can't be signed`);
  const signed = found.certificateBytes > 0 ? "signed" : "not signed, can be";
  return ["a console program", signed, `needs ${found.libraries.join(", ")}`];
}

function macos({ system, signature }: MachO, must: Must): string[] {
  must(signature.type !== "none", "it is not signed");
  must(
    signature.type !== "broken",
    `its signature is broken: ${signature.type === "broken" ? signature.why : ""}`,
  );
  const signed =
    signature.type === "valid" ? `signed${signature.adHoc ? " ad hoc" : ""}: ${signature.pages} pages` : "";
  return [`macOS ${system} or newer`, signed];
}

function freebsd(found: Elf, must: Must): string[] {
  must(found.system === "FreeBSD", `its ABI is that of ${found.system}`);
  must(found.interpreter === "/libexec/ld-elf.so.1", `its dynamic linker is ${found.interpreter}`);
  return [`needs ${found.libraries.join(", ")}`];
}

function musl(found: Elf, must: Must): string[] {
  const name = /^\/lib\/ld-musl-(?:x86_64|aarch64)\.so\.1$/;
  must(name.test(found.interpreter), `its dynamic linker is ${found.interpreter}`);
  return [`needs ${found.libraries.join(", ")}`];
}

function glibc(found: Elf, must: Must): string[] {
  const name = /^\/lib(?:64)?\/ld-linux-(?:x86-64\.so\.2|aarch64\.so\.1)$/;
  must(name.test(found.interpreter), `its dynamic linker is ${found.interpreter}`);
  const versions = found.versions
    .flatMap((version) => /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [])
    .filter((part) => !part.startsWith("GLIBC"))
    .map(Number);
  const pairs = Array.from({ length: versions.length / 2 }, (_, index) =>
    versions.slice(2 * index, 2 * index + 2),
  );
  const [newest] = pairs.sort((a, b) => b[0] - a[0] || b[1] - a[1]);
  if (newest !== undefined) {
    const [major, minor] = newest;
    const isOld = major < oldestGlibc[0] || (major === oldestGlibc[0] && minor <= oldestGlibc[1]);
    must(isOld, `it needs glibc ${newest.join(".")}, newer than ${oldestGlibc.join(".")}`);
  }
  return [`glibc ${newest?.join(".") ?? "of any age"} or newer`, `needs ${found.libraries.join(", ")}`];
}
