// How pending watchers get their places: one that starts is placed in the broadcast that is on, one in mid-stream goes
// through the broadcasts in their order, as far as they are still there, from the one that it stopped in.

import { FstreamError } from "../errors.ts";
import { type End, leadsNowhere } from "./broadcast.ts";
import type { Clock } from "./clock.ts";
import type { FlowingStart } from "./flowing.ts";
import { type BroadcastWindow, firstPlace, latePlace, nextPlace, type Place } from "./joinchoice.ts";
import type { Pending } from "./pending.ts";
import type { Stream } from "./stream.ts";
import { transitionPrefix } from "./transition.ts";

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
      if (isLast) this.#reportShort(window);
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
    return firstPlace(watcher.options.start, window, watcher.arrivedAt, (ms) =>
      this.#stream.timeline.offsetAt(this.#clock.nowMs() - ms),
    );
  }

  #reportShort({ broadcast, head, tail }: BroadcastWindow): void {
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
      const message = "the stream goes on with a header that no player takes in its middle";
      return { type: "aborted", error: new FstreamError("disconnected", message) };
    }
    const isOther = resumed !== undefined && resumed.broadcast !== broadcast;
    if (resumed !== undefined) {
      if (!isOther && offset > resumed.cursor) this.#events.skipped(offset - resumed.cursor);
      // What another broadcast has before its first join point was never to be its part.
      watcher.skippedBytes += Math.max(0, (isOther ? broadcast.start : offset) - resumed.cursor);
    }
    prefix.dropHeader();
    prefix.add(before, isOther);
    if (position !== undefined) position.broadcast.watchers--;
    broadcast.watchers++;
    const allowedLagMs = this.#stream.timeline.ageOf(offset);
    return { broadcast, offset, prefix, sentBytes, isBlocked, allowedLagMs };
  }
}
