// What joiners of FLV get before a tag: the file's head, onMetaData and the decoders' configurations ("sequence headers"),
// these with the join's timestamp, and where the join is no IDR, the pictures of a bridge (annexb/h264bridge.ts).

import type { AvcBridge } from "../annexb/avc.ts";
import { concat } from "../bytes.ts";
import { type Header, LazyHeader } from "../detector.ts";
import { tagHeadBytes } from "./tag.ts";

/** The head, and the size (zero) of the tag before the first one. */
export const headBytes = 13;
/** Of an AVC tag's payload, what comes before the sample (E.4.3.1, E.4.3.2). */
export const avcHeadBytes = 5;
/**
 * The time between the pictures of a bridge (annexb/avc.ts), which come before the join. In mid-stream they are shown, as
 * repetitions of the last one before the skip; at the start they are not.
 */
const bridgeStepMs = 100;
/** Tracks whose configurations are kept. Of what a hostile stream has beyond, joiners get nothing. */
const maxConfigs = 16;

/** The tags that headers are made of, without the sizes that follow them. */
export class HeaderTags {
  head: Uint8Array = new Uint8Array(0);
  #metadata: Uint8Array | undefined;
  readonly #configs = new Map<number, Uint8Array>();
  /** The same as a list that does not change, and the bytes of all. */
  #list: readonly Uint8Array[] = [];
  #bytes = headBytes;

  /** Bytes of a header with all tags. */
  get bytes(): number {
    return this.#bytes;
  }

  set metadata(tag: Uint8Array) {
    this.#metadata = tag;
    this.#changed();
  }

  hasConfig(track: number): boolean {
    return this.#configs.has(track);
  }

  /** Keeps a configuration in place of the track's older one. False for a track too many. */
  keepConfig(track: number, tag: Uint8Array): boolean {
    if (!this.#configs.has(track) && this.#configs.size === maxConfigs) return false;
    this.#configs.set(track, tag);
    this.#changed();
    return true;
  }

  /** The track's configuration counts no longer. */
  drop(track: number): void {
    this.#configs.delete(track);
  }

  #changed(): void {
    this.#list = [...this.#configs.values()];
    this.#bytes = headBytes + (this.#metadata?.length ?? 0) + 4;
    for (const config of this.#list) this.#bytes += config.length + 4;
  }

  /** The header of a join at a tag with this timestamp. */
  at(timestampMs: number, bridge: AvcBridge | undefined): Header {
    const bytes = 2 * this.#bytes + 2 * (bridge?.maxBytes(avcTagBytes) ?? 0);
    const head = this.head;
    const metadata = this.#metadata;
    const list = this.#list;
    return new LazyHeader(bytes, "", () => {
      const samples = bridge?.samples() ?? [];
      const configs = timed(list, timestampMs);
      const pictures = (stepMs: number) =>
        samples.flatMap((sample, i) => {
          const time = Math.max(0, timestampMs - (samples.length - i) * stepMs);
          return timed([avcTag(sample)], time);
        });
      // ffmpeg takes metadata at any other time than 0 for a track of texts
      const texts = metadata === undefined ? [] : timed([metadata], 0);
      return {
        start: concat([head, ...texts, ...configs, ...pictures(1)]),
        resume: concat([...configs, ...pictures(bridgeStepMs)]),
      };
    });
  }
}

/** Copies of `tags`, each followed by its size, that have `timestampMs`. */
function timed(tags: readonly Uint8Array[], timestampMs: number): Uint8Array[] {
  return tags.map((tag) => {
    const copy = new Uint8Array(tag.length + 4);
    const view = new DataView(copy.buffer);
    copy.set(tag);
    view.setUint32(4, ((timestampMs & 0xff_ffff) << 8) | (timestampMs >>> 24));
    view.setUint32(tag.length, tag.length);
    return copy;
  });
}

/** What `avcTag` and `timed` put around a sample, bytes. */
const avcTagBytes = tagHeadBytes + avcHeadBytes + 4;

/** A tag with an H.264 sample that is no keyframe. */
function avcTag(sample: Uint8Array): Uint8Array {
  const size = avcHeadBytes + sample.length;
  return concat([
    new Uint8Array([9, size >> 16, size >> 8, size, 0, 0, 0, 0, 0, 0, 0, 0x27, 1, 0, 0, 0]),
    sample,
  ]);
}
