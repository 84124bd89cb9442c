// Fragmented MP4 (ISO/IEC 14496-12, 8.8; CMAF, ISO/IEC 23000-19): ftyp and moov, then fragments.
//
//   ftyp moov  [styp sidx prft emsg] moof mdat  [..] moof mdat  moof mdat
//   '-header-' ^join if the video's first sample in moof is a sync sample  ^unit: the end of a mdat
//
// Audio alone: every fragment is a join. If a keyframe is in the middle of a fragment, which encoders that
// cut by time alone make, the join is there (fragments.ts). A moov that describes samples is given to joiners without
// them. Streams that address their data from the file's first byte (tfhd's base-data-offset) are patched for
// joiners to address them from the `moof`. Those that can't be, and files that are not fragmented, can't be
// joined: they are lost, which is to say opaque.

import { concat, readNumber } from "../bytes.ts";
import type { Container, Detector, Sink, StreamInfo } from "../detector.ts";
import { noHeader, sniffLimit } from "../detector.ts";
import { ElementReader, type ElementSink } from "../elementreader.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { fourCc, headOf } from "./boxes.ts";
import { Fragments } from "./fragments.ts";
import { fileHeader } from "./header.ts";
import { dataEnd } from "./moof.ts";
import { type Movie, readMovie } from "./moov.ts";

const ftyp = fourCc("ftyp");
const moov = fourCc("moov");
const moof = fourCc("moof");
const mdat = fourCc("mdat");
const mfhd = fourCc("mfhd");
const free = fourCc("free");
/** What belongs to the fragment that follows it. */
const prefixes = new Set(["styp", "sidx", "ssix", "prft", "emsg"].map(fourCc));
/** What is passed over. */
const skipped = new Set(["free", "skip", "wide", "uuid", "mfra", "pdin", "meta", "udta"].map(fourCc));

/** A brand and a version; a `mfhd` and the head of a `traf`. */
const minFtypBytes = 16;
const minMoofBytes = 32;
const maxFtypBytes = 4096;
/** Many times what a fragmented stream has; all of it is read at once. */
const maxMoovBytes = 1024 * 1024;
/** Of ten seconds of many tracks; all of it is read at once. */
const maxMoofBytes = 256 * 1024;
/** Larger boxes are taken for damage: a fragment of many seconds at hundreds of Mbit/s. */
const maxBoxBytes = 2 ** 31;
/** What it costs to begin anew, in bytes of stream (pace.ts): its own bytes pay for the rest of a moov. */
const restartCost = 1024;
/** A search for the next fragment that goes on for longer makes the stream lost. */
const maxSearchBytes = 16 * 1024 * 1024;

/** Fragmented MP4: sniffed by ftyp and a whole moov that announces fragments. */
export const fmp4: Container = {
  name: "fmp4",
  sniff(start) {
    const more = start.length < sniffLimit ? "more" : "no";
    let at = 0;
    while (at + 8 <= start.length) {
      const size = readNumber(start, at, 4);
      const type = readNumber(start, at + 4, 4);
      if (at === 0 ? type !== ftyp || size > maxFtypBytes : type !== moov && !skipped.has(type)) return "no";
      if (size < 8 || at + size > sniffLimit) return "no";
      if (at + size > start.length) return more;
      if (type === moov) return readMovie(start.subarray(at, at + size)) === undefined ? "no" : "yes";
      at += size;
    }
    // before it is known to be ftyp, what is there of its type must fit
    const name = [0x66, 0x74, 0x79, 0x70];
    return at === 0 && name.some((byte, i) => i + 4 < start.length && start[i + 4] !== byte) ? "no" : more;
  },
  create: (sink) => new Fmp4Detector(sink),
};

