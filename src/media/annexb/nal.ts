// NAL units in a byte stream, as ITU-T H.264 and H.265 both have them (Annex B of each), and the bits
// inside one (7.3.1, 7.4.1: emulation prevention; 9.1: Exp-Golomb). What the units mean is in h264.ts,
// hevc.ts and mpeg2.ts.
//
//   [00] 00 00 01 | header, payload ... | [00...] 00 00 01 | header ...
//   ^offset         ^first byte gathered  ^the next unit's offset: at most one zero before the three
//
// The scanner sees each byte once, in pieces of any size, and copies only the first bytes of a unit that
// its sink wants, into one buffer that it owns: nothing is allocated on the way.

import { concat } from "../bytes.ts";

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

/**
 * What a unit means where pictures are looked for: "before" belongs to the picture that follows, "first" is a
 * picture's first slice, "inside" everything else.
 */
export type Step = "before" | "first" | "inside";

/** Where an access unit begins. */
export interface Mark {
  /** Absolute offset. */
  readonly offset: number;
  /** Presentation and decoding time stamp, ticks of 90 kHz, 33 bits; -1: none. */
  readonly pts: number;
  readonly dts: number;
  /** Continuity counter of its first packet; 0 outside of a transport stream. */
  readonly counter: number;
  /** Ticks since the access unit before it; 0 if not known. */
  readonly duration: number;
}

/** A mark of which nothing is known but the offset. */
export function markAt(offset: number): Mark {
  return { offset, pts: -1, dts: -1, counter: 0, duration: 0 };
}

/** Receives the places where a decoder can start. */
export interface EntrySink {
  /**
   * A decoder can start with the access unit that `begin` announced with `mark`, if it is given `entry` first.
   * Perhaps called some pictures later than `begin`, but in order.
   */
  entry(mark: Mark, entry: Entry): void;
}

/** What has to come before an access unit where a decoder starts. Units with their start codes. */
export interface Entry {
  /** The parameter sets that count there. */
  readonly parameters: Uint8Array;
  /** Whether the access unit carries them itself. */
  readonly complete: boolean;
  /** For a decoder in mid-stream, before the parameter sets: ends the coded sequence. Mostly empty. */
  readonly ending: Uint8Array;
  /** Pictures to be decoded after the parameter sets. Mostly none. */
  readonly bridge: Bridge | undefined;
}

/** Pictures that a decoder is given before a place where it can't start otherwise; made when they are needed. */
export interface Bridge {
  /** How many access units there are. */
  readonly count: number;
  /** How many bytes all of them have at the most, with `around` more for each unit in them. */
  maxBytes(around: number): number;
  /** The units of each access unit, with their start codes; in the first also the parameter sets of its own. */
  accessUnits(): Uint8Array[][];
}

/** One coding standard's pictures: fed with units, it calls its `EntrySink`. See h264.ts, hevc.ts, mpeg2.ts. */
export interface Pictures {
  /** As `NalSink.wanted`. */
  wanted(header: number): number;
  /** What the unit is; `undefined` if it can't be one. */
  step(bytes: Uint8Array, length: number): Step | undefined;
  /** An access unit begins: everything taken from now on belongs to it. */
  begin(mark: Mark): void;
  /** The next unit, whose step is known; its bytes are not kept. */
  take(bytes: Uint8Array, length: number, whole: boolean): void;
  /** The stream itself says that a decoder can start with this access unit (a container's flag). */
  flagged: boolean;
  /** As the last parameter set said it. */
  readonly size: Size | undefined;
  /** Bytes of memory that it keeps of the stream. */
  readonly heldBytes: number;
}

/** Parameter sets that are kept at a time, and their bytes: several times what encoders have. */
const maxSets = 64;
const maxSetBytes = 64 * 1024;

/** Parameter sets by kind and id; as Annex B bytes, in the order of their kinds. */
export class ParameterSets {
  readonly #sets = new Map<number, Uint8Array>();
  /** How many there are of each kind. */
  readonly #counts = new Uint8Array(16);
  #bytes = 0;
  #joined: Uint8Array | undefined = nothing;

