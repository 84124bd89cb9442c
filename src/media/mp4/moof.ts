// What a movie fragment box says (ISO/IEC 14496-12, 8.8.4 to 8.8.12): where its samples lie, and which of the
// video's a decoder can start with. That is mostly the first. Where an encoder cuts fragments by time alone
// the keyframe is in a fragment's middle: see moofwriter.ts.
// A box that addresses its data from the file's first byte is made to address them from its own by `anchorFragment`.

import { readNumber } from "../bytes.ts";
import {
  boxEnd,
  entry,
  freeType,
  hasDataOffset,
  hasFlags,
  hasSize,
  isAddressed,
  isAtMoof,
  type Part,
  type Run,
  readTfhd,
  readTrun,
  tfdtType,
  tfhdType,
  trafType,
  trunType,
} from "./moofsyntax.ts";
import type { Track } from "./moov.ts";

/** What a fragment is to a joiner. */
export interface Fragment {
  /** Whether it has samples of the video track. */
  readonly hasVideo: boolean;
  /** Where, from the fragment's start, the first keyframe's data are; 0 if it is the first sample; -1 if none. */
  readonly keyframe: number;
  /** When the video's samples begin, in its track's ticks (`tfdt`, 8.8.12); -1 if it is not said. */
  readonly time: number;
}

/**
 * Makes the `moof` that the first `length` of `bytes` are address its data from its own first byte, if it does so from
 * the file's, and stay as long as it is: in each `tfhd` the base_data_offset (8.8.7) makes way for an empty `free` box behind
 * it. Returns where the changes begin and end, both 0 if there are none. Undefined, with nothing changed, if the data do
 * not begin right behind the head of a `mdat` behind it, as far as the runs say: then it can't be done.
 */