class Fmp4Detector implements Detector, ElementSink {
  readonly info: StreamInfo = { container: "fmp4", mediaType: "video/mp4", codecs: [], damaged: 0 };
  readonly begins = isStart;
  readonly #sink: Sink;
  readonly #reader = new ElementReader(this, 16, 8, maxSearchBytes);
  /** The box at hand. */
  #type = 0;
  #offset = 0;
  #ftyp: Uint8Array = noHeader.start;
  #movie: Movie | undefined;
  readonly #pace = new Pace();
  readonly #fragments: Fragments;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#fragments = new Fragments(sink);
  }

  get lost(): boolean {
    return this.#reader.lost;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#reader.feed(bytes, offset);
  }

  /** Nothing of a `moof` is known before all of it is there; and a box whose head is half there may be one. */
  get unpatchedFrom(): number {
    const { stage, gather, fedTo } = this.#reader;
    if (stage === "head" && gather.length > 0) return fedTo - gather.length;
    return stage === "body" && this.#type === moof ? this.#offset : Number.POSITIVE_INFINITY;
  }

  get heldBytes(): number {
    return this.#reader.heldBytes + this.#fragments.heldBytes;
  }

  padding(): readonly Uint8Array[] {
    const { stage, left, gather, kept } = this.#reader;
    const isInBox = stage === "body";
    const sent = isInBox ? 0 : gather.length;
    if (this.#movie === undefined || stage === "search" || sent > 8) return [];
    const rest = isInBox ? zeros(left) : [];
    const { isDataDue } = this.#fragments;
    if ((isInBox && this.#type === mdat) || (!isDataDue && sent === 0)) return rest;
    // samples that the fragment has announced, in a box whose head may be half there
    let moofBox = this.#fragments.moof;
    if (kept !== undefined && this.#type === moof) moofBox = concat([kept, ...rest]);
    const dataBytes = isDataDue ? dataEnd(moofBox, moofBox.length, this.#movie.tracks) - moofBox.length : 0;
    const head = headOf(isDataDue ? mdat : free, Math.max(8, dataBytes));
    head.set(gather.bytes.subarray(0, sent));
    const size = readNumber(head, 0, 4);
    return size < 8 ? [] : [...rest, head.subarray(sent), ...zeros(size - 8)];
  }

  /** A box's head is there, all but the upper half of a long size. */
  gathered(offset: number): void {
    const { gather } = this.#reader;
    let size = gather.number(0, 4);
    if (size === 1) {
      if (gather.length === 8) return this.#reader.want(16);
      size = gather.number(8, 4) * 2 ** 32 + gather.number(12, 4);
    }
    this.#type = gather.number(4, 4);
    this.#offset = offset - gather.length;
    const left = size - gather.length;
    if (left >= 0 && left <= maxBoxBytes && this.#box(size)) {
      if (!this.lost) this.#reader.enter(left, offset);
    } else this.#damage();
  }

  /** A box begins; whether it is one that may be here. */
  #box(size: number): boolean {
    switch (this.#type) {
      case ftyp:
        if (size < minFtypBytes || size > maxFtypBytes) return false;
        this.#reader.keep(size);
        return true;
      case moov:
        if (size > maxMoovBytes) this.#giveUp("an oversized moov");
        else if (!this.#pace.allows(this.#offset, restartCost)) this.#giveUp("a constantly repeated moov");
        else this.#reader.keep(size);
        return true;
      case moof:
        if (size < minMoofBytes || size > maxMoofBytes) return false;
        this.#reader.keep(size);
        this.#fragments.beginMoof(this.#offset);
        return true;
      case mdat:
        if (this.#movie === undefined) this.#reader.lost = true;
        this.#fragments.beginData(this.#offset + this.#reader.gather.length, this.#offset + size);
        this.#reader.isShown = this.#fragments.wantsData;
        return true;
      default:
        if (!prefixes.has(this.#type)) return skipped.has(this.#type);
        this.#fragments.begin(this.#offset);
        return true;
    }
  }

  shown(bytes: Uint8Array, at: number, end: number, offset: number): void {
    this.#fragments.take(bytes, at, end, offset);
  }

  /** A box ends before `offset`. */
  ended(offset: number, kept: Uint8Array | undefined): void {
    if (this.#type === mdat) {
      this.#fragments.end();
      this.#reader.isShown = false;
      this.#reader.searched = 0;
      this.#sink.unit(offset);
    } else if (this.#type === ftyp && kept !== undefined) this.#ftyp = kept;
    else if (this.#type === moov && kept !== undefined) this.#readMovie(kept);
    else if (this.#type === moof && kept !== undefined) this.#readFragment(kept);
    this.#reader.expect(8);
  }

  #readMovie(bytes: Uint8Array): void {
    const movie = readMovie(bytes);
    this.#movie = movie;
    if (movie === undefined)
      return this.#giveUp("a moov without tracks for fragments, or with too many boxes");
    this.#fragments.follow(movie, fileHeader(this.#ftyp, movie));
    this.info.codecs = movie.tracks.map((track) => track.codec);
    this.info.mediaType = movie.tracks.some((track) => track.isVideo) ? "video/mp4" : "audio/mp4";
    if (movie.width > 0 && movie.height > 0) {
      this.info.width = movie.width;
      this.info.height = movie.height;
    }
  }

  #readFragment(moof: Uint8Array): void {
    if (this.#fragments.read(moof)) return;
    // after others whose addresses could be changed, it is damage
    if (this.#fragments.isAnchored) this.info.damaged++;
    else this.#giveUp("fragments that address their data from the file's first byte, not in one piece");
  }

  #giveUp(problem: string): void {
    this.#reader.lost = true;
    this.info.problem = problem;
  }

  /** What is gathered is no box that could be here. */
  #damage(): void {
    this.info.damaged++;
    this.#fragments.lose();
    this.#reader.search(16, 1);
  }
}

/** Whether a `moof` that begins with a `mfhd` is at `at`, or a stream that begins anew. 16 bytes are there. */
function isStart(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at + 4];
  if (first !== 0x6d && first !== 0x66) return false;
  const type = readNumber(bytes, at + 4, 4);
  if (type === moof) return readNumber(bytes, at + 8, 4) === 16 && readNumber(bytes, at + 12, 4) === mfhd;
  const size = readNumber(bytes, at, 4);
  return type === ftyp && size >= 16 && size <= 256;
}
