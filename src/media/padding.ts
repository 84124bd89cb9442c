// What makes up for bytes that were announced and will not come: see `Detector.closing`.

import { maxClosingBytes } from "./detector.ts";

/** What fillers are made of. */
const zeros = new Uint8Array(64 * 1024);

/**
 * So many bytes to make up for what did not come (see `Detector.closing`): zeros, or none if that is too many. They take no
 * memory of their own.
 */
export function filler(bytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  if (bytes > maxClosingBytes) return parts;
  for (let left = bytes; left > 0; left -= zeros.length) parts.push(zeros.subarray(0, left));
  return parts;
}
