// Signs an executable for macOS "ad hoc", by nobody in particular: `bun packaging/sign.ts FILE`. On Apple's own processors macOS runs nothing
// unsigned, and what has a signature that does not match runs nowhere. Bun signs what it compiles for arm64; for x64 it leaves the
// signature of its own executable in place, which is of other bytes. The same input gives the same bytes.
//
// The signature is at the file's end, as the last of __LINKEDIT (XNU: EXTERNAL_HEADERS/mach-o/loader.h, osfmk/kern/cs_blobs.h).

import { commandsOf, signing } from "./try/macho.ts";

const pageShift = 12;
const pageBytes = 1 << pageShift;
const hashBytes = 32;
const blobHeaderBytes = 20;
const directoryBytes = 88;
/** Segments end at a multiple of this in memory: the page of arm64, which does for x64 too. Bytes. */
const segmentAlignment = 16_384;

/** The executable with a signature in place of the one it has; `identifier` is the program's name. Throws an Error if it has none. */
export function signedAdHoc(executable: Uint8Array, identifier: string): Uint8Array {
  const commands = commandsOf(executable);
  const signature = commands.find(({ type }) => type === signing.LC_CODE_SIGNATURE);
  const segment = (name: string) => commands.find((command) => command.segment === name);
  const linkedit = segment("__LINKEDIT");
  const text = segment("__TEXT");
  if (signature === undefined || linkedit === undefined || text === undefined)
    throw new Error("it has no place for a signature");
  const old = new DataView(executable.buffer, executable.byteOffset, executable.length);
  const offset = old.getUint32(signature.at + 8, true);
  const pages = Math.ceil(offset / pageBytes);
  const name = new TextEncoder().encode(`${identifier}\0`);
  const hashes = directoryBytes + name.length;
  const length = hashes + pages * hashBytes;
  const size = blobHeaderBytes + length;

  const bytes = new Uint8Array(offset + size);
  bytes.set(executable.subarray(0, offset));
  const view = new DataView(bytes.buffer);
  view.setUint32(signature.at + 12, size, true);
  const segmentBytes = offset + size - Number(view.getBigUint64(linkedit.at + 40, true));
  view.setBigUint64(linkedit.at + 48, BigInt(segmentBytes), true);
  view.setBigUint64(
    linkedit.at + 32,
    BigInt(Math.ceil(segmentBytes / segmentAlignment) * segmentAlignment),
    true,
  );

  const write = (at: number, words: readonly number[]) => {
    for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word);
  };
  write(offset, [signing.CSMAGIC_EMBEDDED_SIGNATURE, size, 1, 0, blobHeaderBytes]);
  const directory = offset + blobHeaderBytes;
  const withExecutableSegment = 0x20400;
  write(directory, [signing.CSMAGIC_CODEDIRECTORY, length, withExecutableSegment, signing.CS_ADHOC]);
  write(directory + 16, [hashes, directoryBytes, 0, pages, offset]);
  bytes.set([hashBytes, signing.CS_HASHTYPE_SHA256, 0, pageShift], directory + 36);
  view.setBigUint64(directory + 64, view.getBigUint64(text.at + 40, true));
  view.setBigUint64(directory + 72, view.getBigUint64(text.at + 48, true));
  view.setBigUint64(directory + 80, BigInt(signing.CS_EXECSEG_MAIN_BINARY));
  bytes.set(name, directory + directoryBytes);
  for (let page = 0; page < pages; page++) {
    const content = bytes.subarray(page * pageBytes, Math.min((page + 1) * pageBytes, offset));
    bytes.set(new Bun.CryptoHasher("sha256").update(content).digest(), directory + hashes + page * hashBytes);
  }
  return bytes;
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    console.error("usage: bun packaging/sign.ts FILE");
    process.exit(2);
  }
  await Bun.write(file, signedAdHoc(await Bun.file(file).bytes(), "fstream"));
}
