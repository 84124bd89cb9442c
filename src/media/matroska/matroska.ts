// Matroska and WebM (RFC 9559) as they are streamed: EBML head, Segment, Info, Tracks, then Clusters of
// known or unknown size; Cues, Tags and the like are passed over.
//
//   EBML Segment SeekHead Info Tracks  Cluster[Timestamp Block Block ...]  Cluster[...]  Cues Tags
//   '----- header.start, but SeekHead -----'  ^join where the first video block is a keyframe
//
// A join is a cluster whose first video block is a keyframe (audio alone: every cluster), or a keyframe in a
// cluster's middle: a joiner then gets a Cluster head of unknown size before it, which the next Cluster
// ends. Such a join alone is no unit's end: a demuxer that is inside of a Cluster of known size takes
// nothing but its rest. Units are whole clusters and the other children of Segment; one of unknown size
// ends where the next begins. The Segment's own size is ignored, and unknown in the header that joiners
// get. A lost place is found again at a Cluster's id. (Past 400 lines: the levels are one state, and share it.)

import { AvcTrack } from "../annexb/avc.ts";
import { lengthOf } from "../bytes.ts";
import type { Container, Detector, Header, Sink, StreamInfo } from "../detector.ts";
import { maxHeaderBytes, noHeader } from "../detector.ts";
import { Collected, Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { readSize, readUint, restOf, vintLength, voids } from "./ebml.ts";
import { fileHeader, joinHeader } from "./header.ts";
import {
  blockGroupId,
  blockId,
  clusterId,
  clusterIds,
  ebmlId,
  infoId,
  referenceBlockId,
  segmentId,
  simpleBlockId,
  timestampId,
  topIds,
  tracksId,
} from "./ids.ts";
import { readDocType, readTimestampScale, readTracks, sniffMatroska, type Tracks } from "./tracks.ts";

/** Larger blocks, and larger other things to be passed over, are taken for damage. */
const maxBlockBytes = 64 * 1024 * 1024;
const maxIdleBytes = 1024 * 1024 * 1024;
/** A search for the next Cluster that goes on for longer makes the stream lost; muxers end theirs at 5 MB. */
const maxSearchBytes = 8 * 1024 * 1024;
/** What it costs to read a part of the header, in bytes of stream (pace.ts): its own bytes pay for the rest. */
const headerCost = 256;
/** Keyframes in a cluster's middle are joins this far apart, so that streams of nothing else have not too many. */
const midJoinMs = 500;

/** Matroska and WebM: sniffed by the EBML head's document type and the chain of elements up to Tracks. */
export const matroska: Container = {
  name: "matroska",
  sniff: sniffMatroska,
  create: (sink) => new MatroskaDetector(sink),
};

/** Where the next element lies: in the Segment (or outside), in a Cluster, in a BlockGroup. */
type Level = "top" | "cluster" | "group";
/** What is being read: an element's id and size, the first bytes of its body, its body, or a Cluster's id. */
type Stage = "element" | "peek" | "body" | "search";

class MatroskaDetector implements Detector {
  readonly info: StreamInfo = {
    container: "matroska",
    mediaType: "video/x-matroska",
    codecs: [],
    damaged: 0,
  };
  lost = false;

  readonly #sink: Sink;
  /** Id and size (12 bytes at most), track number, timestamp and flags. */
  readonly #gather = new Gather(24);
  #stage: Stage = "element";
  #level: Level = "top";
  #id = 0;
  #idLength = 0;
  #elementOffset = 0;
  /** Where in the gathered bytes the body begins. */
  #bodyAt = 0;
  /** Of the element's body, what is still to come; the element itself while it is one to be kept. */
  #left = 0;
  #kept: Collected | undefined;
  /** The last four bytes of a search, and how many it has seen. */
  #window = 0;
  #searched = 0;

  #ebml: Uint8Array | undefined;
  #infoElement: Uint8Array | undefined;
  #tracksElement: Uint8Array | undefined;
  #tracks: Tracks | undefined;
  #video = 0;
  #timestampScale = 1_000_000;
  #ending: Uint8Array = new Uint8Array(0);
  /** The video's pictures if it is H.264, and whether the present block's are still being looked at. */
  #avc: AvcTrack | undefined;
  #isPictureOpen = false;
  /** The header of joins at a cluster, the one that was reported last, and that of the last join. */
  #base: Header = noHeader;
  #reported: Header = noHeader;
  #joined: Header = noHeader;
  readonly #pace = new Pace();
  readonly #keepPace = new Pace();

  #fedTo = 0;
  #clusterOffset = 0;
  #clusterEnd = 0;
  #clusterTimestamp = -1;
  /** Whether the first block that decides about the cluster's join has come. */
  #decided = false;
  #groupEnd = 0;
  /** The present block, or group. */
  #blockOffset = 0;
  #blockTrack = 0;
  #blockTimestamp = 0;
  #blockIsKeyframe = false;
  #joinedMs = Number.NaN;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(1);
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#fedTo = offset + bytes.length;
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#stage === "body") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#kept?.take(bytes, at, end);
        if (this.#isPictureOpen) this.#picture(bytes, at, end);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#body(offset + at);
      } else if (this.#stage === "search") {
        at = this.#search(bytes, at);
      } else {
        at = this.#gather.take(bytes, at);
        if (!this.#gather.full) break;
        if (this.#stage === "peek") this.#peek(offset + at);
        else this.#head(offset + at);
      }
    }
  }

  get heldBytes(): number {
    const elements = this.#elementBytes + (this.#tracksElement?.length ?? 0);
    return elements + this.#base.bytes + (this.#kept?.heldBytes ?? 0);
  }

  /** Bytes of what stands before Tracks in a header. */
  get #elementBytes(): number {
    return (this.#ebml?.length ?? 0) + (this.#infoElement?.length ?? 0);
  }

  padding(): readonly Uint8Array[] {
    const { bytes, length, want } = this.#gather;
    const level = this.#level;
    if (this.#base === noHeader || this.#stage === "search") return [];
    const missing = this.#left + (this.#stage === "peek" ? want - length : 0);
    const rest = this.#stage === "element" ? restOf(bytes, length) : zeros(missing);
    const ends = [level === "group" ? this.#groupEnd : 0, level === "top" ? 0 : this.#clusterEnd];
    return [...rest, ...voids(this.#fedTo + lengthOf(rest), ends)];
  }

  /** Some more of an element's id and size is there. */
  #head(offset: number): void {
    const { bytes, length } = this.#gather;
    if (length === 1) {
      this.#idLength = vintLength(bytes[0]);
      if (this.#idLength > 4) this.#damage();
      else this.#gather.want = this.#idLength + 1;
      return;
    }
    const sizeLength = vintLength(bytes[this.#idLength]);
    if (sizeLength > 8) return this.#damage();
    this.#gather.want = this.#idLength + sizeLength;
    if (!this.#gather.full) return;
    this.#id = this.#gather.number(0, this.#idLength);
    this.#elementOffset = offset - length;
    this.#element(readSize(bytes, this.#idLength, sizeLength), offset);
  }

  /** An element begins whose body is at `offset`. */
  #element(size: number, offset: number): void {
    const id = this.#id;
    this.#left = size;
    this.#kept = undefined;
    if (this.#level !== "top" && topIds.has(id) && !clusterIds.has(id)) {
      // the end of a cluster of unknown size; any other has lost some bytes on its way
      if (this.#level === "cluster" && this.#clusterEnd === Number.POSITIVE_INFINITY) {
        this.#sink.unit(this.#elementOffset);
      } else {
        this.info.damaged++;
        this.#avc?.lose();
      }
      this.#level = "top";
    }
    if (this.#level === "top") this.#topElement(offset);
    else if (this.#level === "cluster") this.#clusterElement(offset);
    else this.#groupElement(offset);
  }

  #topElement(offset: number): void {
    const id = this.#id;
    if (id === segmentId) return this.#next();
    if (id === clusterId && !Number.isNaN(this.#left)) {
      this.#level = "cluster";
      this.#clusterOffset = this.#elementOffset;
      this.#clusterEnd = offset + this.#left;
      this.#clusterTimestamp = -1;
      this.#decided = false;
      return this.#left === 0 ? this.#close(offset) : this.#next();
    }
    if (!topIds.has(id) || !(this.#left <= maxIdleBytes)) return this.#damage();
    if (id === ebmlId || id === infoId || id === tracksId) {
      const size = this.#gather.length + this.#left;
      const others = this.#elementBytes + (id === tracksId ? 0 : (this.#tracksElement?.length ?? 0));
      if (size + others + 64 > maxHeaderBytes)
        return this.#giveUp(`headers of more than ${maxHeaderBytes} bytes`);
      // Where headers come so often that there is no reading them all, none can be joined behind.
      if (this.#keepPace.allows(offset, headerCost)) {
        this.#kept = new Collected(size);
        this.#kept.take(this.#gather.bytes, 0, this.#gather.length);
      } else this.#base = noHeader;
    }
    this.#enterBody(offset);
  }

  #clusterElement(offset: number): void {
    const end = offset + this.#left;
    if (!clusterIds.has(this.#id) || !(this.#left <= maxBlockBytes) || end > this.#clusterEnd) {
      return this.#damage();
    }
    if (this.#id === blockGroupId) {
      this.#level = "group";
      this.#groupEnd = end;
      this.#blockOffset = this.#elementOffset;
      this.#blockTrack = 0;
      this.#blockIsKeyframe = true;
      if (this.#left === 0) this.#close(offset);
      else this.#next();
    } else if (this.#id === simpleBlockId) this.#enterPeek(12, offset);
    else if (this.#id === timestampId) this.#enterPeek(8, offset);
    else this.#enterBody(offset);
  }

  #groupElement(offset: number): void {
    if (!(offset + this.#left <= this.#groupEnd)) return this.#damage();
    if (this.#id === referenceBlockId) this.#blockIsKeyframe = false;
    if (this.#id === blockId) this.#enterPeek(12, offset);
    else this.#enterBody(offset);
  }

  /** Waits for the first `want` bytes of the body, or as many as there are. */
  #enterPeek(want: number, offset: number): void {
    const size = Math.min(want, this.#left);
    this.#stage = "peek";
    this.#bodyAt = this.#gather.length;
    this.#gather.want = this.#bodyAt + size;
    this.#left -= size;
    if (size === 0) this.#peek(offset);
  }

  #enterBody(offset: number): void {
    this.#stage = "body";
    if (this.#left === 0) this.#body(offset);
  }

  #next(): void {
    this.#stage = "element";
    this.#gather.start(1);
  }

  /** A timestamp, or the head of a block (section 10.1: track number, timestamp, flags). */
  #peek(offset: number): void {
    const { bytes, length } = this.#gather;
    const at = this.#bodyAt;
    if (this.#id === timestampId) {
      this.#clusterTimestamp = readUint(bytes, at, length);
      this.#searched = 0;
      return this.#enterBody(offset);
    }
    const trackLength = length > at ? vintLength(bytes[at]) : 9;
    const flagsAt = at + trackLength + 2;
    if (flagsAt >= length) return this.#damage();
    const track = readSize(bytes, at, trackLength);
    const timestamp = this.#clusterTimestamp + (((bytes[flagsAt - 2] << 24) >> 16) | bytes[flagsAt - 1]);
    const isKeyframe = this.#level === "group" || (bytes[flagsAt] & 0x80) !== 0;
    this.#blockTrack = track;
    this.#blockTimestamp = timestamp;
    if (this.#level === "cluster") {
      this.#blockOffset = this.#elementOffset;
      this.#blockIsKeyframe = isKeyframe;
    }
    if (track === this.#video && this.#avc !== undefined) {
      this.#isPictureOpen = true;
      this.#avc.begin(isKeyframe);
      this.#picture(bytes, flagsAt + 1, length);
    } else if (this.#level === "cluster") this.#block();
    this.#enterBody(offset);
  }

  /** Some more of an H.264 picture. */
  #picture(bytes: Uint8Array, at: number, end: number): void {
    this.#avc?.take(bytes, at, end);
    if (this.#avc?.isDone === true) this.#endPicture();
  }

  /** Whether a group is a keyframe is known at its end only. */
  #endPicture(): void {
    this.#isPictureOpen = false;
    this.#avc?.end();
    if (this.#level === "cluster") this.#block();
  }

  /** The element ends before `offset`, and with it perhaps what it is in. */
  #body(offset: number): void {
    if (this.#isPictureOpen) this.#endPicture();
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#keep(kept.bytes);
    this.#close(offset);
  }

  #close(offset: number): void {
    if (this.#level === "group" && offset >= this.#groupEnd) {
      this.#level = "cluster";
      this.#block();
    }
    if (this.#level === "cluster" && offset >= this.#clusterEnd) this.#level = "top";
    if (this.#level === "top" && this.#base !== noHeader) this.#sink.unit(offset);
    this.#next();
  }

  /** A block of which all is known that decides about a join. */
  #block(): void {
    const isKeyframe = this.#blockIsKeyframe;
    const timestamp = this.#blockTimestamp;
    if (this.#base === noHeader || (this.#video !== 0 && this.#video !== this.#blockTrack)) return;
    const isFirst = !this.#decided;
    const atMs = (timestamp * this.#timestampScale) / 1e6;
    const isDue = !(Math.abs(atMs - this.#joinedMs) < midJoinMs);
    this.#decided = true;
    if (isFirst && (isKeyframe || this.#video === 0)) this.#join(this.#clusterOffset, timestamp, false);
    else if (isKeyframe && this.#video !== 0 && isDue && this.#clusterTimestamp >= 0) {
      this.#join(this.#blockOffset, timestamp, true);
    } else return;
    this.#joinedMs = atMs;
  }

  #join(offset: number, timestamp: number, isInside: boolean): void {
    const header = this.#headerAt(timestamp, isInside);
    if (header !== this.#joined && !this.#pace.allowsHeader(offset, header)) return;
    this.#joined = header;
    this.#report(header);
    this.#sink.join(offset, true);
  }

  #headerAt(timestamp: number, isInside: boolean): Header {
    const bridge = this.#avc?.bridge;
    if (!isInside && bridge === undefined && this.#ending.length === 0) return this.#base;
    return joinHeader(this.#base, {
      cluster: this.#clusterTimestamp,
      isInside,
      timestamp,
      ticksPerMs: 1e6 / this.#timestampScale,
      track: this.#video,
      ending: this.#ending,
      bridge,
    });
  }

  #report(header: Header): void {
    if (header !== this.#reported) this.#sink.header(header);
    this.#reported = header;
  }

  /** A whole EBML head, Info or Tracks. */
  #keep(element: Uint8Array): void {
    const { info } = this;
    this.#base = noHeader;
    if (this.#id === ebmlId) {
      this.#ebml = element;
      this.#infoElement = undefined;
      this.#tracksElement = undefined;
      this.#tracks = undefined;
      this.#timestampScale = 1_000_000;
      info.container = readDocType(element) === "webm" ? "webm" : "matroska";
    } else if (this.#id === infoId) {
      this.#infoElement = element;
      this.#timestampScale = readTimestampScale(element);
    } else this.#setTracks(element);
    if (this.#ebml === undefined || this.#tracksElement === undefined || this.#tracks === undefined) return;
    const fixed = `${info.container} ${this.#timestampScale} ${this.#tracks.fixed}`;
    this.#base = fileHeader(this.#ebml, this.#infoElement, this.#tracksElement, fixed);
    this.#report(this.#base);
  }

  #setTracks(element: Uint8Array): void {
    const { info } = this;
    const tracks = readTracks(element);
    if (tracks === undefined) return this.#giveUp("Tracks with more entries than make sense");
    this.#tracksElement = element;
    this.#tracks = tracks;
    this.#video = tracks.video;
    this.#ending = tracks.ending;
    this.#avc = tracks.avcC.length > 6 ? new AvcTrack(tracks.avcC) : undefined;
    info.codecs = tracks.codecs;
    info.mediaType = `${tracks.video === 0 ? "audio" : "video"}/${info.container === "webm" ? "webm" : "x-matroska"}`;
    if (tracks.width > 0 && tracks.height > 0) {
      info.width = tracks.width;
      info.height = tracks.height;
    }
  }

  #giveUp(problem: string): void {
    this.lost = true;
    this.info.problem = problem;
  }

  #damage(): void {
    this.info.damaged++;
    this.#avc?.lose();
    this.#isPictureOpen = false;
    this.#stage = "search";
    this.#level = "top";
    this.#window = 0;
    for (let i = 0; i < this.#gather.length; i++) this.#window = (this.#window << 8) | this.#gather.bytes[i];
  }

  /** Looks for a Cluster's id, or that of a stream that begins anew; returns where it stopped in `bytes`. */
  #search(bytes: Uint8Array, from: number): number {
    let window = this.#window;
    let at = from;
    let found = false;
    while (at < bytes.length && !found) {
      window = (window << 8) | bytes[at++];
      found = window === clusterId || window === ebmlId;
    }
    this.#window = window;
    this.#searched += at - from;
    if (this.#searched > maxSearchBytes) this.lost = true;
    if (found) {
      this.#stage = "element";
      this.#gather.start(5);
      for (let i = 0; i < 4; i++) this.#gather.bytes[i] = window >>> (24 - 8 * i);
      this.#gather.length = 4;
      this.#idLength = 4;
    }
    return at;
  }
}
