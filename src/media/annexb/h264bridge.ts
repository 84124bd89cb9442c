// What a decoder is given before an H.264 recovery point (ITU-T H.264, D.2.8), where it starts or goes on
// without an IDR: a few pictures of our own that take the place of the reference pictures it lacks. The
// picture at the recovery point does not need them, but those after it still say which of them to forget
// (8.2.5), and leading B pictures refer to them; a decoder that lacks them complains or shows garbage.
//
// Each picture is one P slice in which every macroblock is skipped, that is a repetition: some 15 bytes. The
// first one ends what was before (operation 5), the others have the frame numbers of the missing ones. All are
// real pictures: frames that a decoder fills into gaps by itself would do, but ffmpeg drops those early.
//
//   references in the stream:  9    11 12 | 13 (recovery point)
//   bridge:              [5]   9 10 11 12         11 has the order to forget 10
//
// Only for what it can be right for: frames, not fields, and no long-term references.

import type { Slice, Sps } from "./h264syntax.ts";
import type { Bridge } from "./pictures.ts";

/** Frame numbers that a bridge spans at most. */
const maxSpan = 32;
/** The largest pic_parameter_set_id (7.4.2.2). */
const maxPpsId = 255;
/** A picture of a bridge, or its parameter set, has no more bytes, the start code included. */
const maxUnitBytes = 64;

/** Follows which frames of a stream are short-term references (8.2.5), by their frame numbers. */
export class References {
  /** In decoding order. */
  #frames: number[] = [];
  /** Whether it is known that there are no others, of another kind. */
  #known = true;

