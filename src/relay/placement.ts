// Where a watcher starts, and where it goes on after it had to leave off. Pure decisions over one broadcast's
// cut points; who waits, and for how long, is the audience's business.

import { type Header, noHeader } from "../media/detector.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Join } from "./joins.ts";
import type { StartPoint } from "./watcher.ts";

/** The broadcast that a watcher is to be placed in, and what its ring holds now. */
export interface BroadcastWindow extends Broadcast {
  readonly broadcast: Broadcast;
  readonly tail: number;
  readonly head: number;
}

export type Place =
  | { readonly type: "at"; readonly offset: number; readonly header: Header }
  | { readonly type: "wait" };

const wait: Place = { type: "wait" };

/**
 * Where a watcher's first byte is. `arrivedAt` is where the head was when it came, for `start=next`;
 * `offsetAgo` gives the offset of the byte that came that many milliseconds ago.
 */
export function firstPlace(
  start: StartPoint,
  window: BroadcastWindow,
  arrivedAt: number,
  offsetAgo: (ms: number) => number,
): Place {
  const { cutPoints, head } = window;
  const floor = floorOf(window);
  if (start.type === "live") return { type: "at", offset: head, header: cutPoints.header };
  // Who joins before it is known what the stream is gets it as it came: its own header is in there.
  if (cutPoints.kind === "sniffing") return { type: "at", offset: floor, header: noHeader };
  switch (start.type) {
    case "join":
      return placeAt(cutPoints.newestJoin(head), floor, head);
    case "next":
      return placeAt(cutPoints.joinAtOrAfter(Math.max(arrivedAt, floor)), floor, head);
    case "back": {
      const before = cutPoints.joinAtOrBefore(Math.max(offsetAgo(start.ms), floor));
      if (before !== undefined && before.offset >= floor) return placeAt(before, floor, head);
      return placeAt(cutPoints.joinAtOrAfter(floor), floor, head);
    }
    default:
      return start.type satisfies never;
  }
}

/**
 * Where no join point came in time: the newest unit's beginning, with the header. A chunk's beginning will come; and as long as it is
 * not known what the stream is, whoever comes from a container (`fromContainer`) has nothing to go on with.
 */
export function latePlace(window: BroadcastWindow, fromContainer: boolean): Place {
  switch (window.cutPoints.kind) {
    case "chunks":
      return wait;
    case "sniffing":
      return fromContainer ? wait : { type: "at", offset: floorOf(window), header: noHeader };
    case "marked":
    case "opaque":
      return { type: "at", offset: newestUnit(window), header: window.cutPoints.header };
    default:
      return window.cutPoints.kind satisfies never;
  }
}

/**
 * Where a watcher goes on that stopped at `cursor` in the broadcast `from`: after a skip at the newest join point ahead of
 * it, in another broadcast at the first one. While it is not known what that is, opaque data go on with its first byte, as
 * they go on with the first byte of anything; what a container's player can go on with is not known yet.
 */
export function nextPlace(window: BroadcastWindow, cursor: number, from: Broadcast): Place {
  const { cutPoints, head } = window;
  const floor = floorOf(window);
  const isOther = from !== window.broadcast;
  if (cutPoints.kind === "sniffing") {
    return isOther && isOpaqueAt(from, cursor) ? { type: "at", offset: floor, header: noHeader } : wait;
  }
  if (isOther) return placeAt(cutPoints.joinAtOrAfter(floor), floor, head);
  return placeAt(cutPoints.newestJoin(head), Math.max(cursor, floor), head);
}

/** Whether what a watcher at `offset` has got is opaque, from its first byte on as far as matters. */
function isOpaqueAt({ cutPoints }: Broadcast, offset: number): boolean {
  return cutPoints.kind === "opaque" && cutPoints.fixedAt(offset) === noHeader.fixed;
}

function newestUnit(window: BroadcastWindow): number {
  const unit = window.cutPoints.unitEndBefore(window.head);
  return unit !== undefined && unit >= floorOf(window) ? unit : window.head;
}

/**
 * What leads a watcher from `cursor`, where it left off, to a place with such a header: buffers that all watchers share, in
 * their order; undefined if its player can't go there.
 */
export function transitionPrefix(
  from: Broadcast | undefined,
  cursor: number,
  to: Broadcast,
  header: Header,
): readonly Uint8Array[] | undefined {
  if (from === undefined) return [header.resume];
  const { container, info } = from.cutPoints;
  if (container !== "" && to.cutPoints.container !== "" && container !== to.cutPoints.container)
    return undefined;
  const padding = from === to ? [] : from.cutPoints.padding(cursor);
  const isSame = from.cutPoints.fixedAt(cursor) === header.fixed;
  const isAlike = info.codecs.join() === to.cutPoints.info.codecs.join();
  const opening = isSame ? header.resume : isAlike ? header.chain : undefined;
  return opening === undefined ? undefined : [...padding, opening];
}

/** Joins and rewinds never reach before the current broadcast. */
function floorOf(window: BroadcastWindow): number {
  return Math.max(window.tail, window.start);
}

function placeAt(join: Join | undefined, floor: number, head: number): Place {
  if (join === undefined || join.offset < floor || join.offset > head) return wait;
  return { type: "at", offset: join.offset, header: join.header };
}
