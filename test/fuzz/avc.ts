// A small H.264 stream's own words: parameter sets, and pictures that refer to them (ITU-T H.264, 7.3).

import { big, joined, noise } from "./parts.ts";

export const sps = Uint8Array.fromHex("6764000aacd94626c044000003000400000300c83c489658");
export const pps = Uint8Array.fromHex("68ebe094b22c");
/** A decoder configuration (ISO/IEC 14496-15, 5.3.3.1) with such sets. */
export const avcC = Uint8Array.fromHex(
  "0164000affe100186764000aacd9447b011000000300100000030140f122596001000468ef8fcbfdf8f800",
);

/** Exp-Golomb numbers (9.1), as bytes with a stop bit. */
export function golomb(...values: readonly number[]): Uint8Array {
  const bits = values.map((value) => {
    const digits = (value + 1).toString(2);
    return "0".repeat(digits.length - 1) + digits;
  });
  const all = `${bits.join("")}1`;
  return Uint8Array.from({ length: Math.ceil(all.length / 8) }, (_, i) =>
    Number.parseInt(all.slice(8 * i, 8 * i + 8).padEnd(8, "0"), 2),
  );
}

/** A picture parameter set with this id, of the first sequence parameter set, and so much behind it. */
export function ppsOf(id: number, size: number, seed: number): Uint8Array {
  return joined(Uint8Array.of(0x68), golomb(id, 0), noise(size + 4, seed));
}

/** The start of a P slice of frame `frame`, with `size` bytes behind it. */
export function slice(frame: number, size: number): Uint8Array {
  // first_mb_in_slice 0, slice_type 5, pic_parameter_set_id 0, frame_num in four bits
  const bits = `1001101${(frame % 16).toString(2).padStart(4, "0")}00000`;
  return joined(Uint8Array.of(0x41), big(Number.parseInt(bits, 2), 2), noise(size, frame));
}
