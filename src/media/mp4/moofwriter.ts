// Fragments of our own (ISO/IEC 14496-12, 8.8): what is left of one from a keyframe in its middle on, and one of a single
// sample.

import { concat, readNumber } from "../bytes.ts";
import { boxOf, fourCc } from "./boxes.ts";
import {
  boxEnd,
  entry,
  freeType,
  hasDataOffset,
  hasDuration,
  hasFirstFlags,
  hasFlags,
  hasSize,
  isAtMoof,
  mfhdType,
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

/** Children of a `traf` that a cut fragment does without. Others (encryption) forbid cutting. */
const dispensable = new Set(["sbgp", "sgpd", "sdtp", "subs", "free"].map(fourCc));

/** Flags of a sample that depends on others. */
const nonSync = 0x101_0000;

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
