// What an ELF executable says of itself: its processor, its dynamic linker, the libraries and the versions of their symbols that it
// needs, and whether Bun's section with the program is there. 64 bits, little endian (System V ABI, chapters 4 and 5; the versions
// as in the Linux Standard Base, "Symbol Versioning").

import { Reader } from "./reader.ts";

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;
const machines: Readonly<Record<number, string>> = { 62: "x64", 183: "arm64" };
const systems: Readonly<Record<number, string>> = { 0: "System V", 3: "Linux", 9: "FreeBSD" };

export interface Elf {
  readonly format: "ELF";
  readonly processor: string;
  readonly system: string;
  readonly interpreter: string;
  readonly libraries: readonly string[];
  /** Such as GLIBC_2.17. */
  readonly versions: readonly string[];
  /** How large the section is that holds the program; 0: there is none. Bytes. */
  readonly embeddedBytes: number;
}

/** Throws an Error if `bytes` are no such executable, or are cut short. */
export function readElf(bytes: Uint8Array): Elf {
  const file = new Reader(bytes, "little");
  if (file.text(0, 4) !== "\x7fELF" || file.u8(4) !== 2 || file.u8(5) !== 1)
    throw new Error("it is no ELF file of 64 bits, little endian");
  const segments = table(file.u64(32), file.u16(56), file.u16(54)).map((at) => ({
    type: file.u32(at),
    offset: file.u64(at + 8),
    address: file.u64(at + 16),
    size: file.u64(at + 32),
  }));
  const placeOf = (address: number) => {
    const segment = segments.find(
      (one) => one.type === PT_LOAD && address >= one.address && address < one.address + one.size,
    );
    if (segment === undefined) throw new Error(`address ${address} is in no segment`);
    return address - segment.address + segment.offset;
  };
  const interpreter = segments.find((segment) => segment.type === PT_INTERP);
  const entries = dynamicEntries(
    file,
    segments.find((segment) => segment.type === PT_DYNAMIC),
  );
  const valueOf = (tag: number) => entries.find((entry) => entry.tag === tag)?.value;
  const strings = placeOf(valueOf(DT_STRTAB) ?? 0);
  const needs = valueOf(DT_VERNEED);
  return {
    format: "ELF",
    processor: machines[file.u16(18)] ?? `machine ${file.u16(18)}`,
    system: systems[file.u8(7)] ?? `ABI ${file.u8(7)}`,
    interpreter: interpreter === undefined ? "" : file.text(interpreter.offset),
    libraries: entries
      .filter((entry) => entry.tag === DT_NEEDED)
      .map((entry) => file.text(strings + entry.value)),
    versions: needs === undefined ? [] : versions(file, placeOf(needs), valueOf(DT_VERNEEDNUM) ?? 0, strings),
    embeddedBytes: sectionBytes(file, ".bun"),
  };
}

function table(at: number, count: number, size: number): number[] {
  return Array.from({ length: count }, (_, index) => at + index * size);
}

function dynamicEntries(
  file: Reader,
  segment: { offset: number; size: number } | undefined,
): { tag: number; value: number }[] {
  if (segment === undefined) throw new Error("it is linked statically");
  return table(segment.offset, segment.size / 16, 16).map((at) => ({
    tag: file.u64(at),
    value: file.u64(at + 8),
  }));
}

/** The list of Elf64_Verneed, each with its list of Elf64_Vernaux. */
function versions(file: Reader, first: number, count: number, strings: number): string[] {
  const names: string[] = [];
  let need = first;
  for (let left = count; left > 0; left--) {
    let one = need + file.u32(need + 8);
    for (let ones = file.u16(need + 2); ones > 0; ones--) {
      names.push(file.text(strings + file.u32(one + 8)));
      one += file.u32(one + 12);
    }
    need += file.u32(need + 12);
  }
  return names;
}

function sectionBytes(file: Reader, name: string): number {
  const sections = table(file.u64(40), file.u16(60), file.u16(58));
  const names = file.u64(sections[file.u16(62)] + 24);
  const section = sections.find((at) => file.text(names + file.u32(at)) === name);
  return section === undefined ? 0 : file.u64(section + 32);
}
