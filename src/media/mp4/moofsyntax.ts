// The boxes in a movie fragment box (ISO/IEC 14496-12, 8.8.7 and 8.8.8), as far as they are whole: what a track's part says of
// its samples, and the runs that they lie in. Nothing is read beyond the end that is given.

import { readNumber } from "../bytes.ts";
import { fourCc } from "./boxes.ts";
import type { Track } from "./moov.ts";

/** A track's part of a fragment: `tfhd`, over the track's own defaults. */
export interface Part {
  readonly track: Track;
  readonly flags: number;
  readonly duration: number;
  readonly size: number;
  readonly sampleFlags: number;
}

/** Samples that lie in a row (`trun`): a table of `count` entries of `entryBytes` each, at `table`. */
export interface Run {
  readonly flags: number;
  readonly count: number;
  readonly dataOffset: number;
  readonly table: number;
  readonly entryBytes: number;
  /** Of the first sample; -1 if it is as the others. */
  readonly firstFlags: number;
}

export const mfhdType = fourCc("mfhd");
export const trafType = fourCc("traf");
export const tfhdType = fourCc("tfhd");
export const tfdtType = fourCc("tfdt");
export const trunType = fourCc("trun");
export const freeType = fourCc("free");

// flags of tfhd (8.8.7.1) and trun (8.8.8.1)
export const isAddressed = 0x1;
export const isAtMoof = 0x2_0000;
export const hasDataOffset = 0x1;
export const hasFirstFlags = 0x4;
export const hasDuration = 0x100;
export const hasSize = 0x200;
export const hasFlags = 0x400;
const hasShift = 0x800;

/** Runs have a few hundred samples at most; an absurd count (damage) is not believed. */
const maxSamples = 65_536;

/** The end of the box at `at`, or `end` if it is broken: what is broken is the last that is looked at. */
export function boxEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 8 > end) return end;
  const size = readNumber(bytes, at, 4);
  return size < 8 || at + size > end ? end : at + size;
}

export function readTfhd(
  bytes: Uint8Array,
  from: number,
  end: number,
  tracks: readonly Track[],
): Part | undefined {
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

export function readTrun(bytes: Uint8Array, from: number, end: number): Run {
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
export function entry(bytes: Uint8Array, run: Run, index: number, flag: number, otherwise: number): number {
  if ((run.flags & flag) === 0) return otherwise;
  let at = run.table + index * run.entryBytes;
  for (const field of entryFields) {
    if (field === flag) break;
    if ((run.flags & field) !== 0) at += 4;
  }
  return readNumber(bytes, at, 4);
}
