// HEVC (ITU-T H.265, ISO/IEC 23008-2): what its NAL units mean (7.4.2.2, table 7-1), the sequence
// parameter set (7.3.2.2), and where a decoder can start.

import type { Container } from "../detector.ts";
import { annexb, type UnitSniffer } from "./annexb.ts";
import { Bits } from "./bits.ts";
import { CodedPictures } from "./codedpictures.ts";
import { maxNalBytes } from "./nal.ts";
import type { Size, Step } from "./pictures.ts";
import { hasRecoveryPoint } from "./sei.ts";

/** The picture size of a sequence parameter set, a NAL unit with its two header bytes; undefined if it is none. */
export function hevcSize(sps: Uint8Array): Size | undefined {
  return readSps(sps, sps.length)?.size;
}

/** What is used of a sequence parameter set. */
interface Sps {
  readonly id: number;
  readonly size: Size;
}

/** The first `length` bytes of `nal` as a sequence parameter set; undefined if they are none. */
export function readSps(nal: Uint8Array, length: number): Sps | undefined {
  if (length < 16 || (nal[0] & 0xfe) !== 33 << 1) return undefined;
  const bits = new Bits(nal, 2, length);
  bits.skip(4);
  const subLayers = bits.u(3);
  if (subLayers > 6) return undefined;
  bits.skip(1);
  skipProfile(bits, subLayers);
  const id = bits.ue();
  const chroma = bits.ue();
  if (chroma > 3) return undefined;
  if (chroma === 3) bits.skip(1);
  const width = bits.ue();
  const height = bits.ue();
  let cropX = 0;
  let cropY = 0;
  if (bits.bit() === 1) {
    cropX = (bits.ue() + bits.ue()) * (chroma === 1 || chroma === 2 ? 2 : 1);
    cropY = (bits.ue() + bits.ue()) * (chroma === 1 ? 2 : 1);
  }
  if (bits.over || id > 15 || width > 16_384 || height > 16_384) return undefined;
  if (cropX >= width || cropY >= height) return undefined;
  return { id, size: { width: width - cropX, height: height - cropY } };
}

/** profile_tier_level (7.3.3). */
function skipProfile(bits: Bits, subLayers: number): void {
  bits.skip(96);
  const present: number[] = [];
  for (let layer = 0; layer < subLayers; layer++) present.push(bits.u(2));
  if (subLayers > 0) bits.skip(2 * (8 - subLayers));
  for (const flags of present) bits.skip(((flags & 2) !== 0 ? 88 : 0) + ((flags & 1) !== 0 ? 8 : 0));
}

const vps = 32;
const sps = 33;
const pps = 34;
const seiType = 39;
const cra = 21;
const nothing = new Uint8Array(0);
/** An end of sequence unit (7.3.2.5). */
const endOfSequence = new Uint8Array([0, 0, 0, 1, 36 << 1, 1]);

/**
 * The pictures of an HEVC stream. A decoder can start at an IRAP picture; it passes over the RASL pictures that
 * follow it and refer to what was before (8.1.3), in mid-stream only after an end of sequence unit.
 */
export class HevcPictures extends CodedPictures {
  readonly #spsOfPps = new Map<number, number>();

  wanted(header: number): number {
    const type = (header >> 1) & 63;
    return (type >= vps && type <= pps) || type === seiType ? maxNalBytes : 3;
  }

  step(bytes: Uint8Array, length: number): Step | undefined {
    const type = (bytes[0] >> 1) & 63;
    if (bytes[0] >= 0x80 || length < 2 || (bytes[1] & 7) === 0) return undefined;
    // Another layer than the base (nuh_layer_id, 7.4.2.2).
    if ((bytes[0] & 1) !== 0 || bytes[1] >= 8) return "inside";
    if (type < vps) return length >= 3 && bytes[2] >= 0x80 ? "first" : "inside";
    const before = type <= 35 || type === seiType || (type >= 41 && type <= 44) || (type >= 48 && type <= 55);
    return before ? "before" : "inside";
  }

  take(bytes: Uint8Array, length: number, whole: boolean, step: Step): void {
    const type = (bytes[0] >> 1) & 63;
    if (step === "first") this.#picture(type);
    else if (step !== "before") return;
    else if (type <= pps && whole) this.#keep(type, bytes, length);
    else if (type === seiType) this.hasRecoveryPoint ||= hasRecoveryPoint(bytes, 2, length);
  }

  #picture(type: number): void {
    const randomAccess = type >= 16 && type <= 23;
    const late = this.countPicture() && (this.flagged || this.hasRecoveryPoint);
    if (!randomAccess && !late) return;
    if (![vps, sps, pps].every((kind) => this.sets.has(kind - vps))) return;
    // a bit for each of VPS, SPS, PPS
    this.enter(7, 0, type === cra ? endOfSequence : nothing, undefined);
  }

  #keep(type: number, bytes: Uint8Array, length: number): void {
    let id: number;
    if (type === vps) id = bytes[2] >> 4;
    else if (type === sps) {
      const set = readSps(bytes, length);
      if (set === undefined) return;
      this.size = set.size;
      id = set.id;
    } else {
      const bits = new Bits(bytes, 2, length);
      id = bits.ue();
      if (bits.over || id > 63) return;
    }
    this.ownSets |= 1 << (type - vps);
    const changed = this.sets.keep(type - vps, id, bytes, length);
    if (type === pps) this.#spsOfPps.set(id, ppsRefersTo(bytes, length));
    if (type !== sps || !changed) return;
    // What refers to the old set of that id is void.
    for (const [other, refersTo] of this.#spsOfPps)
      if (refersTo === id) {
        this.#spsOfPps.delete(other);
        this.sets.drop(pps - vps, other);
      }
  }
}

function ppsRefersTo(set: Uint8Array, length: number): number {
  const bits = new Bits(set, 2, length);
  bits.ue();
  return bits.ue();
}

/** HEVC in Annex B form. */
export const hevc: Container = annexb({
  name: "hevc",
  mediaType: "video/h265",
  createPictures: (sink) => new HevcPictures(sink),
  createSniffer: () => new HevcSniffer(),
});

/** Wants a video, a sequence and a picture parameter set that agree, and a slice. */
class HevcSniffer implements UnitSniffer {
  #vps = false;
  readonly #sps = new Set<number>();
  #pps = false;

  take(bytes: Uint8Array, length: number, whole: boolean): "yes" | "no" | "more" {
    const type = (bytes[0] >> 1) & 63;
    // forbidden_zero_bit, nuh_temporal_id_plus1, and the types reserved or unspecified (table 7-1).
    if (bytes[0] >= 0x80 || length < 2 || (bytes[1] & 7) === 0) return "no";
    if ((type >= 10 && type <= 15) || (type >= 22 && type < vps) || (type > 40 && type < 62)) return "no";
    if ((bytes[0] & 1) !== 0 || bytes[1] >= 8) return this.#pps ? "more" : "no";
    if (type === vps) {
      // vps_base_layer_internal_flag and the one after it, and vps_reserved_0xffff_16bits (7.3.2.1).
      if (!whole || length < 6 || bytes[4] !== 0xff || bytes[5] !== 0xff) return "no";
      this.#vps = true;
    } else if (type === sps) {
      const set = whole ? readSps(bytes, length) : undefined;
      if (set === undefined || !this.#vps) return "no";
      this.#sps.add(set.id);
    } else if (type === pps) {
      if (!whole || !this.#sps.has(ppsRefersTo(bytes, length))) return "no";
      this.#pps = true;
    } else if (type < vps && this.#pps) return "yes";
    return "more";
  }
}
