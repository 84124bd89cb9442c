// The watchers of one channel: those that flow, each with its cursor in the ring, and those that are pending,
// because there is nothing to send them yet (not live, held, or no join point so far). (Past 400 lines: placing, sending,
// skipping and draining are one state, and share it.)
//
// Invariants: nobody here makes the broadcaster or another watcher wait; a flowing watcher's cursor is between
// tail and head, or in a segment that the ring keeps for it; a cursor only moves forward, and other than byte by byte only
// to where the cut points allow.

import { FstreamError } from "../errors.ts";
import {
  type Broadcast,
  type ChannelState,
  cutShort,
  type End,
  isFarBehind,
  leadsNowhere,
  slow,
} from "./broadcast.ts";
import type { Clock } from "./clock.ts";
import {
  type BroadcastWindow,
  firstPlace,
  latePlace,
  nextPlace,
  type Place,
  transitionPrefix,
} from "./placement.ts";
import { Prefixes } from "./prefixes.ts";
import type { Ring } from "./ring.ts";
import type { Timeline } from "./timeline.ts";
import { Turns } from "./turns.ts";
import { type Outlet, Watcher, type WatcherOptions } from "./watcher.ts";

/** What comes before the ring's bytes is sent at once if it is no longer than that. Bytes. */
const promptBytes = 64 * 1024;

export interface AudienceOptions {
  readonly backlogBytes: number;
  /** 0: only the backlog counts. */
  readonly maxLagMs: number;
  readonly joinTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

export interface AudienceEvents {
  /** A watcher jumped over `bytes` that it was too slow for. */
  skipped(bytes: number): void;
  /** A joiner has to wait, as the newest join point has left the ring: a backlog of `neededBytes` would hold it. */
  backlogShort(neededBytes: number): void;
  /** The last watcher has gone. */
  empty(): void;
  /** A bug in what is done for a watcher: that watcher is ended, and no other. */
  failed(error: unknown): void;
}

export class Audience {
  readonly #options: AudienceOptions;
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  readonly #events: AudienceEvents;
  readonly #flowing: Watcher[] = [];
  readonly #pending = new Set<Watcher>();
  /** What watchers have yet to be sent that is not in the ring. */
  readonly prefixes = new Prefixes();
  /** Those who flow and have more to send than their share. */
  readonly #behind: Turns<Watcher>;
  #state: ChannelState = { type: "awaited" };
  #ring: Ring | undefined;
  /** The newest join point at the last look, to see whether pending watchers may have got a place. */
  #seenJoin = -1;
  /** Since the channel began. */
  skips = 0;
  bytesOut = 0;

  constructor(options: AudienceOptions, clock: Clock, timeline: Timeline, events: AudienceEvents) {
    this.#options = options;
    this.#clock = clock;
    this.#timeline = timeline;
    this.#events = events;
    this.#behind = new Turns(clock, (watcher) => this.#pump(watcher));
  }

  get size(): number {
    return this.#flowing.length + this.#pending.size;
  }

  // Coming and going.

  add(outlet: Outlet, options: WatcherOptions): Watcher {
    const watcher = new Watcher(this, outlet, options);
    watcher.sinceMs = this.#clock.nowMs();
    watcher.arrivedAt = this.#ring?.head ?? 0;
    this.#pending.add(watcher);
    this.#placeAndSend(watcher);
    return watcher;
  }

  drained(watcher: Watcher): void {
    watcher.blocked = false;
    this.#placeAndSend(watcher);
  }

  leave(watcher: Watcher): void {
    if (watcher.state === "gone") return;
    this.#unlist(watcher);
    this.#pending.delete(watcher);
    watcher.state = "gone";
    watcher.release();
    if (this.size === 0) this.#events.empty();
  }

