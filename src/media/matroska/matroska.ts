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
// get. A lost place is found again at a Cluster's id.

import { lengthOf, readNumber } from "../bytes.ts";
import type { Container, Detector, Sink, StreamInfo } from "../detector.ts";
import { noHeader } from "../detector.ts";
import { ElementReader, type ElementSink } from "../elementreader.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { Blocks } from "./blocks.ts";
import { readSize, readUint, restOf, vintLength, voids } from "./ebml.ts";
import { FileHeader } from "./fileheader.ts";
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
import { sniffMatroska, type Tracks } from "./tracks.ts";

/** Larger blocks, and larger other things to be passed over, are taken for damage. */
const maxBlockBytes = 64 * 1024 * 1024;
const maxSkippedBytes = 1024 * 1024 * 1024;
/** A search for the next Cluster that goes on for longer makes the stream lost; muxers end theirs at 5 MB. */
const maxSearchBytes = 8 * 1024 * 1024;
/** What it costs to read a part of the header, in bytes of stream (pace.ts): its own bytes pay for the rest. */
const headerCost = 256;
/** What each element costs: a block of silence in a group has some five bytes for each, and streams of less are none. */
const elementCost = 4;
/** EBML head, Info and Tracks together: many times what real files have, as all of it is read at once. */
const maxTracksBytes = 1024 * 1024;
/** Id and size (12 bytes at most); of a block also track number, timestamp and flags. */
const headBytes = 24;
/** How much of a block, and of a timestamp, is read. */
const blockHeadBytes = 12;
const timestampBytes = 8;

/** Matroska and WebM: sniffed by the EBML head's document type and the chain of elements up to Tracks. */
export const matroska: Container = {
  name: "matroska",
  sniff: sniffMatroska,
  create: (sink) => new MatroskaDetector(sink),
};

/** Where the next element lies: in the Segment (or outside), in a Cluster, in a BlockGroup. */
type Level = "top" | "cluster" | "group";

