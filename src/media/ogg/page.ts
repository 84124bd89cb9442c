// Ogg pages (RFC 3533, section 6).

import { readNumber } from "../bytes.ts";

/** A page's head, up to its table of segments, which has 255 entries at most. */
export const headBytes = 27;
const capture = 0x4f67_6753;
/** Flags of a page: it begins inside a packet; it is its stream's first. */
export const continued = 1;
export const first = 2;

/** Whether there can be a page's head at `at`. */
export function isPageHead(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0x4f && readNumber(bytes, at, 4) === capture && bytes[at + 4] === 0 && bytes[at + 5] <= 7
  );
}

/** The size of a page's body, by its table of segments. */
export function bodyBytes(head: Uint8Array): number {
  let size = 0;
  for (let i = 0; i < head[26]; i++) size += head[headBytes + i];
  return size;
}

/** A page's checksum (section 6, field 9) in the byte order in which it stands there, taken as zero itself. */
export function checksum(page: Uint8Array, end: number): number {
  let crc = 0;
  for (let i = 0; i < end; i++) {
    crc ^= (i >= 22 && i < 26 ? 0 : page[i]) << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return (
    ((crc & 0xff) * 0x100_0000 + (((crc >> 8) & 0xff) << 16) + (((crc >> 16) & 0xff) << 8) + (crc >>> 24)) >>>
    0
  );
}
