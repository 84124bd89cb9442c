// The frames of a Matroska stream (RFC 9559), behind its header: blocks in clusters, with or without lacing. Incremental, and not
// to be put off its way: what makes no sense is passed over until the next cluster. Pure.

import { elementAt, uint, vintLength } from "./matroskaheader.ts";

export interface Frame {
  /** The number of its track. */
  readonly track: number;
  /** When it is to be shown, in ticks. */
  readonly time: number;
  readonly isKeyframe: boolean;
  /** A view of what was fed. */
  readonly data: Uint8Array;
}

const clusterId = 0x1f43b675;
const timestampId = 0xe7;
const simpleBlockId = 0xa3;
const blockGroupId = 0xa0;
const blockId = 0xa1;
const referenceBlockId = 0xfb;
const ebmlId = 0x1a45dfa3;
const segmentId = 0x18538067;
/** What is no frame may be so large, bytes; a frame may be larger. */
const maxSkippedBytes = 16 * 1024 * 1024;
const maxFrameBytes = 64 * 1024 * 1024;

/** Reads one stream; throws if another one begins in it. */
export class MatroskaFrames {
  #kept: Uint8Array = new Uint8Array(0);
  #clusterTime = 0;

  /** The frames that are whole now. */
  feed(bytes: Uint8Array): Frame[] {
    const all = append(this.#kept, bytes);
    const frames: Frame[] = [];
    let at = 0;
    while (at < all.length) {
      const element = elementAt(all, at);
      if (element === "more") break;
      if (element?.id === ebmlId) throw new Error("another stream begins");
      if (element === undefined || !isSensible(element.id, element.size)) {
        const next = nextCluster(all, at + 1);
        at = next ?? Math.max(at + 1, all.length - 3);
        if (next === undefined) break;
        continue;
      }
      const { id, size } = element;
      if (id === clusterId || id === segmentId) {
        at = element.at;
        continue;
      }
      const end = element.at + size;
      if (end > all.length) break;
      this.#take(id, all.subarray(element.at, end), frames);
      at = end;
    }
    this.#kept = all.subarray(at);
    return frames;
  }

  #take(id: number, body: Uint8Array, frames: Frame[]): void {
    if (id === timestampId) this.#clusterTime = uint(body);
    else if (id === simpleBlockId) this.#block(body, undefined, frames);
    else if (id === blockGroupId) {
      const block = childOf(body, blockId);
      if (block !== undefined) this.#block(block, childOf(body, referenceBlockId) === undefined, frames);
    }
  }

  /** Section 10: track number, time, flags; then one frame, or several and their sizes. */
  #block(body: Uint8Array, isKeyframe: boolean | undefined, frames: Frame[]): void {
    const trackLength = vintLength(body[0] ?? 0);
    if (trackLength > 4 || body.length < trackLength + 3) return;
    const track = uint(body.subarray(0, trackLength)) - 2 ** (7 * trackLength);
    const relative = ((body[trackLength] << 24) >> 16) | body[trackLength + 1];
    const flags = body[trackLength + 2];
    const whole = {
      track,
      time: this.#clusterTime + relative,
      isKeyframe: isKeyframe ?? (flags & 0x80) !== 0,
    };
    for (const data of unlaced((flags >> 1) & 3, body.subarray(trackLength + 3)))
      frames.push({ ...whole, data });
  }
}

function isSensible(id: number, size: number): boolean {
  if (id === clusterId || id === segmentId) return true;
  return size <= (id === simpleBlockId || id === blockGroupId ? maxFrameBytes : maxSkippedBytes);
}

function nextCluster(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(0x1f, from); at >= 0; at = bytes.indexOf(0x1f, at + 1)) {
    if (bytes[at + 1] === 0x43 && bytes[at + 2] === 0xb6 && bytes[at + 3] === 0x75) return at;
  }
  return undefined;
}

function childOf(body: Uint8Array, id: number): Uint8Array | undefined {
  for (let at = 0; at < body.length; ) {
    const element = elementAt(body, at);
    if (element === undefined || element === "more" || element.at + element.size > body.length)
      return undefined;
    if (element.id === id) return body.subarray(element.at, element.at + element.size);
    at = element.at + element.size;
  }
  return undefined;
}

/** The frames of a block (section 10.3): 0 none, 1 Xiph's, 2 all of one size, 3 EBML's lacing. */
function unlaced(lacing: number, body: Uint8Array): Uint8Array[] {
  if (lacing === 0) return [body];
  const count = (body[0] ?? 0) + 1;
  let at = 1;
  const sizes: number[] = [];
  if (lacing === 2)
    sizes.push(...Array.from({ length: count - 1 }, () => Math.floor((body.length - 1) / count)));
  while (sizes.length < count - 1) {
    if (at >= body.length) return [];
    if (lacing === 1) {
      let size = 0;
      let byte = 255;
      while (byte === 255 && at < body.length) size += byte = body[at++];
      sizes.push(size);
    } else {
      const length = vintLength(body[at]);
      if (length > 8 || at + length > body.length) return [];
      const value = uint(body.subarray(at, at + length)) - 2 ** (7 * length);
      sizes.push(sizes.length === 0 ? value : sizes[sizes.length - 1] + value - (2 ** (7 * length - 1) - 1));
      at += length;
    }
  }
  const last = body.length - at - sizes.reduce((sum, size) => sum + size, 0);
  if (last < 0 || sizes.some((size) => size < 0)) return [];
  return [...sizes, last].map((size) => body.subarray(at, (at += size)));
}

function append(kept: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (kept.length === 0) return bytes;
  const all = new Uint8Array(kept.length + bytes.length);
  all.set(kept);
  all.set(bytes, kept.length);
  return all;
}
