// The fragments of an MP4 stream, each a `moof` and the `mdat` behind it: where they are joined, and with which header. A
// join is reported once the keyframe's first bytes have shown whether a decoder needs a bridge before it.
//
//   [styp sidx ..] moof mdat           join at its beginning: its first video sample is a keyframe, or it has no video
//                  moof mdat(..key..)  join inside: a `moof` for the rest stands in the header (moofwriter.ts)

import { AvcTrack } from "../annexb/avc.ts";
import { concat } from "../bytes.ts";
import { type Header, noHeader, type Sink } from "../detector.ts";
import { Pace } from "../pace.ts";
import { fourCc, headOf } from "./boxes.ts";
import { joinHeader } from "./header.ts";
import { anchorFragment, readFragment, sampleRanges } from "./moof.ts";
import { cutFragment } from "./moofwriter.ts";
import type { Movie, Track } from "./moov.ts";

/** What it costs to look into a fragment, in bytes of stream (pace.ts). */
const fragmentCost = 96;
const mdat = fourCc("mdat");

/** The fragment at hand. All offsets are absolute. */
export class Fragments {
  readonly #sink: Sink;
  #movie: Movie | undefined;
  #video: Track | undefined;
  /** The header of joins at a fragment's start, and the one that was reported last. */
  #base: Header = noHeader;
  #reported: Header = noHeader;
  readonly #pace = new Pace();
  readonly #fragmentPace = new Pace();
  /** Where the fragment begins, prefixes included; -1 if it has not begun. */
  #offset = -1;
  #moofOffset = 0;
  /** The fragment's box. */
  moof: Uint8Array = noHeader.start;
  /** Whether a fragment's addresses have been patched. */
  isAnchored = false;
  /** The keyframe in the fragment's middle, from the `moof` on; 0 if there is none. */
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
  }

  get heldBytes(): number {
    // The movie's box, and the header once it is made.
    return 2 * this.#base.bytes + this.moof.length + 16 * this.#samples.length;
  }

  /** Whether a `moof` has come and its `mdat` has not. */
  get isDataDue(): boolean {
    return this.#offset >= 0 && this.#moofOffset >= this.#offset;
  }

  /** Whether the `mdat` has samples to be looked at. */
  get wantsData(): boolean {
    return this.#avc !== undefined && this.#sample < this.#samples.length;
  }

  /** From here on fragments are those of `movie`, whose joins at fragments' starts have the header `base`. */
  follow(movie: Movie, base: Header): void {
    this.#movie = movie;
    this.#video = movie.tracks.find((track) => track.isVideo);
    const avcC = this.#video?.avcC ?? noHeader.start;
    this.#avc = avcC.length > 6 ? new AvcTrack(avcC) : undefined;
    this.#base = base;
    this.#offset = -1;
    this.moof = noHeader.start;
    this.#report(base);
  }

  /** A box begins that belongs to the fragment to come. */
  begin(offset: number): void {
    if (this.#offset < 0) this.#offset = offset;
  }

  /** The fragment's `moof` begins. */
  beginMoof(offset: number): void {
    this.begin(offset);
    this.#moofOffset = offset;
  }

  /**
   * Takes a whole `moof`. One that addresses its data from the file's first byte is patched; false if that can't be done,
   * and then it can't be joined.
   */
  read(moof: Uint8Array): boolean {
    this.moof = moof;
    this.#cut = 0;
    this.#samples = [];
    if (this.#movie === undefined) return true;
    if (!this.#anchor()) {
      this.#avc?.lose();
      return false;
    }
    if (this.#fragmentPace.allows(this.#moofOffset, fragmentCost)) this.#look(moof);
    else this.#avc?.lose();
    return true;
  }

  #anchor(): boolean {
    const [from, to] = anchorFragment(this.moof, this.moof.length) ?? [0, -1];
    if (to > 0) this.#sink.patch?.(this.#moofOffset + from, this.moof.slice(from, to));
    this.isAnchored ||= to > 0;
    return to >= 0;
  }

  /** Where the fragment's keyframe is. */
  #look(moof: Uint8Array): void {
    const fragment = readFragment(moof, moof.length, this.#video);
    this.#time = fragment.time;
    this.#sample = 0;
    if (this.#avc !== undefined && this.#video !== undefined && fragment.hasVideo) {
      this.#samples = sampleRanges(moof, moof.length, this.#video);
      if (this.#samples.length === 0) this.#avc.lose();
    }
    if (this.#video === undefined || fragment.keyframe === 0) this.#join(this.#offset, -1, noHeader.start);
    else if (fragment.keyframe > 0) this.#cut = fragment.keyframe;
  }

  /** The fragment's `mdat` begins, with data from `from` up to `end`: joins at a keyframe in its middle. */
  beginData(from: number, end: number): void {
    const offset = this.#moofOffset + this.#cut;
    if (this.#cut === 0 || this.#movie === undefined || offset < from || offset >= end) return;
    const box = cutFragment(this.moof, this.moof.length, this.#movie.tracks, this.#cut);
    if (box === undefined) return;
    this.#join(offset, this.#cut, concat([box, headOf(mdat, 8 + end - offset)]));
  }

  /** A join, at once or when its keyframe, `keyframe` bytes from the `moof` on (-1: its first), is known. */
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

  #report(header: Header): void {
    if (header !== this.#reported) this.#sink.header(header);
    this.#reported = header;
  }

  /** Takes more of the `mdat`: `bytes` from `at` up to `end`; `offset` is that of the first of `bytes`. */
  take(bytes: Uint8Array, at: number, end: number, offset: number): void {
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

  /** The fragment is over. */
  end(): void {
    if (this.#sample < this.#samples.length) this.#avc?.lose();
    this.#reportJoin();
    this.#samples = [];
    this.#isSampleOpen = false;
    this.#offset = -1;
    this.#cut = 0;
  }

  /** Bytes were lost: what has begun is not joined. */
  lose(): void {
    this.#waiting = undefined;
    this.#avc?.lose();
    this.end();
  }
}
