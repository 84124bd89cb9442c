// FLV (Adobe Flash Video File Format 10.1, annex E; Enhanced RTMP v2 for HEVC, AV1, VP9 and more): a 9-byte
// head, then tags, each followed by its own size. A join point is a video tag with a keyframe, or, where
// there is no video, an audio tag about twice a second; a unit is a tag with the size that follows it.
// Joiners get the head, onMetaData and the decoders' configurations ("sequence headers"), the latter with
// the timestamp of the tag that they join at, so that no clock jumps; in mid-stream they are all that is
// repeated. Payloads are skipped by length. A lost place is found again by a tag whose own size
// follows it.

import { AvcTrack } from "../annexb/avc.ts";
import { readNumber, sameBytes } from "../bytes.ts";
import type { Container, Detector, Sink, StreamInfo } from "../detector.ts";
import { maxHeaderBytes, sniffLimit } from "../detector.ts";
import { ElementReader, type ElementSink } from "../elementreader.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { avcHeadBytes, HeaderTags, headBytes } from "./header.ts";
import { configSize, isPlausibleTag, metadataSize, peekBytes, Tag, tagHeadBytes } from "./tag.ts";

/** A search for the next tag that goes on for longer makes the stream lost. */
const maxSearchBytes = 1024 * 1024;
/** Audio-only streams: joins are this far apart, so that there are not hundreds a second to remember. */
const audioJoinMs = 500;
/** So many audio tags, and none of video, make a stream audio-only, whatever its head promises. */
const audioOnlyTags = 200;
/** The track whose pictures are followed where they are H.264. */
const avcTrack = 256;
/** What it costs to read a configuration, in bytes of stream (pace.ts): its own bytes pay for the rest. */
const configCost = 256;
/** What of a tag is gathered: the file's head, a tag's head, its first payload bytes, the size that follows it. */
type Part = "head" | "tag" | "peek" | "tail";

/** FLV: sniffed by its head and a first tag that is followed by its own size. */
export const flv: Container = {
  name: "flv",
  sniff(start) {
    const magic = [0x46, 0x4c, 0x56, 0x01];
    if (magic.some((byte, i) => i < start.length && start[i] !== byte)) return "no";
    if (start.length < headBytes + tagHeadBytes) return "more";
    if (!isHead(start) || !isPlausibleTag(start, headBytes)) return "no";
    const tailAt = headBytes + tagHeadBytes + readNumber(start, headBytes + 1, 3);
    if (tailAt + 4 > sniffLimit) return "no";
    if (tailAt + 4 > start.length) return "more";
    return readNumber(start, tailAt, 4) === tailAt - headBytes ? "yes" : "no";
  },
  create: (sink) => new FlvDetector(sink),
};

function isHead(bytes: Uint8Array): boolean {
  return (
    readNumber(bytes, 0, 4) === 0x464c_5601 &&
    (bytes[4] & 0xfa) === 0 &&
    readNumber(bytes, 5, 4) === 9 &&
    readNumber(bytes, 9, 4) === 0
  );
}

class FlvDetector implements Detector, ElementSink {
  readonly info: StreamInfo = { container: "flv", mediaType: "video/x-flv", codecs: [], damaged: 0 };
  readonly begins = isFilledTag;
  readonly #sink: Sink;
  readonly #reader = new ElementReader(this, tagHeadBytes + peekBytes, headBytes, maxSearchBytes);
  readonly #tag = new Tag();
  #part: Part = "head";
  #tagOffset = 0;
  #payloadBytes = 0;
  /** A tag found by a search is on trial until its size follows it. */
  #trial = false;

