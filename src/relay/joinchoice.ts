// Where a watcher starts, and where it goes on after it had to stop. Pure decisions over one broadcast's cut points:
// placing.ts goes through the broadcasts with them.

import { type Header, noHeader } from "../media/detector.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Join } from "./joins.ts";
import type { StartPoint } from "./watcher.ts";

/** Where a watcher stopped: the offset of the next byte in the broadcast that it was sent. */
export interface Position {
  readonly broadcast: Broadcast;
  readonly cursor: number;
}

/** A broadcast that a watcher is to be placed in, and what the ring holds of it now. */
export interface BroadcastWindow {
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
 * `offsetAgo` gives the offset of the byte that came that many milliseconds ago. Where it may choose it is no more than `allowedBytes`
 * behind the head: it waits for the next join point if there is none so near.
 */
export function firstPlace(
  start: StartPoint,
  window: BroadcastWindow,
  arrivedAt: number,
  offsetAgo: (ms: number) => number,
  allowedBytes = Number.POSITIVE_INFINITY,
): Place {
  const { head } = window;
  const { cutPoints } = window.broadcast;
  const floor = floorOf(window);
  if (start.type === "live") return { type: "at", offset: head, header: cutPoints.header };
  // One that joins before it is known what the stream is gets it as it came: its own header is in there.
  if (cutPoints.kind === "sniffing" || head === window.broadcast.start)
    return { type: "at", offset: floor, header: noHeader };
  // What has come since it came is no backlog.
  const reach = Math.max(floor, Math.min(head - allowedBytes, arrivedAt));
  switch (start.type) {
    case "join":
      return placeAt(cutPoints.newestJoin(head), reach, head);
    case "next":
      return placeAt(cutPoints.joinAtOrAfter(Math.max(arrivedAt, floor)), floor, head);
    case "back": {
      const newest = cutPoints.newestJoin(head)?.offset ?? head;
      const before = cutPoints.joinAtOrBefore(Math.max(Math.min(offsetAgo(start.ms), newest), reach));
      if (before !== undefined && before.offset >= reach) return placeAt(before, reach, head);
      return placeAt(cutPoints.joinAtOrAfter(reach), reach, head);
    }
    default:
      return start.type satisfies never;
  }
}

/**
 * Where no join point came in time: the newest unit's beginning, with the header. A chunk's beginning will come; and as long
 * as it is not known what the stream is, a watcher of a container (`fromContainer`) has nothing to go on with.
 */
export function latePlace(window: BroadcastWindow, fromContainer: boolean): Place {
  const { cutPoints } = window.broadcast;
  switch (cutPoints.kind) {
    case "chunks":
      return wait;
    case "sniffing":
      return fromContainer ? wait : { type: "at", offset: floorOf(window), header: noHeader };
    case "marked":
    case "opaque":
      return { type: "at", offset: newestUnit(window), header: cutPoints.header };
    default:
      return cutPoints.kind satisfies never;
  }
}

/**
 * Where a watcher goes on that stopped at `from`: after a skip at the newest join point ahead of it, in another broadcast at
 * the first one. While it is not known what that is, opaque data go on with its first byte, as they do with that of
 * anything; what a container's player can go on with is not known yet.
 */
export function nextPlace(window: BroadcastWindow, from: Position): Place {
  const { head } = window;
  const { cutPoints } = window.broadcast;
  const floor = floorOf(window);
  const isOther = from.broadcast !== window.broadcast;
  if (cutPoints.kind === "sniffing") {
    return isOther && isOpaque(from) ? { type: "at", offset: floor, header: noHeader } : wait;
  }
  if (isOther) return placeAt(cutPoints.joinAtOrAfter(floor), floor, head);
  return placeAt(cutPoints.newestJoin(head), Math.max(from.cursor, floor), head);
}

/** Whether what a watcher has got there is opaque, and no header that can't be repeated was in it. */
function isOpaque({ broadcast, cursor }: Position): boolean {
  const { cutPoints } = broadcast;
  return cutPoints.kind === "opaque" && cutPoints.fixedAt(cursor) === noHeader.fixed;
}

function newestUnit(window: BroadcastWindow): number {
  const unit = window.broadcast.cutPoints.unitEndBefore(window.head);
  return unit !== undefined && unit >= floorOf(window) ? unit : window.head;
}

/** Joins and rewinds never reach before the current broadcast. */
function floorOf(window: BroadcastWindow): number {
  return Math.max(window.tail, window.broadcast.start);
}

function placeAt(join: Join | undefined, floor: number, head: number): Place {
  if (join === undefined || join.offset < floor || join.offset > head) return wait;
  return { type: "at", offset: join.offset, header: join.header };
}
