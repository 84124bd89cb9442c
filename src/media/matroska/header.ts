// What joiners of a Matroska stream are given first (RFC 9559): the file's header, and, where a join needs more,
// a Cluster of unknown size with blocks of our own. The join is its next block, or the Cluster that ends it.

import type { AvcBridge } from "../annexb/avc.ts";
import { concat } from "../bytes.ts";
import { type Header, LazyHeader, noHeader } from "../detector.ts";
import { simpleBlockId, timestampId } from "./ids.ts";

const unknownSize = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const openSegment = new Uint8Array([0x18, 0x53, 0x80, 0x67, ...unknownSize]);
const clusterHead = new Uint8Array([0x1f, 0x43, 0xb6, 0x75, ...unknownSize, timestampId, 0x88]);

/**
 * In mid-stream the pictures of a bridge (annexb/avc.ts) are shown, as repetitions of the last one before the skip: so far
 * apart, and so long before the join, whose own picture others may lead. At the start none is shown.
 */
const bridgeStepMs = 100;
const bridgeLeadMs = 400;

/** The header of a join at a cluster's start: whole elements, in a Segment of unknown size. */
export function fileHeader(
  ebml: Uint8Array,
  info: Uint8Array | undefined,
  tracks: Uint8Array,
  fixed: string,
): Header {
  const parts = [ebml, openSegment, info ?? noHeader.start, tracks];
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  return new LazyHeader(bytes, fixed, () => ({ start: concat(parts), resume: noHeader.resume }));
}

/** A join that needs more than the file's header. Times are in the stream's ticks. */
export interface Join {
  /** The timestamps of the cluster and of the block that it is at. */
  readonly cluster: number;
  readonly timestamp: number;
  readonly isInside: boolean;
  readonly ticksPerMs: number;
  /** The number of the video's track, below 127. */
  readonly track: number;
  /** A packet that announces a skip to the decoder; may be empty. */
  readonly ending: Uint8Array;
  /** Packets for a decoder that starts or goes on here. */
  readonly bridge: AvcBridge | undefined;
}

/** What `block` puts before a packet, bytes. */
const blockHeadBytes = 8;

/** The header of such a join. */
export function joinHeader(base: Header, join: Join): Header {
  const clusterBytes = clusterHead.length + 8;
  const blocks = (join.bridge?.maxBytes(blockHeadBytes) ?? 0) + join.ending.length + blockHeadBytes;
  const bytes = base.bytes + 2 * (clusterBytes + blocks);
  return new LazyHeader(bytes, base.fixed, () => {
    const cluster = concat([clusterHead, new Uint8Array(8)]);
    new DataView(cluster.buffer).setBigUint64(clusterHead.length, BigInt(Math.max(0, join.cluster)));
    const packets = join.bridge?.samples() ?? [];
    const count = packets.length;
    const unseen = packets.map((packet, i) => block(join, packet, count - i));
    const shown = packets.map((packet, i) =>
      block(join, packet, (count - 1 - i) * bridgeStepMs + bridgeLeadMs),
    );
    const ending = join.ending.length > 0 ? [block(join, join.ending, 0)] : [];
    return {
      start: join.isInside || count > 0 ? concat([base.start, cluster, ...unseen]) : base.start,
      resume: concat([cluster, ...ending, ...shown]),
    };
  });
}

/** A SimpleBlock (section 10.2) so many milliseconds before the join, but not before the stream's begin. */
function block(
  { cluster, timestamp, ticksPerMs, track }: Join,
  packet: Uint8Array,
  beforeMs: number,
): Uint8Array {
  const time = Math.max(0, timestamp - Math.round(beforeMs * ticksPerMs)) - cluster;
  const size = 4 + packet.length;
  const head = [simpleBlockId, 0x20 | (size >> 16), size >> 8, size, 0x80 | track, time >> 8, time, 0];
  return concat([new Uint8Array(head), packet]);
}
