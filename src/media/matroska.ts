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

import type { Container, Detector, Header, Sink, StreamInfo } from "./detector.ts";
import { maxHeaderBytes, noHeader, sniffLimit } from "./detector.ts";
import { readElement, readSize, readUint, vintLength } from "./ebml.ts";
import { concat, Gather } from "./gather.ts";
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
} from "./matroskaids.ts";
import { readDocType, readTracks } from "./matroskatracks.ts";

/** Segment of unknown size, which is how every joiner's stream begins. */
const openSegment = new Uint8Array([0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
/** Larger blocks, and larger other things to be passed over, are taken for damage. */
const maxBlockBytes = 64 * 1024 * 1024;
const maxIdleBytes = 1024 * 1024 * 1024;
/** A search for the next Cluster that goes on for longer makes the stream lost; muxers end theirs at 5 MB. */
const maxSearchBytes = 8 * 1024 * 1024;
/** Keyframes in a cluster's middle are joins this far apart, so that streams of nothing else have not too many. */
const midJoinMs = 500;

/** Matroska and WebM: sniffed by the EBML head's document type and the chain of elements up to Tracks. */
export const matroska: Container = {
  name: "matroska",
  sniff(start) {
    const magic = [0x1a, 0x45, 0xdf, 0xa3];
    if (magic.some((byte, i) => i < start.length && start[i] !== byte)) return "no";
    const more = start.length < sniffLimit ? "more" : "no";
    const head = readElement(start, 0, start.length);
    if (head === undefined) return start.length < 12 ? "more" : "no";
    if (head.end > 4096) return "no";
    if (head.end > start.length) return more;
    const docType = readDocType(start.subarray(0, head.end));
    if (docType !== "matroska" && docType !== "webm") return "no";
    const segment = readElement(start, head.end, start.length);
    if (segment === undefined) return start.length < head.end + 12 ? "more" : "no";
    if (segment.id !== segmentId) return "no";
    let at = segment.body;
    while (at + 12 <= start.length) {
      const child = readElement(start, at, start.length);
      if (child === undefined || !topIds.has(child.id)) return "no";
      if (child.id === tracksId || child.id === clusterId) return "yes";
      at = child.end;
    }
    return more;
  },
  create: (sink) => new MatroskaDetector(sink),
};

/** Where the next element lies: in the Segment (or beside it), in a Cluster, in a BlockGroup. */
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
  #kept: Uint8Array | undefined;
  /** The last four bytes of a search, and how many it has seen. */
  #window = 0;
  #searched = 0;

  #ebml: Uint8Array | undefined;
  #infoElement: Uint8Array | undefined;
  #tracks: Uint8Array | undefined;
  #video = 0;
  #timestampScale = 1_000_000;
  #ending: Uint8Array = new Uint8Array(0);
  /** The header of joins at a cluster, and the one that the sink was told last. */
  #base: Header = noHeader;
  #told: Header = noHeader;

  #clusterOffset = 0;
  #clusterEnd = 0;
  #clusterTimestamp = -1;
  /** Whether the first block that decides about the cluster's join has come. */
  #decided = false;
  #groupOffset = 0;
  #groupEnd = 0;
  #groupTrack = 0;
  #groupTimestamp = 0;
  #groupIsKeyframe = false;
  #joinedMs = Number.NaN;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(1);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#stage === "body") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#kept?.set(bytes.subarray(at, end), this.#kept.length - this.#left);
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
      } else this.info.damaged++;
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
      const others = (this.#ebml?.length ?? 0) + (this.#infoElement?.length ?? 0);
      if (size + others + 64 > maxHeaderBytes) {
        this.lost = true;
        return;
      }
      this.#kept = new Uint8Array(size);
      this.#kept.set(this.#gather.bytes.subarray(0, this.#gather.length));
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
      this.#groupOffset = this.#elementOffset;
      this.#groupEnd = end;
      this.#groupTrack = 0;
      this.#groupIsKeyframe = true;
      if (this.#left === 0) this.#close(offset);
      else this.#next();
    } else if (this.#id === simpleBlockId) this.#enterPeek(12, offset);
    else if (this.#id === timestampId) this.#enterPeek(8, offset);
    else this.#enterBody(offset);
  }

  #groupElement(offset: number): void {
    if (!(offset + this.#left <= this.#groupEnd)) return this.#damage();
    if (this.#id === referenceBlockId) this.#groupIsKeyframe = false;
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
    if (this.#level === "cluster") {
      this.#block(track, timestamp, (bytes[flagsAt] & 0x80) !== 0, this.#elementOffset);
    } else {
      this.#groupTrack = track;
      this.#groupTimestamp = timestamp;
    }
    this.#enterBody(offset);
  }

  /** The element ends before `offset`, and with it perhaps what it is in. */
  #body(offset: number): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#keep(kept);
    this.#close(offset);
  }

  #close(offset: number): void {
    if (this.#level === "group" && offset >= this.#groupEnd) {
      this.#level = "cluster";
      this.#block(this.#groupTrack, this.#groupTimestamp, this.#groupIsKeyframe, this.#groupOffset);
    }
    if (this.#level === "cluster" && offset >= this.#clusterEnd) this.#level = "top";
    if (this.#level === "top" && this.#base !== noHeader) this.#sink.unit(offset);
    this.#next();
  }

  #block(track: number, timestamp: number, isKeyframe: boolean, offset: number): void {
    if (this.#base === noHeader || (this.#video !== 0 && this.#video !== track)) return;
    const isFirst = !this.#decided;
    const atMs = (timestamp * this.#timestampScale) / 1e6;
    const isDue = !(Math.abs(atMs - this.#joinedMs) < midJoinMs);
    this.#decided = true;
    if (isFirst && (isKeyframe || this.#video === 0)) {
      this.#tell(this.#ending.length > 0 ? this.#headerAt(timestamp, false) : this.#base);
      this.#sink.join(this.#clusterOffset);
    } else if (isKeyframe && this.#video !== 0 && isDue && this.#clusterTimestamp >= 0) {
      this.#tell(this.#headerAt(timestamp, true));
      this.#sink.join(offset);
    } else return;
    this.#joinedMs = atMs;
  }

  /** The header of a join that has its own: one inside a cluster, or one whose decoder must be told of a skip. */
  #headerAt(timestamp: number, isInside: boolean): Header {
    const { start, fixed } = this.#base;
    const none = noHeader.resume;
    const cluster = isInside ? openCluster(this.#clusterTimestamp) : none;
    const { length } = this.#ending;
    if (length === 0) return { start: concat([start, cluster]), resume: cluster, fixed };
    // a block (section 10.2) at the join's own time, in a cluster that goes on with the join if it is inside one
    const time = timestamp - this.#clusterTimestamp;
    const head = [simpleBlockId, 0x80 | (4 + length), 0x80 | this.#video, (time >> 8) & 255, time & 255, 0];
    const block = [openCluster(this.#clusterTimestamp), new Uint8Array(head), this.#ending];
    return { start: isInside ? concat([start, cluster]) : start, resume: concat(block), fixed };
  }

  #tell(header: Header): void {
    if (header !== this.#told) this.#sink.header(header);
    this.#told = header;
  }

  /** A whole EBML head, Info or Tracks. */
  #keep(element: Uint8Array): void {
    const { info } = this;
    if (this.#id === ebmlId) {
      this.#ebml = element;
      this.#infoElement = undefined;
      this.#tracks = undefined;
      info.container = readDocType(element) === "webm" ? "webm" : "matroska";
    } else if (this.#id === infoId) this.#infoElement = element;
    else this.#tracks = element;
    this.#base = noHeader;
    if (this.#ebml === undefined || this.#tracks === undefined) return;

    const tracks = readTracks(info.container, this.#infoElement, this.#tracks);
    this.#video = tracks.video;
    this.#timestampScale = tracks.timestampScale;
    this.#ending = tracks.ending;
    info.codecs = tracks.codecs;
    info.mediaType = `${tracks.video === 0 ? "audio" : "video"}/${info.container === "webm" ? "webm" : "x-matroska"}`;
    if (tracks.width > 0 && tracks.height > 0) {
      info.width = tracks.width;
      info.height = tracks.height;
    }
    const parts = [this.#ebml, openSegment, this.#infoElement ?? noHeader.start, this.#tracks];
    this.#base = { start: concat(parts), resume: noHeader.resume, fixed: tracks.fixed };
    this.#tell(this.#base);
  }

  #damage(): void {
    this.info.damaged++;
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

/** The head of a Cluster of unknown size, with its timestamp. */
function openCluster(timestamp: number): Uint8Array {
  const head = [0x1f, 0x43, 0xb6, 0x75, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, timestampId, 0x88];
  const cluster = new Uint8Array(head.length + 8);
  cluster.set(head);
  new DataView(cluster.buffer).setBigUint64(head.length, BigInt(Math.max(0, timestamp)));
  return cluster;
}
