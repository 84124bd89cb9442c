// The syntax of H.264 (ITU-T H.264) that has to be read: sequence parameter sets (7.3.2.1.1), picture
// parameter sets (7.3.2.2), and slice headers up to the marking of reference pictures (7.3.3).

import { Bits } from "./bits.ts";
import { type Size } from "./pictures.ts";

/** What is used of a sequence parameter set. */
export interface Sps {
  readonly id: number;
  readonly size: Size;
  /** Macroblocks of a frame. */
  readonly macroblocks: number;
  /** ChromaArrayType: 0 where there are no chroma samples, or separate colour planes. */
  readonly chroma: number;
  readonly separatePlanes: boolean;
  readonly frameNumberBits: number;
  readonly orderType: number;
  readonly orderBits: number;
  /** delta_pic_order_always_zero_flag */
  readonly orderDeltas: boolean;
  readonly maxReferences: number;
  readonly frameOnly: boolean;
}

/** What is used of a picture parameter set. */
export interface Pps {
  readonly id: number;
  readonly sps: number;
  /** bottom_field_pic_order_in_frame_present_flag */
  readonly orderDeltas: boolean;
  /** How many references list 0 and list 1 have by default. */
  readonly references: readonly [number, number];
  readonly weightedP: boolean;
  readonly weightedB: number;
  readonly redundant: boolean;
  /** Whether slices are groups of macroblocks in no plain order, which is not read further. */
  readonly groups: boolean;
}

/** What is used of a slice header. */
export interface Slice {
  /** The sequence parameter set that it refers to. */
  readonly sps: Sps;
  readonly frameNumber: number;
  /** Of a field: 1 top, 2 bottom; of a frame 0. */
  readonly field: number;
  /** pic_order_cnt_lsb */
  readonly order: number;
  readonly idr: boolean;
  readonly marking: readonly Marking[] | undefined;
}

/** A memory management control operation (7.4.3.3); `pictures`: difference_of_pic_nums_minus1 + 1. */
export interface Marking {
  readonly operation: number;
  readonly pictures: number;
}

/** The profiles whose parameter sets give the chroma format (7.3.2.1.1). */
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 134, 135, 138, 139]);

/** Whether there is such a profile_idc. */
export function isProfile(profile: number): boolean {
  return profile === 66 || profile === 77 || profile === 88 || highProfiles.has(profile);
}

/** The first `length` bytes of `nal` as a sequence parameter set; undefined if they are none. */
export function readSps(nal: Uint8Array, length: number): Sps | undefined {
  if (length < 5 || (nal[0] & 0x9f) !== 7) return undefined;
  const bits = new Bits(nal, 1, length);
  const profile = bits.u(8);
  bits.skip(16);
  const id = bits.ue();
  let chroma = 1;
  let separatePlanes = false;
  if (highProfiles.has(profile)) {
    chroma = bits.ue();
    if (chroma > 3) return undefined;
    if (chroma === 3) separatePlanes = bits.bit() === 1;
    if (bits.ue() > 6 || bits.ue() > 6) return undefined;
    bits.skip(1);
    if (bits.bit() === 1) skipScalingLists(bits, chroma === 3 ? 12 : 8);
  }
  const frameNumberBits = bits.ue() + 4;
  const orderType = bits.ue();
  if (frameNumberBits > 16 || orderType > 2) return undefined;
  const orderBits = orderType === 0 ? bits.ue() + 4 : 0;
  const orderDeltas = orderType === 1 && readOrderCycle(bits);
  if (bits.over) return undefined;
  const maxReferences = bits.ue();
  if (orderBits > 16 || maxReferences > 16) return undefined;
  bits.skip(1);
  const columns = bits.ue() + 1;
  const mapUnits = bits.ue() + 1;
  const frameOnly = bits.bit();
  if (frameOnly === 0) bits.skip(1);
  bits.skip(1);
  const rows = mapUnits * (2 - frameOnly);
  let cropX = 0;
  let cropY = 0;
  if (bits.bit() === 1) {
    cropX = (bits.ue() + bits.ue()) * (chroma === 1 || chroma === 2 ? 2 : 1);
    cropY = (bits.ue() + bits.ue()) * (chroma === 1 ? 2 : 1) * (2 - frameOnly);
  }
  if (bits.over || id > 31 || columns > 1024 || rows > 1024) return undefined;
  if (cropX >= columns * 16 || cropY >= rows * 16) return undefined;
  return {
    id,
    size: { width: columns * 16 - cropX, height: rows * 16 - cropY },
    macroblocks: columns * rows,
    chroma: separatePlanes ? 0 : chroma,
    separatePlanes,
    frameNumberBits,
    orderType,
    orderBits,
    orderDeltas,
    maxReferences,
    frameOnly: frameOnly === 1,
  };
}

function skipScalingLists(bits: Bits, lists: number): void {
  for (let list = 0; list < lists; list++) {
    if (bits.bit() === 0) continue;
    let last = 8;
    let next = 8;
    for (let index = 0; index < (list < 6 ? 16 : 64); index++) {
      if (next !== 0) next = (last + bits.se() + 256) % 256;
      if (next !== 0) last = next;
    }
  }
}

