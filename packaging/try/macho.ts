// What a Mach-O executable says of itself, and whether its signature is valid: on Apple's own processors macOS ends whatever is not
// signed, if only by nobody in particular ("ad hoc"). The signature is a list of hashes, one for each page of the file before it
// (XNU: EXTERNAL_HEADERS/mach-o/loader.h, osfmk/kern/cs_blobs.h). 64 bits, one processor.

import { Reader } from "./reader.ts";

const LC_SEGMENT_64 = 0x19;
const LC_BUILD_VERSION = 0x32;
export const signing = {
  LC_CODE_SIGNATURE: 0x1d,
  CSMAGIC_EMBEDDED_SIGNATURE: 0xfade0cc0,
  CSMAGIC_CODEDIRECTORY: 0xfade0c02,
  CS_ADHOC: 2,
  CS_HASHTYPE_SHA256: 2,
  CS_EXECSEG_MAIN_BINARY: 1,
} as const;
const processors: Readonly<Record<number, string>> = { 0x01000007: "x64", 0x0100000c: "arm64" };

export interface MachO {
  readonly format: "Mach-O";
  readonly processor: string;
  /** The oldest macOS that it is made for: "13.0". */
  readonly system: string;
  /** How large the segment is that holds the program; 0: there is none. Bytes. */
  readonly embeddedBytes: number;
  readonly signature: Signature;
}

export type Signature =
  | { readonly type: "none" }
  | { readonly type: "broken"; readonly why: string }
  | { readonly type: "valid"; readonly adHoc: boolean; readonly pages: number };

interface LoadCommand {
  readonly type: number;
  /** Where it stands in the file. */
  readonly at: number;
  /** The segment's name, where it is about one; else "". */
  readonly segment: string;
}

/** Throws an Error if `bytes` are no such executable, or are cut short. */
export function commandsOf(bytes: Uint8Array): LoadCommand[] {
  const file = new Reader(bytes, "little");
  if (file.u32(0) !== 0xfeedfacf || file.u32(12) !== 2)
    throw new Error("it is no Mach-O executable of 64 bits, little endian");
  const commands: LoadCommand[] = [];
  let at = 32;
  for (let left = file.u32(16); left > 0; left--) {
    const type = file.u32(at);
    commands.push({ type, at, segment: type === LC_SEGMENT_64 ? file.text(at + 8, 16) : "" });
    at += file.u32(at + 4);
  }
  return commands;
}

/** Throws an Error as `commandsOf` does. */
export function readMachO(bytes: Uint8Array): MachO {
  const commands = commandsOf(bytes);
  const file = new Reader(bytes, "little");
  const embedded = commands.find((command) => command.segment === "__BUN");
  const version = commands.find(({ type }) => type === LC_BUILD_VERSION);
  const signature = commands.find(({ type }) => type === signing.LC_CODE_SIGNATURE);
  return {
    format: "Mach-O",
    processor: processors[file.u32(4)] ?? `processor ${file.u32(4)}`,
    system: version === undefined ? "" : `${file.u16(version.at + 14)}.${file.u8(version.at + 13)}`,
    embeddedBytes: embedded === undefined ? 0 : file.u64(embedded.at + 48),
    signature:
      signature === undefined
        ? { type: "none" }
        : checked(bytes, file.u32(signature.at + 8), file.u32(signature.at + 12)),
  };
}

function checked(bytes: Uint8Array, offset: number, size: number): Signature {
  try {
    if (offset + size !== bytes.length)
      return broken(`it ends at byte ${offset + size} of ${bytes.length}, not at the file's end`);
    return checkedDirectory(bytes, offset);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return broken("it leads outside of the file");
  }
}

function checkedDirectory(bytes: Uint8Array, offset: number): Signature {
  const file = new Reader(bytes, "big");
  if (file.u32(offset) !== signing.CSMAGIC_EMBEDDED_SIGNATURE)
    return broken("there is none where it should be");
  const blobs = Array.from(
    { length: file.u32(offset + 8) },
    (_, index) => offset + file.u32(offset + 16 + index * 8),
  );
  const directory = blobs.find((at) => file.u32(at) === signing.CSMAGIC_CODEDIRECTORY);
  if (directory === undefined) return broken("it has no code directory");
  const pages = file.u32(directory + 28);
  const covered = file.u32(directory + 32);
  const pageBytes = 2 ** file.u8(directory + 39);
  if (covered !== offset) return broken(`it covers ${covered} bytes of ${offset}`);
  if (file.u8(directory + 37) !== signing.CS_HASHTYPE_SHA256 || file.u8(directory + 36) !== 32)
    return broken("its hashes are not SHA-256");
  if (pages !== Math.ceil(covered / pageBytes)) return broken(`it has ${pages} hashes`);
  const hashes = directory + file.u32(directory + 16);
  for (let page = 0; page < pages; page++) {
    const start = page * pageBytes;
    const content = file.slice(start, Math.min(pageBytes, covered - start));
    const hash = new Bun.CryptoHasher("sha256").update(content).digest();
    if (Buffer.compare(hash, file.slice(hashes + page * 32, 32)) !== 0)
      return broken(`page ${page} of ${pages} has changed`);
  }
  return { type: "valid", adHoc: (file.u32(directory + 12) & signing.CS_ADHOC) !== 0, pages };
}

function broken(why: string): Signature {
  return { type: "broken", why };
}
