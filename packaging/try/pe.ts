// What a Windows executable says of itself: its processor, that it runs in a console, the libraries that it needs, and whether it can be
// signed: nothing may lie behind its last section but the certificates (Microsoft PE/COFF Specification, sections 3 to 5). 64 bits.

import { Reader } from "./reader.ts";

const processors: Readonly<Record<number, string>> = { 34404: "x64", 43620: "arm64" };
const IMAGE_SUBSYSTEM_WINDOWS_CUI = 3;
const importDirectory = 1;
const certificateDirectory = 4;

export interface Pe {
  readonly format: "PE";
  readonly processor: string;
  readonly isConsole: boolean;
  readonly libraries: readonly string[];
  /** How large the section is that holds the program; 0: there is none. Bytes. */
  readonly embeddedBytes: number;
  /** Bytes of certificates. */
  readonly certificateBytes: number;
  /** Bytes behind the last section that are no certificates. */
  readonly trailingBytes: number;
}

/** Throws an Error if `bytes` are no such executable, or are cut short. */
export function readPe(bytes: Uint8Array): Pe {
  const file = new Reader(bytes, "little");
  const header = file.text(0, 2) === "MZ" ? file.u32(0x3c) : -1;
  const optional = header + 24;
  if (header < 0 || file.text(header, 4) !== "PE" || file.u16(optional) !== 0x20b)
    throw new Error("it is no PE executable of 64 bits");
  const directory = (index: number) => ({
    at: file.u32(optional + 112 + index * 8),
    size: file.u32(optional + 116 + index * 8),
  });
  const sections = Array.from({ length: file.u16(header + 6) }, (_, index) => {
    const at = optional + file.u16(header + 20) + index * 40;
    return {
      name: file.text(at, 8),
      address: file.u32(at + 12),
      size: file.u32(at + 16),
      offset: file.u32(at + 20),
    };
  });
  const placeOf = (address: number) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size);
    if (section === undefined) throw new Error(`address ${address} is in no section`);
    return address - section.address + section.offset;
  };
  const libraries: string[] = [];
  for (let at = placeOf(directory(importDirectory).at); file.u32(at + 12) !== 0; at += 20)
    libraries.push(file.text(placeOf(file.u32(at + 12))));
  const end = Math.max(...sections.map((section) => section.offset + section.size));
  const certificateBytes = directory(certificateDirectory).size;
  return {
    format: "PE",
    processor: processors[file.u16(header + 4)] ?? `machine ${file.u16(header + 4)}`,
    isConsole: file.u16(optional + 68) === IMAGE_SUBSYSTEM_WINDOWS_CUI,
    libraries,
    embeddedBytes: sections.find((section) => section.name === ".bun")?.size ?? 0,
    certificateBytes,
    trailingBytes: bytes.length - end - certificateBytes,
  };
}