/** Passes over what picture order count type 1 has; whether slices carry deltas. */
function readOrderCycle(bits: Bits): boolean {
  const deltas = bits.bit() === 0;
  bits.se();
  bits.se();
  const cycle = bits.ue();
  // num_ref_frames_in_pic_order_cnt_cycle is at most 255 (7.4.2.1.1).
  if (cycle > 255) bits.fail();
  for (let index = 0; index < cycle && !bits.over; index++) bits.se();
  return deltas;
}

/** The first `length` bytes of `nal` as a picture parameter set; undefined if they are none. */
export function readPps(nal: Uint8Array, length: number): Pps | undefined {
  const bits = new Bits(nal, 1, length);
  const id = bits.ue();
  const sps = bits.ue();
  bits.skip(1);
  const orderDeltas = bits.bit() === 1;
  const groups = bits.ue() > 0;
  const references = [bits.ue() + 1, bits.ue() + 1] as const;
  const weightedP = bits.bit() === 1;
  const weightedB = bits.u(2);
  bits.se();
  bits.se();
  bits.se();
  bits.skip(2);
  const redundant = bits.bit() === 1;
  if ((bits.over && !groups) || id > 255 || sps > 31) return undefined;
  return { id, sps, orderDeltas, references, weightedP, weightedB, redundant, groups };
}

/** The header of the slice that `nal` is; undefined if it is damaged or needs what is not read. */
export function readSlice(
  nal: Uint8Array,
  length: number,
  knownPps: ReadonlyMap<number, Pps>,
  knownSps: ReadonlyMap<number, Sps>,
): Slice | undefined {
  const idr = (nal[0] & 31) === 5;
  const bits = new Bits(nal, 1, length);
  bits.ue();
  const type = bits.ue() % 5;
  const pps = knownPps.get(bits.ue());
  const sps = pps && knownSps.get(pps.sps);
  if (pps === undefined || sps === undefined || pps.groups) return undefined;
  if (sps.separatePlanes) bits.skip(2);
  const frameNumber = bits.u(sps.frameNumberBits);
  const field = !sps.frameOnly && bits.bit() === 1 ? 1 + bits.bit() : 0;
  if (idr) bits.ue();
  const order = bits.u(sps.orderBits);
  if (sps.orderType === 0 && pps.orderDeltas && field === 0) bits.se();
  if (sps.orderDeltas) {
    bits.se();
    if (pps.orderDeltas && field === 0) bits.se();
  }
  if (pps.redundant) bits.ue();
  if (!skipReferences(bits, type, pps, sps) || bits.over) return undefined;
  const reference = (nal[0] & 0x60) !== 0;
  const marking = reference && !idr ? readMarking(bits) : undefined;
  return bits.over ? undefined : { sps, frameNumber, field, order, idr, marking };
}

/** slice_type modulo 5 (table 7-6). */
const sliceP = 0;
const sliceB = 1;
const sliceSp = 3;

/** Passes over the numbers, modifications and weights of the reference lists (7.3.3.1, 7.3.3.2). */
function skipReferences(bits: Bits, type: number, pps: Pps, sps: Sps): boolean {
  if (type === sliceB) bits.skip(1);
  const lists = type === sliceB ? 2 : type === sliceP || type === sliceSp ? 1 : 0;
  if (lists === 0) return true;
  const own = bits.bit() === 1;
  const first = own ? bits.ue() + 1 : pps.references[0];
  const second = own && lists === 2 ? bits.ue() + 1 : pps.references[1];
  for (let list = 0; list < lists; list++)
    if (bits.bit() === 1) while (bits.ue() !== 3 && !bits.over) bits.ue();
  if (type === sliceB ? pps.weightedB !== 1 : !pps.weightedP) return true;
  bits.ue();
  if (sps.chroma !== 0) bits.ue();
  const references = lists === 2 ? first + second : first;
  if (references > 64) return false;
  for (let index = 0; index < references && !bits.over; index++) {
    if (bits.bit() === 1) skipNumbers(bits, 2);
    if (sps.chroma !== 0 && bits.bit() === 1) skipNumbers(bits, 4);
  }
  return true;
}

function skipNumbers(bits: Bits, count: number): void {
  for (let index = 0; index < count; index++) bits.se();
}

/** More memory management operations than 16 frames, or 32 fields, can need. */
const maxMarkings = 64;

/** dec_ref_pic_marking of a picture that is no IDR (7.3.3.3): undefined is the sliding window. */
function readMarking(bits: Bits): Marking[] | undefined {
  if (bits.bit() === 0) return undefined;
  const marking: Marking[] = [];
  for (;;) {
    const operation = bits.ue();
    if (operation === 0 || operation > 6 || bits.over) return marking;
    if (marking.length === maxMarkings) bits.fail();
    const pictures = operation === 1 || operation === 3 ? bits.ue() + 1 : 0;
    if (operation === 2 || operation === 3 || operation === 4 || operation === 6) bits.ue();
    marking.push({ operation, pictures });
  }
}
