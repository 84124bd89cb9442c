// MPEG-1 and MPEG-2 video (ISO/IEC 11172-2, ITU-T H.262): a decoder starts at an I picture that has a
// sequence header before it (H.262, 6.1.1.6). Start codes are Annex B's, so the same scanner finds them; a
// unit's first byte is the start code value (table 6-1).

import {
  type Entry,
  type EntrySink,
  type Mark,
  markAt,
  type Pictures,
  type Size,
  type Step,
} from "./pictures.ts";

const picture = 0x00;
const sequenceHeader = 0xb3;
const groupOfPictures = 0xb8;

const nothing = new Uint8Array(0);
/** The sequence header is part of the access unit. */
const entry: Entry = { parameters: nothing, complete: true, ending: nothing, bridge: undefined };

/** The pictures of an MPEG-1 or MPEG-2 video stream. */
export class Mpeg2Pictures implements Pictures {
  readonly #sink: EntrySink;
  #mark: Mark = markAt(0);
  #sequence = false;
  readonly heldBytes = 0;
  flagged = false;
  size: Size | undefined;

  constructor(sink: EntrySink) {
    this.#sink = sink;
  }

  wanted(header: number): number {
    if (header === sequenceHeader) return 4;
    return header === picture ? 3 : 1;
  }

  begin(mark: Mark): void {
    this.#mark = mark;
    this.#sequence = false;
    this.flagged = false;
  }

  step(bytes: Uint8Array, length: number): Step {
    if (bytes[0] === picture && length >= 3) return "first";
    return bytes[0] === sequenceHeader || bytes[0] === groupOfPictures ? "before" : "inside";
  }

  take(bytes: Uint8Array, length: number, _whole: boolean, step: Step): void {
    if (bytes[0] === sequenceHeader && length >= 4) {
      this.#sequence = true;
      // horizontal_size_value and vertical_size_value, 12 bits each (6.2.2.1).
      this.size = {
        width: (bytes[1] << 4) | (bytes[2] >> 4),
        height: ((bytes[2] & 15) << 8) | bytes[3],
      };
    }
    // temporal_reference, 10 bits, then picture_coding_type, 3 bits: 1 is intra (6.2.3).
    if (step === "first" && this.#sequence && ((bytes[2] >> 3) & 7) === 1)
      this.#sink.entry(this.#mark, entry);
  }
}
