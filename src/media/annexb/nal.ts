// NAL units in a byte stream, as ITU-T H.264 and H.265 both have them (Annex B of each). What the units mean is in
// h264.ts, hevc.ts and mpeg2.ts.
//
//   [00] 00 00 01 | header, payload ... | [00...] 00 00 01 | header ...
//   ^offset         ^first byte gathered  ^the next unit's offset: at most one zero before the three
//
// The scanner sees each byte once, in pieces of any size, and copies only the first bytes of a unit that
// its sink wants, into one buffer that it owns: nothing is allocated on the way.

/**
 * A unit gathered whole is at most this many bytes; a longer one is handed over cut off. Parameter sets are far
 * shorter; a recovery point stands near the beginning of the SEI. Keeps headers below `maxHeaderBytes`.
 */
export const maxNalBytes = 4096;

/** Receives the units a `NalScanner` finds, in stream order. */
export interface NalSink {
  /** How many bytes of a unit with this first byte are wanted: 1 to `maxNalBytes`. */
  wanted(header: number): number;
  /**
   * A unit's first `length` bytes stand at the start of `bytes`, which is reused afterwards. `whole`: the
   * unit ended there (trailing zeros are left out). `offset`: its start code's absolute offset.
   */
  nal(bytes: Uint8Array, length: number, whole: boolean, offset: number): void;
}

/** Finds start codes. The calls it makes do not depend on how the bytes are split. */
export class NalScanner {
  readonly #sink: NalSink;
  readonly #bytes = new Uint8Array(maxNalBytes);
  #length = 0;
  /** Bytes still to be gathered of the unit at hand; 0: none, it was handed over. */
  #missing = 0;
  #offset = 0;
  /** Zeros that the bytes so far end in, at most 3. */
  #zeros = 0;

  constructor(sink: NalSink) {
    this.#sink = sink;
  }

  /** No more bytes follow: hands over the unit at hand, and the next byte fed begins something new. */
  finish(): void {
    if (this.#missing > 0 && this.#length > 0) this.#end();
    this.reset();
  }

  /** Forgets the unit at hand; the next byte fed begins something new. */
  reset(): void {
    this.#missing = 0;
    this.#zeros = 0;
  }

  /** Takes `bytes` from `from` up to `to`; `offset` is the absolute offset of the first of them. */
  feed(bytes: Uint8Array, from: number, to: number, offset: number): void {
    let position = from;
    for (;;) {
      const one = this.#startCode(bytes, from, position, to);
      const stop = one < 0 ? to : one;
      if (this.#missing > 0) this.#gather(bytes, position, stop);
      if (one < 0) break;
      if (this.#missing > 0 && this.#length > 0) this.#end();
      this.#length = 0;
      this.#missing = 1;
      this.#offset = offset + one - from - Math.min(3, this.#zerosBefore(bytes, from, one));
      position = one + 1;
    }
    this.#zeros = this.#zerosBefore(bytes, from, to);
  }

  /** The index of the 01 of the next start code at or after `position`, -1 if there is none before `to`. */
  #startCode(bytes: Uint8Array, from: number, position: number, to: number): number {
    let at = position;
    // A start code may have begun in the piece before this one.
    for (; at < from + 2 && at < to; at++)
      if (bytes[at] === 1 && this.#zerosBefore(bytes, from, at) >= 2) return at;
    while (at < to) {
      // Three bytes at a time: a byte above 1 can't be any of the three of a start code that ends here or
      // one or two bytes later.
      const byte = bytes[at];
      if (byte > 1) at += 3;
      else if (byte === 0) at += 1;
      else if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at;
      else at += 3;
    }
    return -1;
  }

  /** How many zeros stand right before `at`, counting those of earlier pieces, at most 3. */
  #zerosBefore(bytes: Uint8Array, from: number, at: number): number {
    let zeros = 0;
    let index = at - 1;
    for (; index >= from && zeros < 3; index--) {
      if (bytes[index] !== 0) return zeros;
      zeros++;
    }
    return Math.min(3, zeros + this.#zeros);
  }

  #gather(bytes: Uint8Array, from: number, to: number): void {
    let position = from;
    if (this.#length === 0 && position < to) {
      const wanted = this.#sink.wanted(bytes[position]);
      this.#bytes[0] = bytes[position++];
      this.#length = 1;
      this.#missing = Math.min(wanted, maxNalBytes) - 1;
    }
    const count = Math.min(this.#missing, to - position);
    // A loop, not set(subarray()): a unit's first bytes are few, and a view is an allocation.
    for (let index = 0; index < count; index++) this.#bytes[this.#length + index] = bytes[position + index];
    this.#length += count;
    this.#missing -= count;
    if (this.#length > 0 && this.#missing === 0) {
      this.#sink.nal(this.#bytes, this.#length, false, this.#offset);
    }
  }

  #end(): void {
    let length = this.#length;
    while (length > 0 && this.#bytes[length - 1] === 0) length--;
    this.#missing = 0;
    if (length > 0) this.#sink.nal(this.#bytes, length, true, this.#offset);
  }
}
