// How pending watchers get their places: one that starts is placed in the broadcast that is on, one in mid-stream goes
// through the broadcasts in their order, as far as they are still there, from the one that it stopped in.

import { FstreamError } from "../errors.ts";
import { noHeader } from "../media/detector.ts";
import { type Broadcast, type End, leadsNowhere } from "./broadcast.ts";
import type { Clock } from "./clock.ts";
import type { FlowingStart } from "./flowing.ts";
import {
  type BroadcastWindow,
  firstPlace,
  latePlace,
  nextPlace,
  type Place,
  type Position,
} from "./joinchoice.ts";
import type { Pending } from "./pending.ts";
import type { Stream } from "./stream.ts";
import { transitionPrefix } from "./transition.ts";
import type { Watcher } from "./watcher.ts";

export interface PlacingEvents {
  /** A watcher jumped over `bytes` that it was too slow for. */
  skipped(bytes: number): void;
  /** A joiner has to wait, as the newest join point has left the ring: a backlog of `neededBytes` would hold it. */
  backlogShort(neededBytes: number): void;
}

/** A place, and what it is in. */
export interface Found {
  readonly window: BroadcastWindow;
  readonly place: Extract<Place, { type: "at" }>;
}

export class Placing {
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #events: PlacingEvents;

  constructor(stream: Stream, clock: Clock, events: PlacingEvents) {
    this.#stream = stream;
    this.#clock = clock;
    this.#events = events;
  }

  /** The place for a watcher, if there is one now. */
  find(pending: Pending): Found | undefined {
    const { state } = this.#stream;
    const { resumed } = pending;
    if (state.type === "awaited" || (resumed === undefined && state.type !== "live")) return undefined;
    let broadcast = resumed?.broadcast ?? state.broadcast;
    for (; broadcast !== undefined; broadcast = broadcast.next) {
      if (leadsNowhere(resumed?.broadcast, broadcast)) continue;
      const window = this.#stream.window(broadcast);
      const place = this.#placeIn(window, pending);
      const isLast = broadcast.next === undefined;
      if (place.type === "at" && (place.offset < window.head || isLast)) return { window, place };
      if (isLast) this.reportShort(window);
    }
    return undefined;
  }

  /** The place for a watcher for which no join point came in time. */
  findLate({ position }: Pending): Found | undefined {
    const { state } = this.#stream;
    if (state.type !== "live") return undefined;
    const window = this.#stream.window(state.broadcast);
    const container = position?.broadcast.cutPoints.container ?? "";
    const place = latePlace(window, container !== "");
    return place.type === "at" ? { window, place } : undefined;
  }

  #placeIn(window: BroadcastWindow, { resumed, watcher }: Pending): Place {
    if (resumed !== undefined) return nextPlace(window, resumed);
    const { start, awaitsDetection } = watcher.options;
    const { broadcast } = window;
    if (awaitsDetection && broadcast.cutPoints.kind === "sniffing") {
      watcher.detecting = broadcast;
      return { type: "wait" };
    }
    // One that was there before it was known what the stream is gets it as it came.
    if (watcher.detecting === broadcast && start.type !== "live" && window.tail <= broadcast.start)
      return { type: "at", offset: broadcast.start, header: noHeader };
    return firstPlace(
      start,
      window,
      watcher.arrivedAt,
      (ms) => this.#stream.timeline.offsetAt(this.#clock.nowMs() - ms),
      watcher.options.allowance?.bytes,
    );
  }

  /** Reports that the newest join point has left the ring, if it has. */
  reportShort({ broadcast, head, tail }: BroadcastWindow): void {
    const newest = broadcast.cutPoints.newestJoin(head);
    if (newest === undefined || newest.offset >= tail) return;
    this.#events.backlogShort(Math.max(head - newest.offset, broadcast.cutPoints.joinDistance));
  }

  /** How a watcher flows from a place on; how it ends if its player can't go on there. */
  enter(pending: Pending, { window, place }: Found): FlowingStart | End {
    const { broadcast } = window;
    const { header, offset } = place;
    const { watcher, position, resumed, prefix, sentBytes, isBlocked } = pending;
    const before = resumed === undefined ? [header.start] : transitionPrefix(resumed, broadcast, header);
    if (before === undefined) {
      const message = "the stream continues with a header that players can't take mid-stream";
      return { type: "aborted", error: new FstreamError("disconnected", message) };
    }
    const isOther = resumed !== undefined && resumed.broadcast !== broadcast;
    if (resumed === undefined) this.#allow(watcher, header.start.length, offset);
    else this.#count(watcher, bytesBetween(resumed, broadcast, offset));
    prefix.dropHeader();
    const greeting = watcher.greeting(broadcast.cutPoints.info);
    if (greeting !== undefined) prefix.add([greeting], true);
    prefix.add(before, isOther);
    if (position !== undefined) position.broadcast.watchers--;
    broadcast.watchers++;
    const allowedLagMs = this.#stream.timeline.ageOf(offset);
    return { broadcast, offset, prefix, sentBytes, isBlocked, allowedLagMs };
  }

  /** Counts what a watcher is sent at its start of what was there when it came. */
  #allow({ options, arrivedAt }: Watcher, headerBytes: number, offset: number): void {
    options.allowance?.take(headerBytes + Math.max(0, arrivedAt - offset));
  }

  /** A watcher in mid-stream has no place any more: counts all that there still was as skipped. */
  countRest({ resumed, watcher }: Pending): void {
    if (resumed !== undefined) this.#count(watcher, bytesBetween(resumed, undefined, this.#stream.head));
  }

  #count(watcher: Watcher, skippedBytes: number): void {
    if (skippedBytes === 0) return;
    watcher.skippedBytes += skippedBytes;
    this.#events.skipped(skippedBytes);
  }
}

/**
 * The bytes that a watcher which stopped at `from` is not sent of its stream if it goes on at `offset` of the broadcast `to`, or
 * not at all where that is undefined. What a broadcast has before its first join point is no part of its stream.
 */
function bytesBetween(from: Position, to: Broadcast | undefined, offset: number): number {
  let { broadcast, cursor } = from;
  let bytes = 0;
  for (; broadcast !== to && broadcast.next !== undefined; broadcast = broadcast.next) {
    const { next, end = cursor } = broadcast;
    bytes += end - cursor;
    const first = next.cutPoints.firstJoin ?? next.end ?? offset;
    cursor = leadsNowhere(from.broadcast, next) ? (next.end ?? offset) : first;
  }
  return bytes + Math.max(0, offset - cursor);
}