class MatroskaDetector implements Detector, ElementSink {
  readonly info: StreamInfo = {
    container: "matroska",
    mediaType: "video/x-matroska",
    codecs: [],
    damaged: 0,
  };
  readonly begins = isStart;
  readonly #sink: Sink;
  readonly #reader = new ElementReader(this, headBytes, 1, maxSearchBytes);
  readonly #header = new FileHeader();
  readonly #blocks: Blocks;
  readonly #keepPace = new Pace();
  readonly #elementPace = new Pace();
  /** What is gathered: an element's id and size, or also the first bytes of its body. */
  #part: "element" | "peek" = "element";
  #level: Level = "top";
  /** The element at hand. */
  #id = 0;
  #idLength = 0;
  #offset = 0;
  /** Where in the gathered bytes its body begins, and what of the body is not gathered. */
  #bodyAt = 0;
  #left = 0;
  #clusterEnd = 0;
  #groupEnd = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#blocks = new Blocks(sink);
  }

  get lost(): boolean {
    return this.#reader.lost;
  }

  get heldBytes(): number {
    return this.#header.bytes + this.#blocks.base.bytes + this.#reader.heldBytes;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#reader.feed(bytes, offset);
  }

  padding(): readonly Uint8Array[] {
    const { stage, left, gather, fedTo } = this.#reader;
    if (this.#blocks.base === noHeader || stage === "search") return [];
    let rest = zeros(left);
    if (stage === "head" && this.#part === "element") rest = restOf(gather.bytes, gather.length);
    else if (stage === "head") rest = zeros(this.#left + gather.want - gather.length);
    const ends = [this.#level === "group" ? this.#groupEnd : 0, this.#level === "top" ? 0 : this.#clusterEnd];
    return [...rest, ...voids(fedTo + lengthOf(rest), ends)];
  }

  gathered(offset: number): void {
    if (this.#reader.stage === "search") {
      // the id of a Cluster, or of a stream that begins anew
      this.#idLength = 4;
      this.#reader.want(5);
    } else if (this.#part === "peek") this.#peek(offset);
    else this.#head(offset);
  }

  /** Some more of an element's id and size is there. */
  #head(offset: number): void {
    const { bytes, length } = this.#reader.gather;
    if (length === 1) {
      this.#idLength = vintLength(bytes[0]);
      if (this.#idLength > 4) this.#damage();
      else this.#reader.want(this.#idLength + 1);
      return;
    }
    const sizeLength = vintLength(bytes[this.#idLength]);
    if (sizeLength > 8) return this.#damage();
    this.#reader.want(this.#idLength + sizeLength);
    if (!this.#reader.gather.full) return;
    this.#id = readUint(bytes, 0, this.#idLength);
    this.#offset = offset - length;
    this.#left = readSize(bytes, this.#idLength, sizeLength);
    this.#element(offset);
  }

  /** An element begins whose body is at `offset`. */
  #element(offset: number): void {
    const id = this.#id;
    if (!this.#elementPace.allows(offset, elementCost)) return this.#giveUp("empty elements");
    if (this.#level !== "top" && topIds.has(id) && !clusterIds.has(id)) {
      // the end of a cluster of unknown size; any other has lost some bytes on its way
      if (this.#level === "cluster" && this.#clusterEnd === Number.POSITIVE_INFINITY) {
        this.#sink.unit(this.#offset);
      } else {
        this.info.damaged++;
        this.#blocks.lose();
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
      this.#clusterEnd = offset + this.#left;
      this.#blocks.beginCluster(this.#offset);
      return this.#left === 0 ? this.#close(offset) : this.#next();
    }
    if (!topIds.has(id) || !(this.#left <= maxSkippedBytes)) return this.#damage();
    if (id === ebmlId || id === infoId || id === tracksId) {
      const size = this.#reader.gather.length + this.#left;
      if (size + this.#header.bytesBeside(id) + 64 > maxTracksBytes)
        return this.#giveUp(`headers of more than ${maxTracksBytes} bytes`);
      // Where headers come so often that there is no reading them all, none can be joined behind.
      if (this.#keepPace.allows(offset, headerCost)) this.#reader.keep(size);
      else this.#blocks.setBase(noHeader, this.#header.timestampScale);
    }
    this.#reader.enter(this.#left, offset);
  }

  #clusterElement(offset: number): void {
    const end = offset + this.#left;
    if (!clusterIds.has(this.#id) || !(this.#left <= maxBlockBytes) || end > this.#clusterEnd) {
      return this.#damage();
    }
    if (this.#id === blockGroupId) {
      this.#level = "group";
      this.#groupEnd = end;
      this.#blocks.beginGroup(this.#offset);
      if (this.#left === 0) this.#close(offset);
      else this.#next();
    } else if (this.#id === simpleBlockId) this.#enterPeek(blockHeadBytes, offset);
    else if (this.#id === timestampId) this.#enterPeek(timestampBytes, offset);
    else this.#reader.enter(this.#left, offset);
  }

  #groupElement(offset: number): void {
    if (!(offset + this.#left <= this.#groupEnd)) return this.#damage();
    if (this.#id === referenceBlockId) this.#blocks.refer();
    if (this.#id === blockId) this.#enterPeek(blockHeadBytes, offset);
    else this.#reader.enter(this.#left, offset);
  }

  /** Waits for the first `want` bytes of the body, or as many as there are. */
  #enterPeek(want: number, offset: number): void {
    const size = Math.min(want, this.#left);
    this.#part = "peek";
    this.#bodyAt = this.#reader.gather.length;
    this.#reader.want(this.#bodyAt + size);
    this.#left -= size;
    if (size === 0) this.#peek(offset);
  }

  #next(): void {
    this.#part = "element";
    this.#reader.expect(1);
  }

  /** A timestamp, or the head of a block (section 10.1: track number, timestamp, flags). */
  #peek(offset: number): void {
    const { bytes, length } = this.#reader.gather;
    const at = this.#bodyAt;
    if (this.#id === timestampId) {
      this.#blocks.clusterTimestamp = readUint(bytes, at, length);
      this.#reader.searched = 0;
      return this.#reader.enter(this.#left, offset);
    }
    const trackLength = length > at ? vintLength(bytes[at]) : 9;
    const flagsAt = at + trackLength + 2;
    if (flagsAt >= length) return this.#damage();
    const track = readSize(bytes, at, trackLength);
    const relative = ((bytes[flagsAt - 2] << 24) >> 16) | bytes[flagsAt - 1];
    const isKeyframe = this.#level === "group" || (bytes[flagsAt] & 0x80) !== 0;
    if (this.#level === "cluster") this.#blocks.beginSimple(this.#offset, isKeyframe);
    if (this.#blocks.begin(track, relative, isKeyframe)) {
      this.#reader.isShown = true;
      this.shown(bytes, flagsAt + 1, length);
    } else if (this.#level === "cluster") this.#blocks.decide();
    this.#reader.enter(this.#left, offset);
  }

  /** Some more of a picture. */
  shown(bytes: Uint8Array, at: number, end: number): void {
    if (this.#blocks.take(bytes, at, end)) this.#endPicture();
  }

  /** Whether a group is a keyframe is known at its end only. */
  #endPicture(): void {
    this.#reader.isShown = false;
    this.#blocks.end();
    if (this.#level === "cluster") this.#blocks.decide();
  }

  /** The element ends before `offset`, and with it perhaps what it is in. */
  ended(offset: number, kept: Uint8Array | undefined): void {
    if (this.#reader.isShown) this.#endPicture();
    if (kept !== undefined) this.#keep(kept);
    this.#close(offset);
  }

  #close(offset: number): void {
    if (this.#level === "group" && offset >= this.#groupEnd) {
      this.#level = "cluster";
      this.#blocks.decide();
    }
    if (this.#level === "cluster" && offset >= this.#clusterEnd) this.#level = "top";
    if (this.#level === "top" && this.#blocks.base !== noHeader) this.#sink.unit(offset);
    this.#next();
  }

  /** A whole EBML head, Info or Tracks. */
  #keep(element: Uint8Array): void {
    const header = this.#header;
    if (!header.keep(this.#id, element)) return this.#giveUp("too many tracks");
    this.info.container = header.container;
    if (this.#id === tracksId && header.tracks !== undefined) {
      this.#blocks.follow(header.tracks);
      this.#describe(header.tracks);
    }
    this.#blocks.setBase(header.made(), header.timestampScale);
  }

  #describe({ codecs, video, width, height }: Tracks): void {
    const { info } = this;
    info.codecs = codecs;
    info.mediaType = `${video === 0 ? "audio" : "video"}/${info.container === "webm" ? "webm" : "x-matroska"}`;
    if (width > 0 && height > 0) {
      info.width = width;
      info.height = height;
    }
  }

  #giveUp(problem: string): void {
    this.#reader.lost = true;
    this.info.problem = problem;
  }

  #damage(): void {
    this.info.damaged++;
    this.#blocks.lose();
    this.#part = "element";
    this.#level = "top";
    // the last three bytes may be the beginning of an id
    this.#reader.search(4, Math.max(0, this.#reader.gather.length - 3));
  }
}

/** Whether a Cluster, or a stream that begins anew, can begin at `at`, by its id. */
function isStart(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at];
  if (first !== clusterId >>> 24 && first !== ebmlId >>> 24) return false;
  const id = readNumber(bytes, at, 4);
  return id === clusterId || id === ebmlId;
}
