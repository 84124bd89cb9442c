// What a movie fragment box says (ISO/IEC 14496-12, 8.8.4 to 8.8.12): where its samples lie, and which of the
// video's a decoder can start with. That is mostly the first. Where an encoder cuts fragments by time alone
// the keyframe is in a fragment's middle: `cutFragment` makes the box over again for the samples from there on.
// A box that addresses its data from the file's first byte is made to address them from its own by `anchorFragment`.

import { boxOf, fourCc } from "./boxes.ts";
import { concat, readNumber } from "./gather.ts";
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

/** A track's part of a fragment: `tfhd`, over the track's own defaults. */
interface Part {
  readonly track: Track;
  readonly flags: number;
  readonly duration: number;
  readonly size: number;
  readonly sampleFlags: number;
}

/** Samples that lie in a row (`trun`): a table of `count` entries of `entryBytes` each, at `table`. */
interface Run {
  readonly flags: number;
  readonly count: number;
  readonly dataOffset: number;
  readonly table: number;
  readonly entryBytes: number;
  /** Of the first sample; -1 if it is as the others. */
  readonly firstFlags: number;
}

const mfhdType = fourCc("mfhd");
const trafType = fourCc("traf");
const tfhdType = fourCc("tfhd");
const tfdtType = fourCc("tfdt");
const trunType = fourCc("trun");
/** Children of a `traf` that a cut fragment does without. Others (encryption) forbid cutting. */
const dispensable = new Set(["sbgp", "sgpd", "sdtp", "subs", "free"].map(fourCc));
const freeType = fourCc("free");

// flags of tfhd (8.8.7.1) and trun (8.8.8.1)
const isAddressed = 0x1;
const isAtMoof = 0x2_0000;
const hasDataOffset = 0x1;
const hasFirstFlags = 0x4;
const hasDuration = 0x100;
const hasSize = 0x200;
const hasFlags = 0x400;
const hasShift = 0x800;

/** Runs have a few hundred samples at most; an absurd count (damage) is not believed. */
const maxSamples = 65_536;

/**
 * Makes the `moof` that the first `length` of `bytes` are address its data from its own first byte, if it does so from
 * the file's, and stay as long as it is: in each `tfhd` the base_data_offset (8.8.7) makes way for an empty `free` box behind
 * it. Returns where the changes begin and end, both 0 if there are none. Undefined, with nothing changed, if the data do
 * not begin right behind the head of a `mdat` behind it, as far as the runs tell: then it can't be done.
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

/** The end of the box at `at`, or `end` if it is broken: what is broken is the last that is looked at. */
function boxEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 8 > end) return end;
  const size = readNumber(bytes, at, 4);
  return size < 8 || at + size > end ? end : at + size;
}

function readTfhd(bytes: Uint8Array, from: number, end: number, tracks: readonly Track[]): Part | undefined {
  const flags = readNumber(bytes, from + 9, 3);
  const id = readNumber(bytes, from + 12, 4);
  let at = from + 16 + ((flags & isAddressed) !== 0 ? 8 : 0) + ((flags & 0x2) !== 0 ? 4 : 0);
  const field = (flag: number, otherwise: number): number => {
    if ((flags & flag) === 0 || at + 4 > end) return otherwise;
    at += 4;
    return readNumber(bytes, at - 4, 4);
  };
  for (const track of tracks) {
    if (track.id !== id) continue;
    const duration = field(0x8, track.duration);
    const size = field(0x10, track.size);
    return { track, flags, duration, size, sampleFlags: field(0x20, track.flags) };
  }
  return undefined;
}

