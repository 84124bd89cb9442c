// FLV (Adobe Flash Video File Format 10.1, annex E; Enhanced RTMP v2 for HEVC, AV1, VP9 and more): a 9-byte
// head, then tags, each followed by its own size. A join point is a video tag with a keyframe, or, where
// there is no video, an audio tag about twice a second; a unit is a tag with the size that follows it.
// Joiners get the head, onMetaData and the decoders' configurations ("sequence headers"), the latter with
// the timestamp of the tag that they join at, so that no clock jumps; in mid-stream they are all that is
// repeated. Payloads are skipped by length. A lost place is found again by a tag whose own size
// follows it.

import { type AvcBridge, AvcTrack } from "../annexb/avc.ts";
import { concat, readNumber, sameBytes } from "../bytes.ts";
import type { Container, Detector, Header, Sink, StreamInfo } from "../detector.ts";
import { LazyHeader, maxHeaderBytes, sniffLimit } from "../detector.ts";
import { Collected, Gather } from "../gather.ts";
import { Pace } from "../pace.ts";
import { zeros } from "../padding.ts";
import { configSize, isPlausibleTag, metadataSize, peekBytes, Tag, tagHeadBytes } from "./tag.ts";

/** The head, and the size (zero) of the tag before the first one. */
const headBytes = 13;
/** A search for the next tag that goes on for longer makes the stream lost. */
const maxSearchBytes = 1024 * 1024;
/** Audio-only streams: joins are this far apart, so that there are not hundreds a second to remember. */
const audioJoinMs = 500;
/** So many audio tags, and none of video, make a stream audio-only, whatever its head promises. */
const audioOnlyTags = 200;
/**
 * The time between the pictures of a bridge (avc.ts), which come before the join. In mid-stream they are shown, as
 * repetitions of the last one before the skip; at the start they are not.
 */
const bridgeStepMs = 100;
/** Of an AVC tag's payload, what comes before the sample (E.4.3.1, E.4.3.2), and the track that is followed. */
const avcHeadBytes = 5;
const avcTrack = 256;
/** What it costs to read a configuration, in bytes of stream (pace.ts): its own bytes pay for the rest. */
const configCost = 256;
/** Tracks whose configurations are kept. Of what a hostile stream has beyond, joiners get nothing. */
const maxConfigs = 16;

type Stage = "head" | "tag" | "peek" | "body" | "tail" | "search";

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

class FlvDetector implements Detector {
  readonly info: StreamInfo = { container: "flv", mediaType: "video/x-flv", codecs: [], damaged: 0 };
  lost = false;

  readonly #sink: Sink;
  readonly #gather = new Gather(tagHeadBytes + peekBytes);
  readonly #tag = new Tag();
  #stage: Stage = "head";
  #tagOffset = 0;
  #payloadBytes = 0;
  /** Of the payload, what is still to come. */
  #left = 0;
  /** The tag itself while it is one to be kept. */
  #kept: Collected | undefined;
  /** Bytes searched since the place was lost. A tag found so is on trial until its size follows it. */
  #searched = 0;
  #trial = false;

