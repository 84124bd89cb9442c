// AC-3 and E-AC-3: ETSI TS 102 366, 4.3 and 4.4 (syncinfo, bsi; table 4.13 has the frame sizes) and annex E,
// E.1.2 and E.1.3. Each frame of the first independent substream is a join point; further and dependent
// substreams belong to the one before them, and the stream can't be cut there.

import type { Container } from "../detector.ts";
import { cut, type FrameFormat, whole } from "./frames.ts";

/** kbit/s by frmsizecod / 2. */
const rates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/** Above it bsid says that the frame is E-AC-3's. */
const maxAc3Bsid = 10;

const isEnhanced = (bytes: Uint8Array, at: number): boolean => bytes[at + 5] >> 3 > maxAc3Bsid;

const format: FrameFormat = {
  name: "ac3",
  sync: 0x0b,
  // AC-3 at 640 kbit/s and 48 kHz.
  maxFrameBytes: 2560,
  tagged: false,
  length(bytes, at) {
    if (bytes[at] !== 0x0b || bytes[at + 1] !== 0x77) return 0;
    const sampling = bytes[at + 4] >> 6;
    if (!isEnhanced(bytes, at)) {
      const code = bytes[at + 4] & 0x3f;
      if (sampling === 3 || code >= 2 * rates.length) return 0;
      const rate = rates[code >> 1];
      if (sampling === 0) return 4 * rate; // 48 kHz
      if (sampling === 2) return 6 * rate; // 32 kHz
      return 2 * (Math.floor((rate * 96_000) / 44_100) + (code & 1));
    }
    const type = bytes[at + 2] >> 6;
    // strmtyp, fscod with fscod2, bsid
    if (type === 3 || bytes[at + 4] >> 4 === 0xf || bytes[at + 5] >> 3 > 16) return 0;
    const length = 2 * ((((bytes[at + 2] & 7) << 8) | bytes[at + 3]) + 1);
    return length > 10 ? length : 0;
  },
  key: (bytes, at) => bytes[at + 4] >> 6,
  joins(bytes, at) {
    if (!isEnhanced(bytes, at)) return true;
    return bytes[at + 2] >> 6 !== 1 && ((bytes[at + 2] >> 3) & 7) === 0;
  },
  describe(bytes, at) {
    return isEnhanced(bytes, at)
      ? { codec: "eac3", mediaType: "audio/eac3" }
      : { codec: "ac3", mediaType: "audio/ac3" };
  },
};

/** AC-3 and E-AC-3 frames, an AC-3 core with E-AC-3 extensions too. */
export const ac3: Container = whole(format);

/** The same of a stream that begins inside a frame. */
export const cutAc3: Container = cut(format);
