import { expect, test } from "bun:test";
import { signedAdHoc } from "../../packaging/sign.ts";
import { readElf } from "../../packaging/try/elf.ts";
import { examine } from "../../packaging/try/format.ts";
import { readMachO, signing } from "../../packaging/try/macho.ts";

const linux = test.skipIf(process.platform !== "linux");

/** Words of 32 bits, little endian. */
function words(...values: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer);
}

/** Text in `size` bytes, zeros behind it. */
function padded(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
}

function segment(name: string, offset: number, size: number): Uint8Array {
  return Buffer.concat([
    words(0x19, 72),
    padded(name, 16),
    words(offset, 0, size, 0, offset, 0, size, 0),
    words(7, 7, 0, 0),
  ]);
}

const signatureAt = 10_240;

/** An executable for macOS 13 of two and a half pages, and `trailer` where its signature belongs. */
function machO(processor: number, trailer: Uint8Array): Uint8Array {
  const commands = [
    segment("__TEXT", 0, 8192),
    segment("__BUN", 8192, 1024),
    segment("__LINKEDIT", 9216, signatureAt - 9216 + trailer.length),
    words(0x32, 24, 1, 13 << 16, 0, 0),
    words(signing.LC_CODE_SIGNATURE, 16, signatureAt, trailer.length),
  ];
  const size = commands.reduce((sum, command) => sum + command.length, 0);
  const head = Buffer.concat([words(0xfeedfacf, processor, 0, 2, commands.length, size, 0, 0), ...commands]);
  return Buffer.concat([head, new Uint8Array(signatureAt - head.length).fill(7), trailer]);
}

const x64 = 0x01000007;
const arm64 = 0x0100000c;

test("an executable for macOS whose signature is of other bytes is found, and signed anew", () => {
  const before = machO(x64, new Uint8Array(64).fill(9));
  expect(examine("darwin-x64", before).problems).toEqual([
    "its signature is broken: there is none where it should be",
  ]);
  const after = signedAdHoc(before, "fstream");
  expect(examine("darwin-x64", after)).toEqual({
    facts: ["Mach-O, x64", "macOS 13.0 or newer", "signed ad hoc: 3 pages"],
    problems: [],
  });
  expect(readMachO(after).embeddedBytes).toBe(1024);
});

test("signing twice gives the same bytes", () => {
  const once = signedAdHoc(machO(arm64, new Uint8Array(0)), "fstream");
  expect(signedAdHoc(once, "fstream")).toEqual(once);
  expect(examine("darwin-arm64", once).problems).toEqual([]);
});

test.each([0, 4096, signatureAt - 1])("one changed byte (%d) breaks a signature", (at) => {
  const bytes = signedAdHoc(machO(x64, new Uint8Array(0)), "fstream").slice();
  bytes[at === 0 ? 24 : at] ^= 1;
  expect(examine("darwin-x64", bytes).problems).toEqual([
    `its signature is broken: page ${Math.floor(at / 4096)} of 3 has changed`,
  ]);
});

test("bytes behind a signature, or a signature that is cut off, are found", () => {
  const bytes = signedAdHoc(machO(x64, new Uint8Array(0)), "fstream");
  const longer = Buffer.concat([bytes, new Uint8Array(1)]);
  expect(examine("darwin-x64", longer).problems[0]).toStartWith("its signature is broken: it ends at byte");
  expect(examine("darwin-x64", bytes.subarray(0, -1)).problems[0]).toStartWith(
    "its signature is broken: it ends",
  );
});

test("an executable for another processor or system is found", () => {
  const bytes = signedAdHoc(machO(arm64, new Uint8Array(0)), "fstream");
  expect(examine("darwin-x64", bytes).problems).toEqual(["it is for arm64"]);
  expect(examine("windows-x64", bytes).problems).toEqual(["it is no PE executable of 64 bits"]);
  expect(examine("linux-arm64", bytes).problems).toEqual(["it is no ELF file of 64 bits, little endian"]);
});

/** An executable for Windows with one section of imports, and one with the program. */
function pe(machine: number, subsystem: number, trailing = 0): Uint8Array {
  const bytes = new Uint8Array(0x600 + trailing);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number) => view.setUint32(at, value, true);
  const half = (at: number, value: number) => view.setUint16(at, value, true);
  bytes.set(padded("MZ", 2));
  word(0x3c, 0x40);
  bytes.set(padded("PE", 4), 0x40);
  half(0x44, machine);
  half(0x46, 2); // sections
  half(0x54, 240); // the size of the optional header, at 0x58
  half(0x58, 0x20b);
  half(0x58 + 68, subsystem);
  word(0x58 + 112 + 8, 0x1000); // imports
  const section = (index: number, name: string, address: number, offset: number) => {
    const at = 0x58 + 240 + index * 40;
    bytes.set(padded(name, 8), at);
    word(at + 12, address);
    word(at + 16, 0x100);
    word(at + 20, offset);
  };
  section(0, ".rdata", 0x1000, 0x400);
  section(1, ".bun", 0x2000, 0x500);
  word(0x400 + 12, 0x1080);
  bytes.set(padded("KERNEL32.dll", 13), 0x480);
  return bytes;
}

test("an executable for Windows is told by its processor, subsystem and sections", () => {
  expect(examine("windows-x64", pe(0x8664, 3))).toEqual({
    facts: ["PE, x64", "a console program", "not signed, can be", "needs KERNEL32.dll"],
    problems: [],
  });
  expect(examine("windows-arm64", pe(0xaa64, 3)).problems).toEqual([]);
  expect(examine("windows-arm64", pe(0x8664, 2)).problems).toEqual([
    "it is for x64",
    "it is no console program",
  ]);
  expect(examine("windows-x64", pe(0x8664, 3, 5)).problems).toEqual([
    "5 bytes lie behind its sections: it can't be signed",
  ]);
});

linux("the ELF executable that runs this is read", async () => {
  const elf = readElf(await Bun.file(process.execPath).bytes());
  expect(elf.processor).toBe(process.arch);
  expect(await Bun.file(elf.interpreter).exists()).toBe(true);
  expect(elf.libraries.some((name) => name.startsWith("libc."))).toBe(true);
});

test.skipIf(process.platform !== "linux" || process.env.FSTREAM_BIN === undefined)(
  "the binary is what a release takes",
  async () => {
    const bytes = await Bun.file(process.env.FSTREAM_BIN ?? "").bytes();
    const isMusl = readElf(bytes).interpreter.includes("musl");
    expect(examine(`linux-${process.arch}${isMusl ? "-musl" : ""}`, bytes).problems).toEqual([]);
    expect(examine(`linux-${process.arch}${isMusl ? "" : "-musl"}`, bytes).problems).not.toEqual([]);
  },
);

test("whatever is cut short is a problem in words, not a failure", () => {
  for (const [target, whole] of [
    ["darwin-x64", signedAdHoc(machO(x64, new Uint8Array(0)), "fstream")],
    ["windows-x64", pe(0x8664, 3)],
  ] as const) {
    for (let size = 0; size < whole.length; size += 97)
      expect(examine(target, whole.subarray(0, size)).problems).not.toEqual([]);
  }
  expect(examine("linux-x64", new Uint8Array(0)).problems).not.toEqual([]);
});
