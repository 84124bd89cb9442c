// Supplemental enhancement information (ITU-T H.264, 7.3.2.3.1 and D.1.8; H.265, 7.3.5 and D.2.8).

import { Bits } from "./bits.ts";

/** Whether a SEI unit, from byte `from` on, has a recovery point message (7.3.2.3.1; type 6 in both standards). */
export function hasRecoveryPoint(bytes: Uint8Array, from: number, length: number): boolean {
  const bits = new Bits(bytes, from, length);
  while (!bits.over) {
    const type = readSeiNumber(bits);
    const size = readSeiNumber(bits);
    if (bits.over) return false;
    if (type === 6) return true;
    bits.skip(size * 8);
    // What follows the last message is a stop bit, 80.
    if (type === 0x80) return false;
  }
  return false;
}

function readSeiNumber(bits: Bits): number {
  let number = 0;
  for (;;) {
    const byte = bits.u(8);
    number += byte;
    if (byte !== 255) return number;
  }
}
