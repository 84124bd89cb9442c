// Fragmented MP4 (ISO/IEC 14496-12, 8.8; CMAF, ISO/IEC 23000-19): ftyp and moov, then fragments.
//
//   ftyp moov  [styp sidx prft emsg] moof mdat  [..] moof mdat  moof mdat
//   '-header-' ^join if the video's first sample in moof is a sync sample  ^unit: the end of a mdat
//
// Audio alone: every fragment is a join. If a keyframe is in the middle of a fragment, which encoders that
// cut by time alone make, the join is there: the joiner gets a `moof` of its own for the rest of the
// fragment first. Such a join is no unit's end. A moov that describes samples is given to joiners without
// them. Streams that address their data from the file's first byte (tfhd's base-data-offset) are patched for
// joiners to address them from the `moof`. Those that can't be, and files that are not fragmented, can't be
// joined: they are lost, which is to say opaque.

import { AvcTrack } from "../annexb/avc.ts";
import { concat, readNumber } from "../bytes.ts";
import type { Container, Detector, Header, Sink, StreamInfo } from "../detector.ts";
import { maxHeaderBytes, noHeader, sniffLimit } from "../detector.ts";
import { Collected, Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { fourCc, headOf } from "./boxes.ts";
import { fileHeader, joinHeader } from "./header.ts";
import { anchorFragment, dataEnd, readFragment, sampleRanges } from "./moof.ts";
import { cutFragment } from "./moofwriter.ts";
import { type Movie, readMovie, type Track } from "./moov.ts";

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
/** Of ten seconds of many tracks; all of it is read at once. */
const maxMoofBytes = 256 * 1024;
/** What it costs to look into a fragment, in bytes of stream (pace.ts). */
const fragmentCost = 96;
/** Larger boxes are taken for damage: a fragment of many seconds at hundreds of Mbit/s. */
const maxBoxBytes = 2 ** 31;
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

type Stage = "head" | "body" | "search";

class Fmp4Detector implements Detector {
  readonly info: StreamInfo = { container: "fmp4", mediaType: "video/mp4", codecs: [], damaged: 0 };
  lost = false;

  readonly #sink: Sink;
  readonly #gather = new Gather(16);
  #stage: Stage = "head";
  #type = 0;
  #boxOffset = 0;
  /** Of the box, what is still to come; the box itself while it is one to be read. */
  #left = 0;
  #kept: Collected | undefined;
  /** The fragment's box. */
  #moof: Uint8Array = noHeader.start;
  #searched = 0;

  #ftyp: Uint8Array = new Uint8Array(0);
  #movie: Movie | undefined;
  #video: Track | undefined;
  /** The header of joins at a fragment's start, and the one that was reported last. */
  #base: Header = noHeader;
  #reported: Header = noHeader;
  readonly #pace = new Pace();
  readonly #fragmentPace = new Pace();
  /** Where the fragment to come begins, prefixes included; -1 if it has not begun. */
  #fragmentOffset = -1;
  #moofOffset = 0;
  /** Whether a fragment's addresses have been patched. */
  #isAnchored = false;
  /** The keyframe in the fragment's middle, from the fragment's start on; 0 if there is none. */
  #cut = 0;
  /** The video's time at the fragment's start. */
  #time = 0;
  /** The video's pictures if it is H.264; the fragment's samples, in turns offset and size; the one that is next. */
  #avc: AvcTrack | undefined;
  #samples: readonly number[] = [];
  #sample = 0;
  #isSampleOpen = false;
  /** The join that waits for its keyframe's first bytes: where it is, where these are, what comes before it. */
  #waiting: { readonly offset: number; readonly keyframe: number; readonly head: Uint8Array } | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(8);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#stage === "body") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#kept?.take(bytes, at, end);
        if (this.#type === mdat && this.#sample < this.#samples.length) this.#walk(bytes, at, end, offset);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#body(offset + at);
      } else {
        if (this.#stage === "search") at = this.#gather.seek(bytes, at, isStart, this.#passed);
        else at = this.#gather.take(bytes, at);
        this.#boxOffset = offset + at - this.#gather.length;
        if (this.#gather.full && !this.lost) this.#head(offset + at);
      }
    }
  }

  /** Nothing of a `moof` is known before all of it is there; and a box whose head is half there may be one. */
  get unpatchedFrom(): number {
    const isUnknown =
      this.#stage === "head" ? this.#gather.length > 0 : this.#kept !== undefined && this.#type === moof;
    return isUnknown ? this.#boxOffset : Number.POSITIVE_INFINITY;
  }

  get heldBytes(): number {
    // The movie's box, and the header once it is made.
    return (
      2 * this.#base.bytes + (this.#kept?.heldBytes ?? 0) + this.#moof.length + 16 * this.#samples.length
    );
  }

  padding(): readonly Uint8Array[] {
    const { bytes, length } = this.#gather;
    const isInBox = this.#stage === "body";
    const sent = isInBox ? 0 : length;
    if (this.#movie === undefined || this.#stage === "search" || sent > 8) return [];
    const rest = isInBox ? zeros(this.#left) : [];
    const isWaiting = this.#fragmentOffset >= 0 && this.#moofOffset >= this.#fragmentOffset;
    if ((isInBox && this.#type === mdat) || (!isWaiting && sent === 0)) return rest;
    // samples that the fragment has announced, in a box whose head may be half there
    let moofBox = this.#moof;
    if (this.#kept !== undefined && this.#type === moof) moofBox = concat([this.#kept.bytes, ...rest]);
    const dataBytes = isWaiting ? dataEnd(moofBox, moofBox.length, this.#movie.tracks) - moofBox.length : 0;
    const head = headOf(isWaiting ? mdat : free, Math.max(8, dataBytes));
    head.set(bytes.subarray(0, sent));
    const size = readNumber(head, 0, 4);
    return size < 8 ? [] : [...rest, head.subarray(sent), ...zeros(size - 8)];
  }

  #expect(stage: Stage, want: number): void {
    this.#stage = stage;
    this.#gather.start(want);
  }

  #head(offset: number): void {
    const { length } = this.#gather;
    let size = this.#gather.number(0, 4);
    if (size === 1) {
      if (length === 8) {
        this.#gather.want = 16;
        return;
      }
      size = this.#gather.number(8, 4) * 2 ** 32 + this.#gather.number(12, 4);
    }
    this.#type = this.#gather.number(4, 4);
    this.#left = size - length;
    this.#kept = undefined;
    if (this.#left >= 0 && this.#left <= maxBoxBytes && this.#box()) {
      this.#stage = "body";
      if (this.#left === 0) this.#body(offset);
    } else this.#damage();
  }

  /** A box begins; whether it is one that may be here. */
  #box(): boolean {
    const size = this.#gather.length + this.#left;
    switch (this.#type) {
      case ftyp:
        if (size < minFtypBytes || size > maxFtypBytes) return false;
        this.#keep(size);
        return true;
      case moov:
        if (size + this.#ftyp.length > maxHeaderBytes) this.#giveUp("a moov that is too large");
        else this.#keep(size);
        return true;
      case moof:
        if (size < minMoofBytes || size > maxMoofBytes) return false;
        this.#keep(size);
        this.#moofOffset = this.#boxOffset;
        if (this.#fragmentOffset < 0) this.#fragmentOffset = this.#boxOffset;
        return true;
      case mdat:
        if (this.#movie === undefined) this.lost = true;
        if (this.#cut > 0) this.#joinInside(this.#boxOffset + size);
        return true;
      default:
        if (!prefixes.has(this.#type)) return skipped.has(this.#type);
        if (this.#fragmentOffset < 0) this.#fragmentOffset = this.#boxOffset;
        return true;
    }
  }

  #keep(size: number): void {
    this.#kept = new Collected(size);
    this.#kept.take(this.#gather.bytes, 0, this.#gather.length);
  }

  #giveUp(problem: string): void {
    this.lost = true;
    this.info.problem = problem;
  }

  /** A box ends before `offset`. */
  #body(offset: number): void {
    const kept = this.#kept?.bytes;
    this.#kept = undefined;
    if (this.#type === mdat) {
      this.#endFragment();
      this.#searched = 0;
      this.#sink.unit(offset);
    } else if (this.#type === ftyp && kept !== undefined) this.#ftyp = kept;
    else if (this.#type === moov && kept !== undefined) this.#readMovie(kept);
    else if (this.#type === moof && kept !== undefined) this.#readFragment(kept);
    this.#expect("head", 8);
  }

  #readMovie(bytes: Uint8Array): void {
    const movie = readMovie(bytes);
    this.#movie = movie;
    this.#fragmentOffset = -1;
    this.#moof = noHeader.start;
    if (movie === undefined)
      return this.#giveUp("a moov without tracks for fragments, or with too many boxes");
    this.#video = movie.tracks.find((track) => track.isVideo);
    const avcC = this.#video?.avcC ?? noHeader.start;
    this.#avc = avcC.length > 6 ? new AvcTrack(avcC) : undefined;
    this.#base = fileHeader(this.#ftyp, movie);
    this.#report(this.#base);
    this.info.codecs = movie.tracks.map((track) => track.codec);
    this.info.mediaType = this.#video === undefined ? "audio/mp4" : "video/mp4";
    if (movie.width > 0 && movie.height > 0) {
      this.info.width = movie.width;
      this.info.height = movie.height;
    }
  }

  #readFragment(bytes: Uint8Array): void {
    this.#moof = bytes;
    this.#cut = 0;
    this.#samples = [];
    if (this.#movie === undefined || !this.#anchor()) return;
    if (!this.#fragmentPace.allows(this.#moofOffset, fragmentCost)) {
      this.#avc?.lose();
      return;
    }
    const fragment = readFragment(bytes, bytes.length, this.#video);
    this.#time = fragment.time;
    this.#sample = 0;
    if (this.#avc !== undefined && this.#video !== undefined && fragment.hasVideo) {
      this.#samples = sampleRanges(bytes, bytes.length, this.#video);
      if (this.#samples.length === 0) this.#avc.lose();
    }
    const none = noHeader.start;
    if (this.#video === undefined || fragment.keyframe === 0) this.#join(this.#fragmentOffset, -1, none);
    else if (fragment.keyframe > 0) this.#cut = fragment.keyframe;
  }

  /** Patches a `moof` that addresses its data from the file's first byte. False if that can't be done. */
  #anchor(): boolean {
    const [from, to] = anchorFragment(this.#moof, this.#moof.length) ?? [0, -1];
    if (to > 0) this.#sink.patch?.(this.#moofOffset + from, this.#moof.slice(from, to));
    this.#isAnchored ||= to > 0;
    if (to >= 0) return true;
    // after others that could be, it is damage
    if (this.#isAnchored) this.info.damaged++;
    else this.#giveUp("fragments that address their data from the file's first byte, not in one piece");
    this.#avc?.lose();
    return false;
  }

  /** Joins at the keyframe in the middle of the `mdat` that begins, if it is there. */
  #joinInside(mdatEnd: number): void {
    const joinOffset = this.#moofOffset + this.#cut;
    const isInside = joinOffset >= this.#boxOffset + this.#gather.length && joinOffset < mdatEnd;
    if (!isInside || this.#movie === undefined) return;
    const box = cutFragment(this.#moof, this.#moof.length, this.#movie.tracks, this.#cut);
    if (box === undefined) return;
    this.#join(joinOffset, this.#cut, concat([box, headOf(mdat, 8 + mdatEnd - joinOffset)]));
  }

  /** A join, at once or when its keyframe, `keyframe` bytes from the fragment's start (-1: its first), is known. */
  #join(offset: number, keyframe: number, head: Uint8Array): void {
    this.#waiting = { offset, keyframe: keyframe < 0 ? this.#samples[0] : keyframe, head };
    if (this.#samples.length === 0) this.#reportJoin();
  }

  #reportJoin(): void {
    if (this.#waiting === undefined) return;
    const { offset, head } = this.#waiting;
    this.#waiting = undefined;
    const header = joinHeader(this.#base, {
      head,
      track: this.#video,
      time: this.#time,
      bridge: this.#avc?.bridge,
    });
    if (header !== this.#base && !this.#pace.allowsHeader(offset, header)) return;
    this.#report(header);
    this.#sink.join(offset, true);
  }

  /** Passes the fragment's H.264 samples on; `at` to `end` of `bytes` are of its `mdat`. */
  #walk(bytes: Uint8Array, at: number, end: number, offset: number): void {
    const avc = this.#avc;
    if (avc === undefined) return;
    while (this.#sample < this.#samples.length) {
      const from = this.#moofOffset + this.#samples[this.#sample] - offset;
      const to = from + this.#samples[this.#sample + 1];
      if (from >= end) return;
      const isKeyframe = this.#waiting?.keyframe === this.#samples[this.#sample];
      if (!this.#isSampleOpen) avc.begin(isKeyframe);
      this.#isSampleOpen = true;
      avc.take(bytes, Math.max(at, from), Math.min(end, to));
      if (to <= end) avc.end();
      if (isKeyframe && avc.isDone) this.#reportJoin();
      if (to > end) return;
      this.#isSampleOpen = false;
      this.#sample += 2;
    }
  }

  #endFragment(): void {
    if (this.#sample < this.#samples.length) this.#avc?.lose();
    this.#reportJoin();
    this.#samples = [];
    this.#isSampleOpen = false;
    this.#fragmentOffset = -1;
    this.#cut = 0;
  }

  #report(header: Header): void {
    if (header !== this.#reported) this.#sink.header(header);
    this.#reported = header;
  }

  /** What is gathered is no box that could be here. */
  #damage(): void {
    this.info.damaged++;
    this.#waiting = undefined;
    this.#avc?.lose();
    this.#endFragment();
    this.#stage = "search";
    this.#gather.want = 16;
    this.#gather.shift();
    this.#passed(1);
  }

  /** So many bytes were searched for the next fragment. */
  readonly #passed = (bytes: number): void => {
    this.#searched += bytes;
    if (this.#searched > maxSearchBytes) this.lost = true;
  };
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
