// Little-endian numbers, as RIFF and IVF have them.

/** The unsigned little-endian number of `size` bytes at `at`; exact up to 2^53. */
export function little(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
  return value;
}
