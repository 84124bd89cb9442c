// The blocks of a Matroska stream (RFC 9559, section 10): which of them are joins, and with which header. A join is a
// cluster whose first video block is a keyframe (audio alone: every cluster), or a keyframe in a cluster's middle.

import { AvcTrack } from "../annexb/avc.ts";
import { type Header, noHeader, type Sink } from "../detector.ts";
import { Pace } from "../pace.ts";
import { joinHeader } from "./header.ts";
import type { Tracks } from "./tracks.ts";

/** Keyframes in a cluster's middle are joins this far apart, so that streams of nothing else have not too many. */
const midJoinMs = 500;

/** The block or group at hand, in the cluster at hand. All offsets are absolute, timestamps are ticks. */
export class Blocks {
  readonly #sink: Sink;
  #video = 0;
  #ticksPerMs = 1;
  #ending: Uint8Array = noHeader.start;
  /** The video's pictures if it is H.264. */
  #avc: AvcTrack | undefined;
  /** The header of joins at a cluster, the one that was reported last, and that of the last join. */
  #base: Header = noHeader;
  #reported: Header = noHeader;
  #joined: Header = noHeader;
  readonly #pace = new Pace();
  #clusterOffset = 0;
  /** The cluster's; -1 while it is not known. */
  clusterTimestamp = -1;
  /** Whether the first block that decides about the cluster's join has come. */
  #isDecided = false;
  #offset = 0;
  #track = 0;
  #timestamp = 0;
  #isKeyframe = false;
  #joinedMs = Number.NaN;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** The header of joins at a cluster; `noHeader` while nothing can be joined. */
  get base(): Header {
    return this.#base;
  }

  /** From here on the tracks are these. */
  follow(tracks: Tracks): void {
    this.#video = tracks.video;
    this.#ending = tracks.ending;
    this.#avc = tracks.avcC.length > 6 ? new AvcTrack(tracks.avcC) : undefined;
  }

  /** From here on joins at a cluster have the header `base`; `noHeader`: nothing can be joined. */
  setBase(base: Header, timestampScale: number): void {
    this.#base = base;
    this.#ticksPerMs = 1e6 / timestampScale;
    if (base !== noHeader) this.#report(base);
  }

  beginCluster(offset: number): void {
    this.#clusterOffset = offset;
    this.clusterTimestamp = -1;
    this.#isDecided = false;
  }

  /** A group begins, which is a keyframe if it refers to no other block. */
  beginGroup(offset: number): void {
    this.#offset = offset;
    this.#track = 0;
    this.#isKeyframe = true;
  }

  /** The group refers to another block. */
  refer(): void {
    this.#isKeyframe = false;
  }

  /** A block that is in no group begins. */
  beginSimple(offset: number, isKeyframe: boolean): void {
    this.#offset = offset;
    this.#isKeyframe = isKeyframe;
  }

  /** The head of the block at hand is read. True if it is a picture that is wanted, and for which `end` is to be called. */
  begin(track: number, relative: number, isKeyframe: boolean): boolean {
    this.#track = track;
    this.#timestamp = this.clusterTimestamp + relative;
    if (track !== this.#video || this.#avc === undefined) return false;
    this.#avc.begin(isKeyframe);
    return true;
  }

  /** More of the picture, from `at` up to `end` of `bytes`. True once all is known of it. */
  take(bytes: Uint8Array, at: number, end: number): boolean {
    this.#avc?.take(bytes, at, end);
    return this.#avc?.isDone === true;
  }

  /** The picture is over, or all that is wanted of it is known. */
  end(): void {
    this.#avc?.end();
  }

  /** Bytes were lost. */
  lose(): void {
    this.#avc?.lose();
  }

  /** All is known of the block or group at hand that decides about a join. */
  decide(): void {
    if (this.#base === noHeader || (this.#video !== 0 && this.#video !== this.#track)) return;
    const isFirst = !this.#isDecided;
    const atMs = this.#timestamp / this.#ticksPerMs;
    const isDue = !(Math.abs(atMs - this.#joinedMs) < midJoinMs);
    this.#isDecided = true;
    if (isFirst && (this.#isKeyframe || this.#video === 0)) this.#join(this.#clusterOffset, false);
    else if (this.#isKeyframe && this.#video !== 0 && isDue && this.clusterTimestamp >= 0) {
      this.#join(this.#offset, true);
    } else return;
    this.#joinedMs = atMs;
  }

  #join(offset: number, isInside: boolean): void {
    const header = this.#headerAt(isInside);
    if (header !== this.#joined && !this.#pace.allowsHeader(offset, header)) return;
    this.#joined = header;
    this.#report(header);
    this.#sink.join(offset, true);
  }

  #headerAt(isInside: boolean): Header {
    const bridge = this.#avc?.bridge;
    if (!isInside && bridge === undefined && this.#ending.length === 0) return this.#base;
    return joinHeader(this.#base, {
      cluster: this.clusterTimestamp,
      isInside,
      timestamp: this.#timestamp,
      ticksPerMs: this.#ticksPerMs,
      track: this.#video,
      ending: this.#ending,
      bridge,
    });
  }

  #report(header: Header): void {
    if (header !== this.#reported) this.#sink.header(header);
    this.#reported = header;
  }
}