export function anchorFragment(bytes: Uint8Array, length: number): readonly [number, number] | undefined {
  const heads: [at: number, end: number][] = [];
  const bases = new Set<number>();
  let data = Number.POSITIVE_INFINITY;
  for (let at = 8; at + 8 <= length; at = boxEnd(bytes, at, length)) {
    const end = boxEnd(bytes, at, length);
    if (readNumber(bytes, at + 4, 4) !== trafType) continue;
    let isBased = false;
    for (let child = at + 8; child + 8 <= end; child = boxEnd(bytes, child, end)) {
      const childEnd = boxEnd(bytes, child, end);
      const type = childEnd - child < 16 ? 0 : readNumber(bytes, child + 4, 4);
      if (type === tfhdType && (readNumber(bytes, child + 9, 3) & isAddressed) !== 0) {
        if (childEnd - child < 24) return undefined;
        isBased = true;
        heads.push([child, childEnd]);
        bases.add(readNumber(bytes, child + 16, 4) * 2 ** 32 + readNumber(bytes, child + 20, 4));
      } else if (type === trunType && isBased) {
        const run = readTrun(bytes, child, childEnd);
        data = Math.min(data, (run.flags & hasDataOffset) === 0 ? 0 : run.dataOffset);
      }
    }
  }
  if (heads.length === 0) return [0, 0];
  if (bases.size > 1 || (data !== length + 8 && data !== length + 16)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  for (const [at, end] of heads) {
    view.setUint32(at, end - at - 8);
    view.setUint32(at + 8, (view.getUint32(at + 8) & ~isAddressed) | isAtMoof);
    bytes.copyWithin(at + 16, at + 24, end);
    view.setUint32(end - 8, 8);
    view.setUint32(end - 4, freeType);
  }
  return [heads[0][0], heads[heads.length - 1][1]];
}

/** Reads the whole `moof` that the first `length` of `bytes` are; `video` is the track whose keyframes count. */
export function readFragment(bytes: Uint8Array, length: number, video: Track | undefined): Fragment {
  let hasVideo = false;
  let keyframe = -1;
  let time = -1;
  for (let at = 8; at + 8 <= length; ) {
    const end = boxEnd(bytes, at, length);
    if (readNumber(bytes, at + 4, 4) === trafType) {
      let part: Part | undefined;
      for (let child = at + 8; child + 8 <= end; ) {
        const childEnd = boxEnd(bytes, child, end);
        // what is too short for the fields that are read is passed over
        const type = childEnd - child < 16 ? 0 : readNumber(bytes, child + 4, 4);
        if (type === tfhdType) {
          part = video === undefined ? undefined : readTfhd(bytes, child, childEnd, [video]);
        } else if (type === tfdtType && part !== undefined) {
          const isWide = bytes[child + 8] === 1 && child + 20 <= childEnd;
          time = readNumber(bytes, child + 12, 4);
          if (isWide) time = time * 2 ** 32 + readNumber(bytes, child + 16, 4);
        } else if (type === trunType && part !== undefined && keyframe < 0) {
          const run = readTrun(bytes, child, childEnd);
          const found = firstSync(bytes, part, run);
          if (found === 0 && !hasVideo) keyframe = 0;
          else if (found >= 0 && (part.flags & isAtMoof) !== 0) keyframe = run.dataOffset + found;
          hasVideo ||= run.count > 0;
        }
        child = childEnd;
      }
    }
    at = end;
  }
  return { hasVideo, keyframe, time };
}

/** Where from the run's first data the first sync sample's begin, -1 if there is none. */
function firstSync(bytes: Uint8Array, part: Part, run: Run): number {
  let offset = 0;
  const count = (run.flags & hasFlags) === 0 ? Math.min(2, run.count) : run.count;
  for (let index = 0; index < count; index++) {
    const first = index === 0 ? run.firstFlags : -1;
    const flags = first >= 0 ? first : entry(bytes, run, index, hasFlags, part.sampleFlags);
    if (isSync(flags)) return offset;
    offset += entry(bytes, run, index, hasSize, part.size);
  }
  return -1;
}

/** By its flags (8.8.3.1): no sample_is_non_sync_sample, and not sample_depends_on another. */
function isSync(sampleFlags: number): boolean {
  return (sampleFlags & 0x1_0000) === 0 && (sampleFlags & 0x300_0000) !== 0x100_0000;
}

/**
 * Where from the fragment's start the samples of `track` lie: offset and size of each, in turns; a run of samples that
 * are alike in all is taken as one. Empty if that is not given, or not in the order of the data.
 */
export function sampleRanges(bytes: Uint8Array, length: number, track: Track): number[] {
  const ranges: number[] = [];
  let last = 0;
  for (let at = 8; at + 8 <= length; at = boxEnd(bytes, at, length)) {
    const end = boxEnd(bytes, at, length);
    if (readNumber(bytes, at + 4, 4) !== trafType) continue;
    let part: Part | undefined;
    for (let child = at + 8; child + 8 <= end; child = boxEnd(bytes, child, end)) {
      const childEnd = boxEnd(bytes, child, end);
      const type = childEnd - child < 16 ? 0 : readNumber(bytes, child + 4, 4);
      if (type === tfhdType) part = readTfhd(bytes, child, childEnd, [track]);
      if (type !== trunType || part === undefined) continue;
      const run = readTrun(bytes, child, childEnd);
      if (!isAddressKnown(part, run) || run.dataOffset < last) return [];
      let offset = run.dataOffset;
      const isOne = run.entryBytes === 0;
      for (let index = 0; index < (isOne ? 1 : run.count); index++) {
        const size = isOne ? run.count * part.size : entry(bytes, run, index, hasSize, part.size);
        ranges.push(offset, size);
        offset += size;
      }
      last = offset;
    }
  }
  return ranges;
}

/** Where from the fragment's start the data end that it announces; its own length if it announces none. */
export function dataEnd(bytes: Uint8Array, length: number, tracks: readonly Track[]): number {
  let end = length;
  for (let at = 8; at + 8 <= length; at = boxEnd(bytes, at, length)) {
    const trafEnd = boxEnd(bytes, at, length);
    if (readNumber(bytes, at + 4, 4) !== trafType) continue;
    let part: Part | undefined;
    for (let child = at + 8; child + 8 <= trafEnd; child = boxEnd(bytes, child, trafEnd)) {
      const childEnd = boxEnd(bytes, child, trafEnd);
      const type = childEnd - child < 16 ? 0 : readNumber(bytes, child + 4, 4);
      if (type === tfhdType) part = readTfhd(bytes, child, childEnd, tracks);
      if (type !== trunType || part === undefined) continue;
      const run = readTrun(bytes, child, childEnd);
      if (isAddressKnown(part, run)) end = Math.max(end, run.dataOffset + runBytes(bytes, run, part));
    }
  }
  return end;
}

/** Bytes of all samples of a run. */
function runBytes(bytes: Uint8Array, run: Run, part: Part): number {
  if (run.entryBytes === 0) return run.count * part.size;
  let sum = 0;
  for (let index = 0; index < run.count; index++) sum += entry(bytes, run, index, hasSize, part.size);
  return sum;
}

/** Whether a run says where its data are: an address in the file, in a fragment that is not whole, is taken for the fragment's. */
function isAddressKnown(part: Part, run: Run): boolean {
  return (part.flags & (isAtMoof | isAddressed)) !== 0 && (run.flags & hasDataOffset) !== 0;
}