function readTrun(bytes: Uint8Array, from: number, end: number): Run {
  const flags = readNumber(bytes, from + 9, 3);
  let table = from + 16;
  let dataOffset = 0;
  let firstFlags = -1;
  if ((flags & hasDataOffset) !== 0 && table + 4 <= end) {
    dataOffset = readNumber(bytes, table, 4) | 0;
    table += 4;
  }
  if ((flags & hasFirstFlags) !== 0 && table + 4 <= end) {
    firstFlags = readNumber(bytes, table, 4);
    table += 4;
  }
  let entryBytes = 0;
  for (const flag of entryFields) if ((flags & flag) !== 0) entryBytes += 4;
  const claimed = Math.min(maxSamples, readNumber(bytes, from + 12, 4));
  // Without entries samples are alike, and are not looked at one by one: a run of few bytes may have many.
  const count = entryBytes === 0 ? claimed : Math.min(claimed, Math.floor((end - table) / entryBytes));
  return { flags, count, dataOffset, table, entryBytes, firstFlags };
}

/** The fields of an entry, in their order. */
const entryFields = [hasDuration, hasSize, hasFlags, hasShift];

/** A field of the sample `index`, or what holds for all where entries do not have it. */
function entry(bytes: Uint8Array, run: Run, index: number, flag: number, otherwise: number): number {
  if ((run.flags & flag) === 0) return otherwise;
  let at = run.table + index * run.entryBytes;
  for (const field of entryFields) {
    if (field === flag) break;
    if ((run.flags & field) !== 0) at += 4;
  }
  return readNumber(bytes, at, 4);
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

/** Flags of a sample that depends on others. */
const nonSync = 0x101_0000;

/** By its flags (8.8.3.1): no sample_is_non_sync_sample, and not sample_depends_on another. */
function isSync(sampleFlags: number): boolean {
  return (sampleFlags & 0x1_0000) === 0 && (sampleFlags & 0x300_0000) !== 0x100_0000;
}

/**
 * Where from the fragment's start the samples of `track` lie: offset and size of each, in turns; a run of samples that
 * are alike in all is taken as one. Empty if that is not told, or not in the order of the data.
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

/**
 * The `moof` in `bytes` again, for those samples only whose data begin at `cut` bytes from its start or later, with
 * those data right behind a `mdat` head of 8 bytes behind it. Undefined if that can't be done.
 */
export function cutFragment(
  bytes: Uint8Array,
  length: number,
  tracks: readonly Track[],
  cut: number,
): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 8 <= length; ) {
    const end = boxEnd(bytes, at, length);
    const type = readNumber(bytes, at + 4, 4);
    if (type === mfhdType) parts.push(bytes.slice(at, end));
    if (type === trafType) {
      const part = cutPart(bytes, at, end, tracks, cut);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    at = end;
  }
  const moof = boxOf(fourCc("moof"), parts);
  shiftRuns(moof, moof.length + 8 - cut);
  return moof;
}

/** What `sampleFragment` puts around a sample, bytes. */
export const sampleFragmentBytes = 116;

/** A fragment of `sample` alone, no sync sample, at `time`, with its `mdat`. */
export function sampleFragment(track: Track, sample: Uint8Array, time: number): Uint8Array {
  const high = Math.floor(time / 2 ** 32);
  const run = (offset: number) => {
    const flags = hasDataOffset + hasDuration + hasSize + hasFlags;
    const entry: [number, number][] = [
      [3, 1],
      [4, sample.length],
      [5, nonSync],
    ];
    return boxOf(trunType, [words(6, [0, flags], [1, 1], [2, offset], ...entry)]);
  };
  const moof = (offset: number) =>
    boxOf(fourCc("moof"), [
      boxOf(mfhdType, [words(2, [1, 1])]),
      boxOf(trafType, [
        boxOf(tfhdType, [words(2, [0, isAtMoof], [1, track.id])]),
        boxOf(tfdtType, [words(3, [0, 0x100_0000], [1, high], [2, time % 2 ** 32])]),
        run(offset),
      ]),
    ]);
  return concat([moof(moof(0).length + 8), boxOf(fourCc("mdat"), [sample])]);
}

/** `count` 32-bit numbers: `values` at their places, else zero. */
function words(count: number, ...values: readonly [at: number, value: number][]): Uint8Array {
  const content = new Uint8Array(count * 4);
  const view = new DataView(content.buffer);
  for (const [at, value] of values) view.setUint32(at * 4, value);
  return content;
}