  readonly #header = new HeaderTags();
  #headerChanged = true;
  readonly #pace = new Pace();
  readonly #keepPace = new Pace();
  /** The video's pictures if it is H.264, and whether the present tag's are still being looked at. */
  #avc: AvcTrack | undefined;
  #avcConfig: Uint8Array = new Uint8Array(0);
  #hasVideo = false;
  #audioTags = 0;
  #audioJoinedMs = Number.NaN;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get lost(): boolean {
    return this.#reader.lost;
  }

  get heldBytes(): number {
    return this.#header.bytes + this.#reader.heldBytes;
  }

  feed(bytes: Uint8Array, offset: number): void {
    this.#reader.feed(bytes, offset);
  }

  padding(): readonly Uint8Array[] {
    const { stage, left, gather } = this.#reader;
    const part = this.#part;
    if (part === "head" || stage === "search" || (part === "tag" && gather.length === 0)) return [];
    const head = new Uint8Array(tagHeadBytes);
    if (part === "tag") head.set(gather.bytes.subarray(0, gather.length));
    const tagBytes = tagHeadBytes + (part === "tag" ? readNumber(head, 1, 3) : this.#payloadBytes);
    const before = stage === "body" ? tagBytes - left : part === "tail" ? tagBytes : 0;
    const missing = tagBytes + 4 - before - (stage === "body" ? 0 : gather.length);
    // the size that follows each tag
    const size = Uint8Array.of(tagBytes >>> 24, tagBytes >>> 16, tagBytes >>> 8, tagBytes);
    return [...zeros(missing - 4), size.subarray(Math.max(0, 4 - missing))];
  }

  gathered(offset: number): void {
    const { bytes } = this.#reader.gather;
    if (this.#reader.stage === "search") {
      this.#trial = true;
      this.#enter(offset);
    } else if (this.#part === "peek") this.#peek(offset);
    else if (this.#part === "tail") this.#tail(offset);
    else if (this.#part === "head") {
      if (!isHead(bytes)) return this.#lose();
      this.#header.head = bytes.slice(0, headBytes);
      this.#hasVideo = (bytes[4] & 1) !== 0;
      this.#expectTag();
    } else if (isPlausibleTag(bytes, 0)) this.#enter(offset);
    else {
      this.info.damaged++;
      this.#avc?.lose();
      this.#reader.searched = 0;
      this.#reader.search(tagHeadBytes, 1);
    }
  }

  #expectTag(): void {
    this.#part = "tag";
    this.#reader.expect(tagHeadBytes);
  }

  /** The head of a tag is there. */
  #enter(offset: number): void {
    this.#tagOffset = offset - tagHeadBytes;
    this.#payloadBytes = this.#reader.gather.number(1, 3);
    this.#part = "peek";
    this.#reader.want(tagHeadBytes + Math.min(this.#payloadBytes, peekBytes));
    if (this.#reader.gather.full) this.#peek(offset);
  }

  #peek(offset: number): void {
    const { bytes, length } = this.#reader.gather;
    if (!this.#trial) {
      this.#tag.read(bytes, length);
      this.#classified();
    }
    if (!this.lost) this.#reader.enter(tagHeadBytes + this.#payloadBytes - length, offset);
  }

  /** It is known what the tag is; a keyframe's join is reported before the keyframe is whole. */
  #classified(): void {
    const tag = this.#tag;
    if (tag.role === "metadata" || tag.role === "config") {
      const size = tagHeadBytes + this.#payloadBytes;
      if (size > maxHeaderBytes) return this.#giveUp();
      if (!this.#keepPace.allows(this.#tagOffset, configCost)) {
        // What follows is not to be decoded with the one before: it can't be joined until the next.
        if (tag.role === "config") this.#header.drop(tag.track);
        return;
      }
      return this.#reader.keep(size);
    }
    if (tag.role === "other") return;
    const { bytes, length } = this.#reader.gather;
    if (
      tag.track === avcTrack &&
      tag.role === "video" &&
      bytes[tagHeadBytes] < 0x80 &&
      this.#avc !== undefined
    ) {
      this.#reader.isShown = true;
      this.#avc.begin(tag.keyframe);
      this.shown(bytes, Math.min(tagHeadBytes + avcHeadBytes, length), length);
    } else this.#media();
  }

  /** Some more of an H.264 picture. */
  shown(bytes: Uint8Array, at: number, end: number): void {
    this.#avc?.take(bytes, at, end);
    if (this.#avc?.isDone === true) this.#endPicture();
  }

  #endPicture(): void {
    this.#reader.isShown = false;
    this.#avc?.end();
    this.#media();
  }

  /** A tag with a picture or sound of which all is known that decides about a join. */
  #media(): void {
    const tag = this.#tag;
    if (tag.codec !== "" && !this.info.codecs.includes(tag.codec)) this.info.codecs.push(tag.codec);
    const playable = !tag.needsConfig || this.#header.hasConfig(tag.track);
    let join = false;
    if (tag.role === "video") {
      this.#hasVideo = true;
      this.#audioTags = Number.NEGATIVE_INFINITY;
      join = playable && tag.keyframe && (tag.track & 255) === 0;
    } else {
      this.#audioTags++;
      const since = tag.timestampMs - this.#audioJoinedMs;
      const due = !(since >= 0 && since < audioJoinMs);
      join = playable && due && (!this.#hasVideo || this.#audioTags > audioOnlyTags);
      if (join) this.#audioJoinedMs = tag.timestampMs;
    }
    if (!join && !this.#headerChanged) return;
    const bridge = join && tag.track === avcTrack ? this.#avc?.bridge : undefined;
    const header = this.#header.at(tag.timestampMs, bridge);
    if (!this.#pace.allowsHeader(this.#tagOffset, header)) return;
    this.#sink.header(header);
    this.#headerChanged = false;
    if (join) this.#sink.join(this.#tagOffset);
  }

  #lose(): void {
    this.#reader.lost = true;
  }

  #giveUp(): void {
    this.#lose();
    this.info.problem = `headers of more than ${maxHeaderBytes} bytes`;
  }

  ended(_offset: number, kept: Uint8Array | undefined): void {
    if (this.#reader.isShown) this.#endPicture();
    if (kept !== undefined) this.#keep(kept);
    this.#part = "tail";
    this.#reader.expect(4);
  }

  #keep(kept: Uint8Array): void {
    const { role, track, codec } = this.#tag;
    this.#headerChanged = true;
    let size: { width: number; height: number } | undefined;
    if (role === "metadata") {
      this.#header.metadata = kept;
      size = metadataSize(kept);
    } else if (this.#header.keepConfig(track, kept)) {
      size = configSize(kept, codec);
      this.#configureAvc(kept);
    }
    Object.assign(this.info, size);
    if (this.#header.bytes > maxHeaderBytes) this.#giveUp();
  }

  #configureAvc(kept: Uint8Array): void {
    const { codec, track } = this.#tag;
    const config = kept.subarray(tagHeadBytes + avcHeadBytes);
    if (track !== avcTrack || sameBytes(config, this.#avcConfig)) return;
    this.#avcConfig = config;
    this.#avc = codec === "h264" ? new AvcTrack(config) : undefined;
  }

  #tail(offset: number): void {
    const isTag = this.#reader.gather.number(0, 4) === tagHeadBytes + this.#payloadBytes;
    const isRefuted = this.#trial && !isTag;
    this.#trial = false;
    if (isTag) this.#sink.unit(offset);
    // A wrong size alone is a careless encoder's; the next tag's head shows whether the place is lost.
    this.#expectTag();
    if (!isRefuted) return;
    this.#reader.searched += this.#payloadBytes;
    this.#reader.search(tagHeadBytes, 0);
  }
}

/** Whether there can be the head of a tag that is not empty at `at`. */
function isFilledTag(bytes: Uint8Array, at: number): boolean {
  return isPlausibleTag(bytes, at) && readNumber(bytes, at + 1, 3) > 0;
}
