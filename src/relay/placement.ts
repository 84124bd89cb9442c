// Where a watcher starts, and where it goes on after it had to leave off. Pure decisions over one broadcast's
// cuts; who waits, and for how long, is the audience's business.

import { type Header, noHeader } from "../media/detector.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Join } from "./joins.ts";
import type { Start } from "./watcher.ts";

/** The broadcast that a watcher is to be placed in, and what its ring holds now. */
export interface Ground extends Broadcast {
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
  start: Start,
  ground: Ground,
  arrivedAt: number,
  offsetAgo: (ms: number) => number,
): Place {
  const { cuts, head } = ground;
  const floor = floorOf(ground);
  if (start.type === "live") return { type: "at", offset: head, header: cuts.header };
  // Who joins before it is known what the stream is gets it as it came: its own header is in there.
  if (cuts.kind === "sniffing") return { type: "at", offset: floor, header: noHeader };
  switch (start.type) {
    case "join":
      return placeAt(cuts.newestJoin(head), floor, head);
    case "next":
      return placeAt(cuts.joinAtOrAfter(Math.max(arrivedAt, floor)), floor, head);
    case "back": {
      const before = cuts.joinAtOrBefore(Math.max(offsetAgo(start.ms), floor));
      if (before !== undefined && before.offset >= floor) return placeAt(before, floor, head);
      return placeAt(cuts.joinAtOrAfter(floor), floor, head);
    }
    default:
      return start.type satisfies never;
  }
}

/**
 * Where no join point came in time: the newest unit's beginning, with the header. A chunk's beginning will come; and as long as it is
 * not known what the stream is, whoever comes from a container (`fromContainer`) has nothing to go on with.
 */
export function latePlace(ground: Ground, fromContainer: boolean): Place {
  switch (ground.cuts.kind) {
    case "chunks":
      return wait;
    case "sniffing":
      return fromContainer ? wait : { type: "at", offset: floorOf(ground), header: noHeader };
    case "marked":
    case "opaque":
      return { type: "at", offset: newestUnit(ground), header: ground.cuts.header };
    default:
      return ground.cuts.kind satisfies never;
  }
}

/**
 * Where a watcher goes on that left off at `cursor`: after a skip at the newest join point ahead of it, coming
 * from an earlier broadcast at the first one of this.
 */
export function nextPlace(ground: Ground, cursor: number, fromEarlier: boolean): Place {
  const { cuts, head } = ground;
  const floor = floorOf(ground);
  if (cuts.kind === "sniffing") return wait;
  if (fromEarlier) return placeAt(cuts.joinAtOrAfter(floor), floor, head);
  return placeAt(cuts.newestJoin(head), Math.max(cursor, floor), head);
}

function newestUnit(ground: Ground): number {
  const unit = ground.cuts.unitEndBefore(ground.head);
  return unit !== undefined && unit >= floorOf(ground) ? unit : ground.head;
}

/**
 * What leads a watcher from `cursor`, where it left off, to a place with such a header: buffers that all watchers share, in
 * their order; undefined if its player can't go there.
 */
export function passage(
  course: Broadcast | undefined,
  cursor: number,
  to: Broadcast,
  header: Header,
): readonly Uint8Array[] | undefined {
  if (course === undefined) return [header.resume];
  const { container, info } = course.cuts;
  if (container !== "" && to.cuts.container !== "" && container !== to.cuts.container) return undefined;
  const closing = course === to ? [] : course.cuts.closing(cursor);
  const isSame = course.cuts.fixedAt(cursor) === header.fixed;
  const isAlike = info.codecs.join() === to.cuts.info.codecs.join();
  const opening = isSame ? header.resume : isAlike ? header.chain : undefined;
  return opening === undefined ? undefined : [...closing, opening];
}

/** Joins and rewinds never reach before the current broadcast. */
function floorOf(ground: Ground): number {
  return Math.max(ground.tail, ground.start);
}

function placeAt(join: Join | undefined, floor: number, head: number): Place {
  if (join === undefined || join.offset < floor || join.offset > head) return wait;
  return { type: "at", offset: join.offset, header: join.header };
}