  /**
   * Keeps a set (kind 0 to 15, id 0 to 255) in place of an older one of its kind and id; true if that changed
   * anything. One too many is not kept.
   */
  keep(kind: number, id: number, bytes: Uint8Array, length: number): boolean {
    const key = kind * 256 + id;
    const old = this.#sets.get(key);
    if (old !== undefined && old.length === length + 4 && startsWith(old, 4, bytes, length)) return false;
    const size = this.#bytes - (old?.length ?? 0) + length + 4;
    if (size > maxSetBytes || (old === undefined && this.#sets.size === maxSets)) {
      this.drop(kind, id);
      return old !== undefined;
    }
    const copy = new Uint8Array(length + 4);
    copy[3] = 1;
    copy.set(bytes.subarray(0, length), 4);
    this.#sets.set(key, copy);
    if (old === undefined) this.#counts[kind]++;
    this.#bytes = size;
    this.#joined = undefined;
    return true;
  }

  /** Drops a set, if there is one. */
  drop(kind: number, id: number): void {
    const old = this.#sets.get(kind * 256 + id);
    if (old === undefined) return;
    this.#sets.delete(kind * 256 + id);
    this.#counts[kind]--;
    this.#bytes -= old.length;
    this.#joined = undefined;
  }

  /** Bytes of all sets, each with its start code. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the set of this kind and id is kept. */
  hasOne(kind: number, id: number): boolean {
    return this.#sets.has(kind * 256 + id);
  }

  /** Bytes that `joined` will have to join. */
  get unjoinedBytes(): number {
    return this.#joined === undefined ? this.#bytes : 0;
  }

  /** Whether there is a set of this kind. */
  has(kind: number): boolean {
    return this.#counts[kind] > 0;
  }

  /** All sets, each with its start code; the same array as long as they are the same. */
  joined(): Uint8Array {
    this.#joined ??= concat([...this.#sets].sort(([a], [b]) => a - b).map(([, set]) => set));
    return this.#joined;
  }
}

const nothing = new Uint8Array(0);

function startsWith(bytes: Uint8Array, from: number, wanted: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}

/** Reads the bits of one NAL unit, emulation prevention bytes left out. Past the end: zeros, and `over`. */
export class Bits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #next: number;
  #current = 0;
  #left = 0;
  #zeros = 0;
  /** Whether more was asked for than there is. */
  over = false;

  /** The bits of `bytes` from byte `from` up to `end`, which must be inside one unit. */
  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.#next = from;
    this.#end = end;
  }

  /** One bit. */
  bit(): number {
    if (this.#left === 0) this.#load();
    this.#left--;
    return (this.#current >> this.#left) & 1;
  }

  /** `count` bits (0 to 32) as an unsigned number. */
  u(count: number): number {
    let value = 0;
    for (let rest = count; rest > 0; ) {
      if (this.#left === 0) this.#load();
      const taken = Math.min(rest, this.#left);
      this.#left -= taken;
      rest -= taken;
      value = value * 2 ** taken + ((this.#current >> this.#left) & ((1 << taken) - 1));
    }
    return value;
  }

  /** Passes over `count` bits. */
  skip(count: number): void {
    let rest = count;
    while (rest > 0 && !this.over) {
      if (this.#left === 0) this.#load();
      const passed = Math.min(rest, this.#left);
      this.#left -= passed;
      rest -= passed;
    }
  }

  /** ue(v), an unsigned Exp-Golomb number; one of more than 32 leading zeros counts as past the end. */
  ue(): number {
    let zeros = 0;
    for (;;) {
      if (this.#left === 0) this.#load();
      const rest = this.#current & ((1 << this.#left) - 1);
      // Zeros before the first one among the bits that are left of this byte.
      const before = this.#left - 32 + Math.clz32(rest);
      zeros += before;
      this.#left -= before;
      if (zeros > 32 || this.over) {
        this.over = true;
        return 0;
      }
      if (rest === 0) continue;
      this.#left--;
      return zeros === 0 ? 0 : 2 ** zeros - 1 + this.u(zeros);
    }
  }

  /** se(v), a signed Exp-Golomb number. */
  se(): number {
    const value = this.ue();
    return value % 2 === 1 ? (value + 1) / 2 : 0 - value / 2;
  }

  #load(): void {
    if (this.#zeros >= 2 && this.#next < this.#end && this.#bytes[this.#next] === 3) {
      this.#next++;
      this.#zeros = 0;
    }
    this.#left = 8;
    if (this.#next >= this.#end) {
      this.over = true;
      this.#current = 0;
      return;
    }
    this.#current = this.#bytes[this.#next++];
    this.#zeros = this.#current === 0 ? this.#zeros + 1 : 0;
  }
}

/** A picture's size in pixels, as a sequence parameter set says it after cropping. */
export interface Size {
  readonly width: number;
  readonly height: number;
}