  /** It flows no longer, and needs nothing of what is kept aside. */
  #unlist(watcher: Watcher): void {
    for (const segment of watcher.held ?? []) this.#ring?.drop(segment);
    watcher.held = undefined;
    const { index } = watcher;
    if (index < 0) return;
    watcher.index = -1;
    const last = this.#flowing.pop() as Watcher;
    if (last === watcher) return;
    this.#flowing[index] = last;
    last.index = index;
  }

  /** It has been sent all of some segments that were kept aside for it. */
  #dropSent(watcher: Watcher): void {
    const ring = this.#ring as Ring;
    const { held = [] } = watcher;
    while (held.length > 0 && (held[0] + 1) * ring.segmentBytes <= watcher.cursor) {
      ring.drop(held.shift() as number);
    }
    if (held.length === 0) watcher.held = undefined;
  }

  #end(watcher: Watcher, end: End): void {
    if (watcher.state === "gone") return;
    const { begun } = watcher;
    this.leave(watcher);
    try {
      watcher.outlet.finish(end, begun);
    } catch (error) {
      this.#events.failed(error);
    }
  }

  /** Does something for one watcher: what it throws ends that watcher, and stays from all others. */
  #for(watcher: Watcher, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(watcher, error);
    }
  }

  #fail(watcher: Watcher, error: unknown): void {
    this.#events.failed(error);
    this.#end(watcher, { type: "aborted", error: new FstreamError("internal", "a bug in the server") });
  }

  // What the channel tells.

  /** A broadcast begins. Watchers whom `admits` refuses are closed; the others get the rest of what was before first. */
  begin(
    state: Extract<ChannelState, { type: "live" }>,
    ring: Ring,
    admits: (watcher: Watcher) => boolean,
  ): void {
    this.#state = state;
    this.#ring = ring;
    const { start } = state.broadcast;
    this.#seenJoin = -1;
    const error = new FstreamError(
      "forbidden",
      "the channel password is not the one that this broadcast has",
    );
    for (const watcher of [...this.#pending, ...this.#flowing]) {
      watcher.sinceMs = this.#clock.nowMs();
      if (!admits(watcher)) this.#end(watcher, { type: "aborted", error });
      else if (isFarBehind(watcher.broadcast)) this.#end(watcher, slow("several broadcasts behind"));
      else if (watcher.state === "flowing") watcher.stopOffset = Math.min(watcher.stopOffset, start);
      this.#placeAndSend(watcher);
    }
  }

  /** The broadcast is over, and so is what was unclear about it: whoever waited to see what it is need not any more. */
  finishDetection(broadcast: Broadcast): void {
    broadcast.cutPoints.finishDetection();
    this.look();
  }

  /** The broadcaster is gone, for a while or for good. When it is for good, whoever has everything is ended. */
  standStill(state: Extract<ChannelState, { type: "held" | "ended" }>): void {
    this.#state = state;
    for (const watcher of [...this.#pending, ...this.#flowing]) {
      watcher.sinceMs = this.#clock.nowMs();
      this.#placeAndSend(watcher);
    }
  }

  /** The cut points have seen new bytes: whoever waits for a place may have one now. */
  look(): void {
    if (this.#pending.size === 0 || this.#state.type !== "live" || this.#ring === undefined) return;
    const join = this.#state.broadcast.cutPoints.newestJoin(this.#ring.head)?.offset ?? -1;
    if (join !== this.#seenJoin) for (const watcher of this.#pending) this.#placeAndSend(watcher);
    this.#seenJoin = join;
  }

  /** Ends the watchers that take nothing and have a long header or a patch kept for them. */
  endHolders(): void {
    for (const watcher of [...this.#pending, ...this.#flowing]) {
      if (watcher.blocked && (watcher.prefixBytes > promptBytes || watcher.keepsPatch)) {
        this.#end(watcher, slow("takes nothing of what is kept for it, for which there is no more room"));
      }
    }
  }

  /** Ends all watchers that are still there. */
  abandon(): void {
    this.endAll(slow("others of this user's streams have ended since, and need the room"));
  }

  /** The stream is over, and everything of it given back. */
  release(): void {
    this.#ring = undefined;
    if (this.#state.type === "ended") this.#state = { ...this.#state, broadcast: undefined };
  }

  /** Ends all watchers that are still there, for that reason. */
  endAll(end: End): void {
    for (const watcher of [...this.#pending, ...this.#flowing]) this.#end(watcher, end);
  }

  /** Sends everybody what there is. */
  pass(): void {
    for (let i = this.#flowing.length - 1; i >= 0; i--) {
      const watcher = this.#flowing[i];
      if (watcher !== undefined && !watcher.blocked && !this.#behind.has(watcher)) this.#pump(watcher);
    }
  }

  /**
   * A segment is about to leave the ring. Who can takes what is in it now; whoever is still in it must leave off. Returns how
   * many need its bytes for that.
   */
  evicting(segment: number): number {
    const ring = this.#ring as Ring;
    const end = (segment + 1) * ring.segmentBytes;
    let holders = 0;
    for (let i = this.#flowing.length - 1; i >= 0; i--) {
      const watcher = this.#flowing[i];
      if (watcher === undefined || watcher.cursor >= end) continue;
      this.#for(watcher, () => {
        if (this.#holds(watcher, segment, ring)) holders++;
      });
    }
    return holders;
  }

  /** Whether a watcher that is in a segment which is about to leave the ring, or before it, still needs it afterwards. */
  #holds(watcher: Watcher, segment: number, ring: Ring): boolean {
    const end = (segment + 1) * ring.segmentBytes;
    if (!watcher.blocked) this.#pump(watcher);
    if (watcher.state !== "flowing" || watcher.cursor >= end || !this.#stopAtUnitEnd(watcher)) return false;
    if (watcher.stopOffset === watcher.cursor) this.#pump(watcher);
    if (watcher.state !== "flowing" || !needs(watcher, segment, ring)) return false;
    watcher.keepPatch();
    if (!ring.mayKeep) {
      this.#end(watcher, slow("stuck in the middle of a unit for which there is no more room"));
      return false;
    }
    (watcher.held ??= []).push(segment);
    return true;
  }

  /** Does what has become due. */
  sweep(nowMs: number): void {
    for (const watcher of this.#pending) {
      this.#for(watcher, () => {
        if (this.#state.type === "ended") this.#sweepDraining(watcher, nowMs);
        else this.#sweepPending(watcher, nowMs);
      });
    }
    for (let i = this.#flowing.length - 1; i >= 0; i--) {
      const watcher = this.#flowing[i];
      if (watcher === undefined) continue;
      this.#for(watcher, () => {
        if (this.#state.type === "ended") this.#sweepDraining(watcher, nowMs);
        else this.#sweepFlowing(watcher);
      });
    }
  }

  #sweepPending(watcher: Watcher, nowMs: number): void {
    const waitedMs = nowMs - watcher.sinceMs;
    if (this.#state.type === "awaited" && waitedMs >= watcher.options.waitMs) {
      const error = new FstreamError("not_live", "nobody began to broadcast on this channel");
      this.#end(watcher, { type: "aborted", error });
    } else if (this.#state.type === "live" && !stalled(watcher) && waitedMs >= this.#options.joinTimeoutMs) {
      const window = this.#window(this.#state.broadcast);
      const place = latePlace(
        window,
        watcher.broadcast !== undefined && watcher.broadcast.cutPoints.container !== "",
      );
      if (place.type === "at") this.#enter(watcher, window, place);
      this.#pump(watcher);
    }
  }

  #sweepDraining(watcher: Watcher, nowMs: number): void {
    if (watcher.sentBytes !== watcher.sweptBytes) {
      watcher.sweptBytes = watcher.sentBytes;
      watcher.sinceMs = nowMs;
    } else if (nowMs - watcher.sinceMs >= this.#options.drainTimeoutMs) {
      this.#end(watcher, slow("took nothing any more after the broadcast's end"));
    }
  }

  #sweepFlowing(watcher: Watcher): void {
    const { maxLagMs } = this.#options;
    const head = this.#ring?.head ?? 0;
    if (maxLagMs === 0 || watcher.cursor === head || Number.isFinite(watcher.stopOffset)) return;
    // Counted in the stream's own time: nobody falls behind a broadcaster that is silent.
    if (watcher.cursor >= this.#timeline.offsetAt(this.#timeline.newestMs - maxLagMs - watcher.allowedLagMs))
      return;
    const join = this.#state.type === "live" ? this.#state.broadcast.cutPoints.newestJoin(head) : undefined;
    // Not back to where it has been: while no join point is ahead, it goes on as long as the ring lets it.
    const end = watcher.broadcast?.cutPoints.unitEnd(watcher.cursor);
    if (join === undefined || end === undefined || join.offset <= end) return;
    if (this.#stopAtUnitEnd(watcher)) this.#pump(watcher);
  }

  // Placing.

  /** What there is of a broadcast. */
  #window(broadcast: Broadcast): BroadcastWindow {
    const ring = this.#ring as Ring;
    const tail = Math.max(ring.tail, broadcast.cutPoints.patches.completeFrom);
    return { ...broadcast, broadcast, tail, head: broadcast.end ?? ring.head };
  }

  /** Places a pending watcher if that can be, and sends it what there is. */
  #placeAndSend(watcher: Watcher): void {
    this.#for(watcher, () => {
      if (watcher.state === "pending") this.#place(watcher);
      // Many may be placed at once: a long header is sent in turns from the beginning.
      if (!watcher.blocked && watcher.prefixBytes > promptBytes) this.#behind.add(watcher);
      else this.#pump(watcher);
    });
  }

  #place(watcher: Watcher): void {
    const state = this.#state;
    // One whose socket is full goes on from where the stream is when it takes bytes again.
    if (state.type === "awaited" || stalled(watcher)) return;
    const { broadcast: from } = watcher;
    // One in mid-stream goes through the broadcasts in their order, as far as they are still there.
    const first = watcher.started && from !== undefined ? from : state.broadcast;
    if (watcher.started || state.type === "live") {
      for (let broadcast = first; broadcast !== undefined; broadcast = broadcast.next) {
        if (watcher.started && leadsNowhere(from, broadcast)) continue;
        const window = this.#window(broadcast);
        const place = this.#placeFor(watcher, window);
        if (place.type === "at" && (place.offset < window.head || broadcast.next === undefined)) {
          this.#enter(watcher, window, place);
          return;
        }
        const newest = window.cutPoints.newestJoin(window.head);
        if (broadcast.next === undefined && newest !== undefined && newest.offset < window.tail) {
          this.#events.backlogShort(Math.max(window.head - newest.offset, window.cutPoints.joinDistance));
        }
      }
    }
    // Nothing will come any more for whoever has no place in what there is.
    if (state.type === "ended") this.#end(watcher, watcher.begun ? state.end : cutShort(state.end));
  }

  #placeFor(watcher: Watcher, window: BroadcastWindow): Place {
    const { broadcast, cursor } = watcher;
    if (watcher.started && broadcast !== undefined) return nextPlace(window, cursor, broadcast);
    return firstPlace(watcher.options.start, window, watcher.arrivedAt, (ms) =>
      this.#timeline.offsetAt(this.#clock.nowMs() - ms),
    );
  }

  /** Lets a watcher flow from a place on, if its player can take that. */
  #enter(watcher: Watcher, window: BroadcastWindow, place: Extract<Place, { type: "at" }>): void {
    const { broadcast } = window;
    const { header, offset } = place;
    const prefix = watcher.started
      ? transitionPrefix(watcher.broadcast, watcher.cursor, broadcast, header)
      : [header.start];
    if (prefix === undefined) {
      const message = "the stream goes on with a header that no player takes in its middle";
      this.#end(watcher, { type: "aborted", error: new FstreamError("disconnected", message) });
      return;
    }
    if (watcher.started && watcher.broadcast === broadcast && offset > watcher.cursor) {
      this.skips++;
      this.#events.skipped(offset - watcher.cursor);
    }
    // What another broadcast has before its first join point was never to be its part.
    const missed = (watcher.broadcast === broadcast ? offset : broadcast.start) - watcher.cursor;
    if (watcher.started) watcher.skippedBytes += Math.max(0, missed);
    watcher.isPatched = offset > broadcast.start;
    watcher.place(offset, prefix, watcher.started && watcher.broadcast !== broadcast);
    watcher.stopOffset = broadcast.end ?? Number.POSITIVE_INFINITY;
    if (watcher.broadcast !== undefined) watcher.broadcast.watchers--;
    broadcast.watchers++;
    watcher.broadcast = broadcast;
    watcher.allowedLagMs = this.#timeline.ageOf(offset);
    watcher.state = "flowing";
    this.#pending.delete(watcher);
    watcher.index = this.#flowing.push(watcher) - 1;
  }

  /** Has a watcher leave off at the end of the unit it is in, as far as that is known. False if it was closed instead. */
  #stopAtUnitEnd(watcher: Watcher): boolean {
    if (watcher.options.slowPolicy === "close") {
      this.#end(watcher, slow("too far behind the broadcast"));
      return false;
    }
    const end = watcher.broadcast?.cutPoints.unitEnd(watcher.cursor);
    if (end !== undefined) watcher.stopOffset = Math.min(watcher.stopOffset, end);
    return true;
  }

  // Sending.

  #pump(watcher: Watcher): void {
    try {
      this.#send(watcher);
    } catch (error) {
      this.#fail(watcher, error);
    }
  }

  #send(watcher: Watcher): void {
    while (watcher.state === "flowing") {
      if (watcher.stopOffset === watcher.cursor) {
        this.#arrive(watcher);
        continue;
      }
      if (watcher.blocked) return;
      const before = watcher.sentBytes;
      const pumped = watcher.pump(this.#ring as Ring);
      this.bytesOut += watcher.sentBytes - before;
      if (watcher.held !== undefined) this.#dropSent(watcher);
      if (isGone(watcher)) return;
      switch (pumped) {
        case "blocked":
          return;
        case "behind":
          this.#behind.add(watcher);
          return;
        case "gone":
          // Its session learns it from the socket, and says `leave`.
          watcher.blocked = true;
          return;
        case "caughtUp":
          if (this.#state.type === "ended") this.#end(watcher, this.#state.end);
          return;
        case "lapped":
          this.#end(watcher, slow("too far behind the broadcast"));
          return;
        case "stopped":
          break;
        default:
          pumped satisfies never;
      }
    }
  }

  /** A watcher has left off where it had to: it goes on elsewhere, or waits for a place. */
  #arrive(watcher: Watcher): void {
    this.#unlist(watcher);
    watcher.dropHeader();
    watcher.state = "pending";
    watcher.sinceMs = this.#clock.nowMs();
    this.#pending.add(watcher);
    this.#place(watcher);
  }
}

/** Whether a watcher has yet to send bytes of a segment that the tail has passed. */
function needs(watcher: Watcher, segment: number, ring: Ring): boolean {
  const start = segment * ring.segmentBytes;
  return (
    watcher.cursor < Math.min(start + ring.segmentBytes, watcher.stopOffset) && watcher.stopOffset > start
  );
}

/** Whether it is in mid-stream and its socket is full. */
function stalled(watcher: Watcher): boolean {
  return watcher.started && watcher.blocked;
}

/** Whether it left while it was being sent to. */
function isGone(watcher: Watcher): boolean {
  return watcher.state === "gone";
}
