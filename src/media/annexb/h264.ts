// H.264 (ITU-T H.264, ISO/IEC 14496-10): what its NAL units mean (7.4.1, table 7-1), and where a decoder
// can start. The syntax inside the units is read in h264syntax.ts.

import type { Container } from "../detector.ts";
import { Pace } from "../pace.ts";
import { annexb, type UnitSniffer } from "./annexb.ts";
import { Bits } from "./bits.ts";
import { CodedPictures } from "./codedpictures.ts";
import { freePpsId, H264Bridge, References } from "./h264bridge.ts";
import { isProfile, type Pps, readPps, readSlice, readSps, type Slice, type Sps } from "./h264syntax.ts";
import { maxNalBytes } from "./nal.ts";
import type { Size, Step } from "./pictures.ts";
import { hasRecoveryPoint } from "./sei.ts";

/** The picture size of a sequence parameter set, a NAL unit with its header byte; undefined if it is none. */
export function h264Size(sps: Uint8Array): Size | undefined {
  return readSps(sps, sps.length)?.size;
}

const sliceTypes = { nonIdr: 1, partitionA: 2, idr: 5 };
const seiType = 6;
const spsType = 7;
const ppsType = 8;
/** Parameter sets of an access unit's own. */
const ownSps = 1;
const ownPps = 2;
const nothing = new Uint8Array(0);
/** Enough of a slice for its header up to the marking of references, with weights for many of them. */
const sliceBytes = 128;
/** What it costs to see what a recovery point needs, in bytes of stream (pace.ts). */
const recoveryCost = 512;
/** The same for a slice to be read, and for a place to start at. */
const sliceCost = 24;
const entryCost = 96;

/** The pictures of an H.264 stream. A decoder can start at an IDR, or at a recovery point (D.1.8). */
export class H264Pictures extends CodedPictures {
  readonly #sps = new Map<number, Sps>();
  readonly #pps = new Map<number, Pps>();
  readonly #references = new References();
  readonly #recoveryPace = new Pace();
  readonly #slicePace = new Pace();

  wanted(header: number): number {
    const type = header & 31;
    if (type === spsType || type === ppsType || type === seiType) return maxNalBytes;
    // Of pictures that none refers to, only what kind they are.
    return (header & 0x60) === 0 ? 8 : sliceBytes;
  }

  step(bytes: Uint8Array, length: number): Step | undefined {
    const type = bytes[0] & 31;
    if (bytes[0] >= 0x80 || type === 0 || type > 23) return undefined;
    if (isSlice(type)) return length >= 2 && bytes[1] >= 0x80 ? "first" : "inside";
    return (type >= 6 && type <= 9) || (type >= 14 && type <= 18) ? "before" : "inside";
  }

  take(bytes: Uint8Array, length: number, whole: boolean, step: Step): void {
    const type = bytes[0] & 31;
    if (step === "first") this.#picture(bytes, length, type === sliceTypes.idr);
    else if (type === seiType) this.hasRecoveryPoint ||= hasRecoveryPoint(bytes, 1, length);
    else if (type === spsType && whole) this.#keepSps(bytes, length);
    else if (type === ppsType && whole) this.#keepPps(bytes, length);
  }

  #picture(bytes: Uint8Array, length: number, idr: boolean): void {
    const reference = (bytes[0] & 0x60) !== 0;
    const isRead = reference && this.#slicePace.allows(this.mark.offset, sliceCost);
    const slice = isRead ? readSlice(bytes, length, this.#pps, this.#sps) : undefined;
    const late = this.countPicture() && (this.flagged || isIntra(bytes, length));
    if (idr || this.hasRecoveryPoint || late) this.#enter(idr ? undefined : slice);
    if (reference) this.#references.take(slice);
  }

  /** A decoder can start here; `recovery` is the slice if it is no IDR. */
  #enter(recovery: Slice | undefined): void {
    if (this.#sps.size === 0 || this.#pps.size === 0) return;
    if (recovery !== undefined && !this.#recoveryPace.allows(this.mark.offset, recoveryCost)) return;
    const frames = recovery && this.#references.before(recovery);
    const bridge = recovery && frames && new H264Bridge(frames, recovery, freePpsId(this.#pps));
    this.enter(ownSps | ownPps, entryCost + (bridge?.maxBytes(0) ?? 0), nothing, bridge);
  }

  #keepSps(bytes: Uint8Array, length: number): void {
    const sps = readSps(bytes, length);
    if (sps === undefined) return;
    this.ownSets |= ownSps;
    this.size = sps.size;
    const changed = this.sets.keep(spsType, sps.id, bytes, length);
    if (this.sets.hasOne(spsType, sps.id)) this.#sps.set(sps.id, sps);
    else this.#sps.delete(sps.id);
    if (!changed) return;
    // What refers to the old set of that id is void (7.4.1.2.1).
    for (const pps of this.#pps.values())
      if (pps.sps === sps.id) {
        this.#pps.delete(pps.id);
        this.sets.drop(ppsType, pps.id);
      }
  }

  #keepPps(bytes: Uint8Array, length: number): void {
    const pps = readPps(bytes, length);
    if (pps === undefined) return;
    this.ownSets |= ownPps;
    this.sets.keep(ppsType, pps.id, bytes, length);
    if (this.sets.hasOne(ppsType, pps.id)) this.#pps.set(pps.id, pps);
    else this.#pps.delete(pps.id);
  }
}

function isSlice(type: number): boolean {
  return type === sliceTypes.nonIdr || type === sliceTypes.partitionA || type === sliceTypes.idr;
}

/** Whether a slice says that all of its picture's slices are intra (slice_type 7 or 9, table 7-6). */
function isIntra(bytes: Uint8Array, length: number): boolean {
  const bits = new Bits(bytes, 1, length);
  bits.ue();
  const type = bits.ue();
  return type === 7 || type === 9;
}

/** H.264 in Annex B form. */
export const h264: Container = annexb({
  name: "h264",
  mediaType: "video/h264",
  createPictures: (sink) => new H264Pictures(sink),
  createSniffer: () => new H264Sniffer(),
});

/** Wants a sequence and a picture parameter set that agree, and a slice that refers to them. */
class H264Sniffer implements UnitSniffer {
  readonly #sps = new Set<number>();
  readonly #pps = new Set<number>();

  take(bytes: Uint8Array, length: number, whole: boolean): "yes" | "no" | "more" {
    const type = bytes[0] & 31;
    const reference = bytes[0] & 0x60;
    if (bytes[0] >= 0x80 || type === 0 || type === 13 || type > 20) return "no";
    // nal_ref_idc (7.4.1): 0 for what is never referred to, not 0 for what always is.
    if ((type === seiType || (type >= 9 && type <= 12)) && reference !== 0) return "no";
    if (((type >= 5 && type < seiType) || type === spsType || type === ppsType) && reference === 0)
      return "no";
    if (type === spsType) {
      const sps = whole ? readSps(bytes, length) : undefined;
      if (sps === undefined || !isProfile(bytes[1])) return "no";
      this.#sps.add(sps.id);
    } else if (type === ppsType) {
      const pps = whole ? readPps(bytes, length) : undefined;
      if (pps === undefined || !this.#sps.has(pps.sps)) return "no";
      this.#pps.add(pps.id);
    } else if (isSlice(type) && this.#pps.size > 0) {
      const bits = new Bits(bytes, 1, length);
      bits.ue();
      return bits.ue() < 10 && this.#pps.has(bits.ue()) && !bits.over ? "yes" : "no";
    }
    return "more";
  }
}
