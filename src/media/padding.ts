// Zeros in place of bytes that a unit announced and that will not come: see `Detector.padding`.

import { maxPaddingBytes } from "./detector.ts";

/** Shared by all padding. */
const block = new Uint8Array(64 * 1024);

/** So many zeros, in parts that take no memory of their own; none if that is more than `maxPaddingBytes`. */
export function zeros(bytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  if (bytes > maxPaddingBytes) return parts;
  for (let left = bytes; left > 0; left -= block.length) parts.push(block.subarray(0, left));
  return parts;
}
