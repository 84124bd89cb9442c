// Where one broadcast can be cut: the join points at which a watcher can start, and the unit ends at which it can
// stop. There are three kinds of streams: of a known container (marks that its detector found: markedcutpoints.ts), of
// chunks (`bufsize`: chunkcutpoints.ts), and opaque ones (anywhere: opaquecutpoints.ts). While the sniffer still looks, a
// stream is of no kind yet (sniffedcutpoints.ts).

import type { Header, StreamInfo } from "../media/detector.ts";
import type { Join } from "./joins.ts";
import type { Patches } from "./patches.ts";

/** Join points and unit ends, as offsets in the channel's ring. */
export interface CutPlaces {
  /** The newest join point at or before `head`, whether the ring still has it or not. */
  newestJoin(head: number): Join | undefined;
  /** How far apart join points lie, as far as is known: the larger of the last two distances. Bytes. */
  readonly joinDistance: number;
  /** The first join point at or after `offset`, as far as is known. */
  joinAtOrAfter(offset: number): Join | undefined;
  /** The last join point at or before `offset`. */
  joinAtOrBefore(offset: number): Join | undefined;
  /** The first unit end at or after `offset`, as far as is known. */
  unitEnd(offset: number): number | undefined;
  /** The last unit end at or before `offset`, as far as is known. */
  unitEndBefore(offset: number): number | undefined;
  /** Bytes before `tail` have left the ring. */
  forget(tail: number): void;
  /** Bytes of memory that are kept of the stream beside the ring. */
  readonly heldBytes: number;
}

/** All that is known of one broadcast's bytes. */
export interface CutPoints extends CutPlaces {
  /** "sniffing": it is not known yet; then there are neither join points nor unit ends. */
  readonly kind: "sniffing" | "marked" | "chunks" | "opaque";
  readonly info: StreamInfo;
  /** The first join point that there has been; undefined if there was none yet. */
  readonly firstJoin: number | undefined;
  /** The header in force now. */
  readonly header: Header;
  /** Whether it was over before it was known what it is. */
  readonly isUnknown: boolean;
  /** The container's name; empty while or where there is none. */
  readonly container: string;
  /** `Header.fixed` of the header that a watcher at `offset` has been given, by a joiner's header or in the stream. */
  fixedAt(offset: number): string;
  /** For watchers that did not get the stream from its first byte; none ever where it is opaque or cut into chunks. */
  readonly patches: Patches;
  /** How far such watchers can be sent what was fed: from there on it is not known yet what is patched. */
  readonly unpatchedFrom: number;
  /** Takes the bytes that were just added to the ring at `offset`. */
  feed(bytes: Uint8Array, offset: number): void;
  /**
   * What has to follow for a watcher at `offset` whose stream goes on with another broadcast: see `Detector.padding`. Empty
   * for one that stopped before the end.
   */
  padding(offset: number): readonly Uint8Array[];
  /** No more bytes will come: what is not known by now is opaque. */
  finishDetection(): void;
  /** Nothing will follow: what is not known to be patched is not. */
  conclude(): void;
  /** From here on the stream is opaque, and nothing is kept of it. */
  giveUp(): void;
}

/** Of a stream that is no known container. */
export const unknownInfo: StreamInfo = {
  container: "unknown",
  mediaType: "application/octet-stream",
  codecs: [],
  damaged: 0,
};