  #head: Uint8Array = new Uint8Array(0);
  #metadata: Uint8Array | undefined;
  /** Configuration tags by track, without the sizes that follow them. */
  readonly #configs = new Map<number, Uint8Array>();
  /** The same as a list that does not change, and the bytes of all that headers are made of. */
  #configList: readonly Uint8Array[] = [];
  #headerBytes = headBytes;
  #headerChanged = true;
  readonly #pace = new Pace();
  readonly #keepPace = new Pace();
  /** The video's pictures if it is H.264, and whether the present tag's are still being looked at. */
  #avc: AvcTrack | undefined;
  #avcConfig: Uint8Array = new Uint8Array(0);
  #isPictureOpen = false;
  #hasVideo = false;
  #audioTags = 0;
  #audioJoinedMs = Number.NaN;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#gather.start(headBytes);
  }

  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost) {
      if (this.#stage === "body") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#kept?.take(bytes, at, end);
        if (this.#isPictureOpen) this.#picture(bytes, at, end);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#body();
      } else {
        if (this.#stage === "search") at = this.#gather.seek(bytes, at, isFilledTag, this.#passed);
        else at = this.#gather.take(bytes, at);
        if (this.#gather.full && !this.lost) this.#gathered(offset + at);
      }
    }
  }

  get heldBytes(): number {
    return this.#headerBytes + (this.#kept?.heldBytes ?? 0);
  }

  padding(): readonly Uint8Array[] {
    const { bytes, length } = this.#gather;
    const stage = this.#stage;
    if (stage === "head" || stage === "search" || (stage === "tag" && length === 0)) return [];
    const head = new Uint8Array(tagHeadBytes);
    if (stage === "tag") head.set(bytes.subarray(0, length));
    const tagBytes = tagHeadBytes + (stage === "tag" ? readNumber(head, 1, 3) : this.#payloadBytes);
    const sent = stage === "body" ? tagBytes - this.#left : stage === "tail" ? tagBytes + length : length;
    const missing = tagBytes + 4 - sent;
    // the size that follows each tag
    const size = Uint8Array.of(tagBytes >>> 24, tagBytes >>> 16, tagBytes >>> 8, tagBytes);
    return [...zeros(missing - 4), size.subarray(Math.max(0, 4 - missing))];
  }

  /** What the stage waits for is there, and ends before `offset`. */
  #gathered(offset: number): void {
    const { bytes } = this.#gather;
    if (this.#stage === "head") {
      if (isHead(bytes)) {
        this.#head = bytes.slice(0, headBytes);
        this.#hasVideo = (bytes[4] & 1) !== 0;
        this.#expect("tag", tagHeadBytes);
      } else this.lost = true;
    } else if (this.#stage === "tag") {
      if (isPlausibleTag(bytes, 0)) this.#enter(offset);
      else {
        this.info.damaged++;
        this.#avc?.lose();
        this.#searched = 0;
        this.#stage = "search";
        this.#gather.shift();
        this.#passed(1);
      }
    } else if (this.#stage === "peek") this.#peek();
    else if (this.#stage === "tail") this.#tail(offset);
    else {
      this.#trial = true;
      this.#enter(offset);
    }
  }

  #expect(stage: Stage, want: number): void {
    this.#stage = stage;
    this.#gather.start(want);
  }

  /** The head of a tag is there. */
  #enter(offset: number): void {
    this.#tagOffset = offset - tagHeadBytes;
    this.#payloadBytes = this.#gather.number(1, 3);
    this.#stage = "peek";
    this.#gather.want = tagHeadBytes + Math.min(this.#payloadBytes, peekBytes);
    if (this.#gather.full) this.#peek();
  }

  #peek(): void {
    const { bytes, length } = this.#gather;
    this.#left = tagHeadBytes + this.#payloadBytes - length;
    this.#kept = undefined;
    if (!this.#trial) {
      this.#tag.read(bytes, length);
      this.#classified();
    }
    this.#stage = "body";
    if (this.#left === 0) this.#body();
  }

  /** It is known what the tag is; a keyframe's join is reported before the keyframe is whole. */
  #classified(): void {
    const tag = this.#tag;
    if (tag.role === "metadata" || tag.role === "config") {
      const size = tagHeadBytes + this.#payloadBytes;
      if (size > maxHeaderBytes) return this.#giveUp();
      if (!this.#keepPace.allows(this.#tagOffset, configCost)) {
        // What follows is not to be decoded with the one before: it can't be joined until the next.
        if (tag.role === "config") this.#configs.delete(tag.track);
        return;
      }
      this.#kept = new Collected(size);
      this.#kept.take(this.#gather.bytes, 0, this.#gather.length);
      return;
    }
    if (tag.role === "other") return;
    const { bytes, length } = this.#gather;
    if (
      tag.track === avcTrack &&
      tag.role === "video" &&
      bytes[tagHeadBytes] < 0x80 &&
      this.#avc !== undefined
    ) {
      this.#isPictureOpen = true;
      this.#avc.begin(tag.keyframe);
      this.#picture(bytes, Math.min(tagHeadBytes + avcHeadBytes, length), length);
    } else this.#media();
  }

  /** Some more of an H.264 picture. */
  #picture(bytes: Uint8Array, at: number, end: number): void {
    this.#avc?.take(bytes, at, end);
    if (this.#avc?.isDone === true) this.#endPicture();
  }

  #endPicture(): void {
    this.#isPictureOpen = false;
    this.#avc?.end();
    this.#media();
  }

  /** A tag with a picture or sound of which all is known that decides about a join. */
  #media(): void {
    const tag = this.#tag;
    if (tag.codec !== "" && !this.info.codecs.includes(tag.codec)) this.info.codecs.push(tag.codec);
    const playable = !tag.needsConfig || this.#configs.has(tag.track);
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
    const header = this.#header(tag.timestampMs, bridge);
    if (!this.#pace.allowsHeader(this.#tagOffset, header)) return;
    this.#sink.header(header);
    this.#headerChanged = false;
    if (join) this.#sink.join(this.#tagOffset);
  }

  #giveUp(): void {
    this.lost = true;
    this.info.problem = `headers of more than ${maxHeaderBytes} bytes`;
  }

  #body(): void {
    if (this.#isPictureOpen) this.#endPicture();
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#keep(kept.bytes);
    this.#expect("tail", 4);
  }

  #keep(kept: Uint8Array): void {
    const { info } = this;
    this.#headerChanged = true;
    let size: { width: number; height: number } | undefined;
    if (this.#tag.role === "metadata") {
      this.#metadata = kept;
      size = metadataSize(kept);
    } else if (this.#configs.has(this.#tag.track) || this.#configs.size < maxConfigs) {
      this.#configs.set(this.#tag.track, kept);
      size = configSize(kept, this.#tag.codec);
      this.#configureAvc(kept);
    }
    if (size !== undefined) {
      info.width = size.width;
      info.height = size.height;
    }
    this.#configList = [...this.#configs.values()];
    this.#headerBytes = headBytes + (this.#metadata?.length ?? 0) + 4;
    for (const config of this.#configList) this.#headerBytes += config.length + 4;
    if (this.#headerBytes > maxHeaderBytes) this.#giveUp();
  }

  #configureAvc(kept: Uint8Array): void {
    const { codec, track } = this.#tag;
    const config = kept.subarray(tagHeadBytes + avcHeadBytes);
    if (track !== avcTrack || sameBytes(config, this.#avcConfig)) return;
    this.#avcConfig = config;
    this.#avc = codec === "h264" ? new AvcTrack(config) : undefined;
  }

  #tail(offset: number): void {
    if (this.#gather.number(0, 4) === tagHeadBytes + this.#payloadBytes) {
      this.#trial = false;
      this.#sink.unit(offset);
    } else if (this.#trial) {
      this.#trial = false;
      this.#searched += this.#payloadBytes;
      this.#expect("search", tagHeadBytes);
      return;
    }
    // a wrong size alone is a careless encoder's; the next tag's head shows whether the place is lost
    this.#expect("tag", tagHeadBytes);
  }

  /** So many bytes were searched for a tag's head; the search ends for good when that tag's size follows it. */
  readonly #passed = (bytes: number): void => {
    this.#searched += bytes;
    if (this.#searched > maxSearchBytes) this.lost = true;
  };

  #header(timestampMs: number, bridge: AvcBridge | undefined): Header {
    const bytes = 2 * this.#headerBytes + 2 * (bridge?.maxBytes(avcTagBytes) ?? 0);
    const head = this.#head;
    const metadata = this.#metadata;
    const list = this.#configList;
    return new LazyHeader(bytes, "", () => {
      const samples = bridge?.samples() ?? [];
      const configs = at(list, timestampMs);
      const pictures = (stepMs: number) =>
        samples.flatMap((sample, i) => {
          const time = Math.max(0, timestampMs - (samples.length - i) * stepMs);
          return at([avcTag(sample)], time);
        });
      // ffmpeg takes metadata at any other time than 0 for a track of texts
      const texts = metadata === undefined ? [] : at([metadata], 0);
      return {
        start: concat([head, ...texts, ...configs, ...pictures(1)]),
        resume: concat([...configs, ...pictures(bridgeStepMs)]),
      };
    });
  }
}

/** Whether there can be the head of a tag that is not empty at `at`. */
function isFilledTag(bytes: Uint8Array, at: number): boolean {
  return isPlausibleTag(bytes, at) && readNumber(bytes, at + 1, 3) > 0;
}

/** Copies of `tags`, each followed by its size, that have `timestampMs`. */
function at(tags: readonly Uint8Array[], timestampMs: number): Uint8Array[] {
  return tags.map((tag) => {
    const copy = new Uint8Array(tag.length + 4);
    const view = new DataView(copy.buffer);
    copy.set(tag);
    view.setUint32(4, ((timestampMs & 0xff_ffff) << 8) | (timestampMs >>> 24));
    view.setUint32(tag.length, tag.length);
    return copy;
  });
}

/** What `avcTag` and `at` put around a sample, bytes. */
const avcTagBytes = tagHeadBytes + avcHeadBytes + 4;

/** A tag with an H.264 sample that is no keyframe. */
function avcTag(sample: Uint8Array): Uint8Array {
  const size = avcHeadBytes + sample.length;
  return concat([
    new Uint8Array([9, size >> 16, size >> 8, size, 0, 0, 0, 0, 0, 0, 0, 0x27, 1, 0, 0, 0]),
    sample,
  ]);
}
