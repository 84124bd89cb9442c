// How an HEVC sequence is ended in files (ISO/IEC 14496-15, 8.3.2 and 8.3.3; ITU-T H.265, 7.3.2.5). After a skip
// a decoder needs to know of it: else it counts a keyframe that is no IDR on from the pictures before, puts what
// follows into the wrong order, and takes the pictures that can't be decoded for ones that can.

/**
 * A sample that is an end of sequence NAL unit alone, for a track with the decoder configuration `hvcC`; empty if
 * that is too short to be one.
 */
export function hevcEnding(hvcC: Uint8Array): Uint8Array<ArrayBuffer> {
  if (hvcC.length < 23) return new Uint8Array(0);
  const lengthBytes = (hvcC[21] & 3) + 1;
  const sample = new Uint8Array(lengthBytes + 2);
  sample.set([2, 36 << 1, 1], lengthBytes - 1);
  return sample;
}