  /** A reference picture was decoded. */
  take(slice: Slice | undefined): void {
    if (slice === undefined || slice.field !== 0) {
      this.#known = false;
      this.#frames = [];
      return;
    }
    if (slice.idr) {
      this.#frames = [];
      this.#known = true;
    }
    const { sps } = slice;
    let number = slice.frameNumber;
    if (slice.marking === undefined) {
      while (this.#frames.length > 0 && this.#frames.length >= sps.maxReferences) this.#frames.shift();
    } else
      for (const { operation, pictures } of slice.marking) {
        const modulus = 2 ** sps.frameNumberBits;
        if (operation === 1) {
          const gone = (slice.frameNumber - pictures + modulus) % modulus;
          const index = this.#frames.indexOf(gone);
          if (index >= 0) this.#frames.splice(index, 1);
        } else {
          this.#frames = [];
          number = 0;
          // All others than 5 are about long-term references.
          this.#known = operation === 5;
        }
      }
    // More than there can be: pictures were lost.
    if (this.#frames.length > sps.maxReferences) this.#frames.shift();
    this.#frames.push(number);
  }

  /** The frames before `next`; undefined if they are not known, or no bridge can stand for them. */
  before(next: Slice): readonly number[] | undefined {
    if (!this.#known || next.field !== 0 || next.sps.separatePlanes) return undefined;
    const modulus = 2 ** next.sps.frameNumberBits;
    const near = this.#frames.filter((frame) => (next.frameNumber - frame + modulus) % modulus <= maxSpan);
    return near.at(-1) === (next.frameNumber - 1 + modulus) % modulus ? near : undefined;
  }
}

/** A picture parameter set of our own with this id: no entropy coding, one reference, nothing optional. */
function bridgePps(id: number, sps: Sps): Uint8Array {
  const bits = new BitWriter(0x68);
  bits.ue(id);
  bits.ue(sps.id);
  bits.u(0, 2);
  for (let index = 0; index < 3; index++) bits.ue(0);
  bits.u(0, 3);
  for (let index = 0; index < 3; index++) bits.ue(0);
  bits.u(0, 3);
  return bits.finish();
}

/** The largest id that no picture parameter set of the stream has; the largest of all where there is none. */
export function freePpsId(used: { has(id: number): boolean }): number {
  for (let id = maxPpsId; id >= 0; id--) if (!used.has(id)) return id;
  return maxPpsId;
}

/** The bridge that stands for `frames`, before a recovery point whose slice is `next`. Its own parameter set has the id `pps`. */
export class H264Bridge implements Bridge {
  readonly #frames: readonly number[];
  readonly #next: Slice;
  readonly #pps: number;

  constructor(frames: readonly number[], next: Slice, pps: number) {
    this.#frames = frames;
    this.#next = next;
    this.#pps = pps;
  }

  get count(): number {
    const modulus = 2 ** this.#next.sps.frameNumberBits;
    return 1 + ((this.#next.frameNumber - firstNumber(this.#frames, this.#next) + modulus) % modulus);
  }

  maxBytes(around: number): number {
    return (this.count + 1) * (maxUnitBytes + around);
  }

  accessUnits(): Uint8Array[][] {
    const [first, ...others] = bridge(this.#frames, this.#next, this.#pps);
    return [[bridgePps(this.#pps, this.#next.sps), first], ...others.map((picture) => [picture])];
  }
}

/** The number of the first frame that a bridge stands for. */
function firstNumber(frames: readonly number[], next: Slice): number {
  const first = frames.length === 0 ? next.frameNumber : frames[0];
  // A number of 0 would be that of the picture with operation 5.
  return first === 0 ? 2 ** next.sps.frameNumberBits - 1 : first;
}

/** The pictures that stand for `frames`, before a recovery point whose slice is `next`. In decoding order. */
function bridge(frames: readonly number[], next: Slice, pps: number): Uint8Array[] {
  const { sps } = next;
  const modulus = 2 ** sps.frameNumberBits;
  const orders = 2 ** sps.orderBits;
  const wanted = new Set(frames);
  const before = (number: number, by: number) => (number - by + modulus) % modulus;
  const start = firstNumber(frames, next);
  const count = before(next.frameNumber, start);
  const picture = (number: number, index: number, marking: readonly Marking[]) => {
    const bits = new BitWriter(0x21);
    bits.ue(0);
    bits.ue(5);
    bits.ue(pps);
    bits.u(number, sps.frameNumberBits);
    if (!sps.frameOnly) bits.u(0, 1);
    // In the order of decoding, and all before what leads the recovery point's picture.
    const order = next.order - Math.floor(orders / 4) - count + index;
    if (sps.orderType === 0) bits.u((order + 2 * orders) % orders, sps.orderBits);
    if (sps.orderDeltas) bits.ue(0);
    bits.u(0, 2);
    bits.u(marking.length > 0 ? 1 : 0, 1);
    for (const [operation, pictures] of marking) {
      bits.ue(operation);
      if (operation === 1) bits.ue(pictures - 1);
    }
    if (marking.length > 0) bits.ue(0);
    bits.ue(0);
    bits.ue(sps.macroblocks);
    return bits.finish();
  };
  // A decoder that starts with it fills a gap before it too, and has something to repeat: not so at 0 or 1.
  const pictures = [picture(modulus / 2, 0, [[5, 0]])];
  for (let index = 0; index < count; index++) {
    const number = (start + index) % modulus;
    const marking: Marking[] = [];
    // A decoder fills the gap from the first picture, whose number is 0 now, to this one (8.2.5.2).
    if (index === 0)
      for (let back = 1; back <= Math.min(sps.maxReferences, number); back++) marking.push([1, back]);
    else if (!wanted.has(before(number, 1))) marking.push([1, 1]);
    pictures.push(picture(number, index + 1, marking));
  }
  return pictures;
}

type Marking = readonly [operation: number, pictures: number];

/** Writes a NAL unit: bits, Exp-Golomb numbers (9.1), and emulation prevention (7.4.1). */
class BitWriter {
  readonly #bytes: number[];
  #current = 0;
  #filled = 0;
  #zeros = 0;

  constructor(header: number) {
    this.#bytes = [0, 0, 0, 1, header];
  }

  u(value: number, count: number): void {
    for (let index = count - 1; index >= 0; index--) {
      this.#current = (this.#current << 1) | ((value >> index) & 1);
      if (++this.#filled === 8) this.#flush();
    }
  }

  ue(value: number): void {
    const bits = 32 - Math.clz32(value + 1);
    this.u(0, bits - 1);
    this.u(value + 1, bits);
  }

  /** The unit with its stop bit and start code. */
  finish(): Uint8Array {
    this.u(1, 1);
    while (this.#filled > 0) this.u(0, 1);
    return new Uint8Array(this.#bytes);
  }

  #flush(): void {
    if (this.#zeros >= 2 && this.#current <= 3) {
      this.#bytes.push(3);
      this.#zeros = 0;
    }
    this.#bytes.push(this.#current);
    this.#zeros = this.#current === 0 ? this.#zeros + 1 : 0;
    this.#current = 0;
    this.#filled = 0;
  }
}