function cutPart(
  bytes: Uint8Array,
  from: number,
  end: number,
  tracks: readonly Track[],
  cut: number,
): Uint8Array | undefined {
  const runs: Uint8Array[] = [];
  let part: Part | undefined;
  let head = new Uint8Array(0);
  let timeAt = 0;
  let elapsed = 0;
  for (let at = from + 8; at + 8 <= end; ) {
    const childEnd = boxEnd(bytes, at, end);
    const type = readNumber(bytes, at + 4, 4);
    if (type !== freeType && childEnd - at < 16) return undefined;
    if (type === tfhdType) {
      part = readTfhd(bytes, at, childEnd, tracks);
      head = bytes.slice(at, childEnd);
    } else if (type === tfdtType) {
      if (bytes[at + 8] === 1 && at + 20 > childEnd) return undefined;
      timeAt = at;
    } else if (type === trunType) {
      if (part === undefined || (part.flags & isAtMoof) === 0) return undefined;
      const run = readTrun(bytes, at, childEnd);
      if ((run.flags & hasDataOffset) === 0) return undefined;
      let index = 0;
      let offset = run.dataOffset;
      if (run.entryBytes === 0 && offset < cut) {
        index = part.size === 0 ? run.count : Math.min(run.count, Math.ceil((cut - offset) / part.size));
        offset += index * part.size;
        if (runs.length === 0) elapsed += index * part.duration;
      }
      for (; index < run.count && offset < cut; index++) {
        offset += entry(bytes, run, index, hasSize, part.size);
        if (runs.length === 0) elapsed += entry(bytes, run, index, hasDuration, part.duration);
      }
      if (index < run.count) runs.push(restOfRun(bytes, run, index, offset, at));
    } else if (!dispensable.has(type)) return undefined;
    at = childEnd;
  }
  if (timeAt === 0) return undefined;
  return boxOf(trafType, [head, laterTime(bytes, timeAt, elapsed), ...runs]);
}

/** The run at `at` from sample `index` on, whose data are at `offset`. */
function restOfRun(bytes: Uint8Array, run: Run, index: number, offset: number, at: number): Uint8Array {
  const keepsFirst = index === 0 && run.firstFlags >= 0;
  const head = new Uint8Array(keepsFirst ? 16 : 12);
  const view = new DataView(head.buffer);
  const flags = keepsFirst ? run.flags : run.flags & ~hasFirstFlags;
  view.setUint32(0, bytes[at + 8] * 0x100_0000 + flags);
  view.setUint32(4, run.count - index);
  view.setInt32(8, offset);
  if (keepsFirst) view.setInt32(12, run.firstFlags | 0);
  const table = bytes.slice(run.table + index * run.entryBytes, run.table + run.count * run.entryBytes);
  return boxOf(trunType, [head, table]);
}

/** The `tfdt` at `at`, `elapsed` ticks later. */
function laterTime(bytes: Uint8Array, at: number, elapsed: number): Uint8Array {
  const wide = bytes[at + 8] === 1;
  const old = new DataView(bytes.buffer, bytes.byteOffset + at);
  const time = wide ? old.getBigUint64(12) : BigInt(old.getUint32(12));
  const content = new Uint8Array(12);
  const view = new DataView(content.buffer);
  view.setUint32(0, 0x100_0000);
  view.setBigUint64(4, time + BigInt(elapsed));
  return boxOf(tfdtType, [content]);
}

/** Adds `shift` to the data offsets of all runs in a `moof` that `cutFragment` has put together. */
function shiftRuns(moof: Uint8Array, shift: number): void {
  const view = new DataView(moof.buffer);
  for (let at = 8; at + 8 <= moof.length; ) {
    const end = boxEnd(moof, at, moof.length);
    if (view.getUint32(at + 4) === trafType) {
      for (let child = at + 8; child + 8 <= end; child = boxEnd(moof, child, end)) {
        if (view.getUint32(child + 4) !== trunType || child + 20 > moof.length) continue;
        view.setInt32(child + 16, view.getInt32(child + 16) + shift);
      }
    }
    at = end;
  }
}
