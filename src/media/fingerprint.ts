// Headers compared by a few characters, so that their length does not matter.

import { readNumber } from "./bytes.ts";

/**
 * A short text that differs if `bytes` do: to compare headers by, in no time however long they are. Not for secrets: two
 * headers can be made to have the same one, and then only that stream's own watchers see the wrong one.
 */
export function fingerprint(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  let a = 0x9e37_79b1;
  let b = 0x85eb_ca6b;
  const mix = (word: number) => {
    a = Math.imul(a ^ word, 0x0100_0193);
    a ^= a >>> 13;
    b = Math.imul(b ^ word, 0x5bd1_e995);
    b ^= b >>> 15;
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length - (bytes.length % 4);
  for (let i = 0; i < whole; i += 4) mix(view.getInt32(i));
  mix(readNumber(bytes, whole, bytes.length - whole));
  return [bytes.length, a >>> 0, b >>> 0].map((number) => number.toString(36)).join("-");
}
