// The watchers of one channel: those that flow, each with its cursor in the ring, and those that are pending, because there
// is nothing to send them yet (not live, held, or no join point so far). It moves them from one to the other, and sees to it
// that what fails for one of them ends that one alone.
//
// Invariants: nothing here makes the broadcaster or another watcher wait; a flowing watcher's cursor is between tail and
// head, or in a segment that the ring keeps for it; a cursor only moves forward, and other than byte by byte only to where
// the cut points allow.

import { FstreamError } from "../errors.ts";
import { AttendanceCount } from "./attendance.ts";
import { type Broadcast, type End, endedBeforeStart, isFarBehind, slow } from "./broadcast.ts";
import type { Clock } from "./clock.ts";
import { type Counters, type EndReason, reasonOfEnd } from "./counters.ts";
import { type DeadlineOptions, Deadlines } from "./deadlines.ts";
import { Flowing } from "./flowing.ts";
import { tooFarBehind } from "./lag.ts";
import { Pending, type PendingStart } from "./pending.ts";
import { type Found, Placing, type PlacingEvents } from "./placing.ts";
import { Prefix } from "./prefix.ts";
import { dropAll, dropSent, keepSegment } from "./retention.ts";
import type { Ring, Segment } from "./ring.ts";
import type { SendBatch } from "./sendbatch.ts";
import { sendTogether } from "./sendtogether.ts";
import { SharedBuffers } from "./sharedbuffers.ts";
import type { Stream } from "./stream.ts";
import { inStretches } from "./stretches.ts";
import { Turns } from "./turns.ts";
import { type Outlet, Watcher, type WatcherOptions } from "./watcher.ts";
import { stateOf, WatcherList } from "./watcherlist.ts";

/** What comes before the ring's bytes is sent at once if it is no longer than that. Bytes. */
const promptBytes = 64 * 1024;

export interface AudienceEvents extends PlacingEvents {
  /** The last watcher has gone. */
  empty(): void;
  /** A bug in what is done for a watcher: that watcher is ended, and no other. */
  failed(error: unknown): void;
}

export class Audience {
  readonly #clock: Clock;
  readonly #stream: Stream;
  readonly #events: AudienceEvents;
  readonly #placing: Placing;
  readonly #deadlines: Deadlines;
  readonly #counters: Counters;
  readonly #watchers = new WatcherList();
  readonly attendance = new AttendanceCount();
  /** What watchers have yet to be sent that is not in the ring. */
  readonly buffers = new SharedBuffers();
  /** Those that flow and have more to send than their share. */
  readonly #behind: Turns<Flowing>;
  /** The newest join point at the last look, to see whether pending watchers may have got a place. */
  #seenJoin = -1;
  /** Where the head was at the last pass. */
  #passedHead = 0;
  /** Since the channel began. */
  skips = 0;
  bytesOut = 0;

  constructor(
    options: DeadlineOptions,
    clock: Clock,
    stream: Stream,
    counters: Counters,
    events: AudienceEvents,
  ) {
    this.#clock = clock;
    this.#counters = counters;
    this.#stream = stream;
    this.#events = events;
    this.#placing = new Placing(stream, clock, {
      skipped: (bytes) => {
        this.skips++;
        counters.skipped(bytes);
        events.skipped(bytes);
      },
      backlogShort: (neededBytes) => events.backlogShort(neededBytes),
    });
    this.#deadlines = new Deadlines(options, stream, this);
    this.#behind = new Turns(clock, (flowing) => this.send(flowing));
  }

  get size(): number {
    return this.#watchers.size;
  }

  // Coming and going.

  add(outlet: Outlet, options: WatcherOptions): Watcher {
    const watcher = new Watcher(outlet, options, this.#stream.head);
    this.attendance.joined();
    const prefix = new Prefix(this.buffers);
    this.placeAndSend(this.#wait(watcher, { prefix, sentBytes: 0, position: undefined, isBlocked: false }));
    return watcher;
  }

  /** A watcher goes by itself. */
  leave(of: Pending | Flowing): void {
    if (!of.watcher.isGone) this.#remove(of, "left");
  }

  #remove(of: Pending | Flowing, reason: EndReason): void {
    of.watcher.retire();
    this.attendance.left();
    const { position, prefix } = of instanceof Flowing ? this.#stop(of) : of;
    if (of instanceof Pending) this.#watchers.remove(of);
    prefix.release();
    if (position !== undefined) {
      position.broadcast.watchers--;
      this.#counters.watcherEnds.add(reason);
    }
    if (this.size === 0) this.#events.empty();
  }

  /** A watcher waits for a place from now on. */
  #wait(watcher: Watcher, start: PendingStart): Pending {
    const pending = new Pending(this, watcher, start, this.#clock.nowMs());
    this.#watchers.add(pending);
    return pending;
  }

  /** A watcher flows no longer. */
  #stop(flowing: Flowing): PendingStart {
    dropAll(flowing, this.#stream.ring);
    this.#watchers.remove(flowing);
    return flowing.stop();
  }

  /** Ends a watcher for that reason. */
  end(of: Pending | Flowing, end: End): void {
    const { watcher, sentBytes } = of;
    if (watcher.isGone) return;
    this.#remove(of, reasonOfEnd(end));
    try {
      watcher.outlet.finish(end, sentBytes);
    } catch (error) {
      this.#events.failed(error);
    }
  }

  /** Does something for one watcher: what it throws ends that watcher, and stays from all others. */
  #guard(watcher: Watcher, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(watcher, error);
    }
  }

  #fail(watcher: Watcher, error: unknown): void {
    this.#events.failed(error);
    const state = stateOf(watcher);
    const end: End = { type: "aborted", error: new FstreamError("internal", "a bug in the server") };
    if (state !== undefined) this.end(state, end);
  }

  // What becomes of the channel.

  /** `broadcast` begins. Watchers that `admits` refuses are closed; the others get the rest of what was before first. */
  begin(broadcast: Broadcast, admits: (watcher: Watcher) => boolean): void {
    this.#seenJoin = -1;
    const error = new FstreamError("forbidden", "the new broadcast has a different channel password");
    this.#watchers.forEach((each) => {
      const before = each instanceof Flowing ? each.broadcast : each.position?.broadcast;
      if (each instanceof Flowing) each.stopAt(broadcast.start);
      if (!admits(each.watcher)) this.end(each, { type: "aborted", error });
      else if (isFarBehind(before)) this.end(each, slow("several broadcasts behind"));
      else this.#goOn(each);
    });
  }

  /** Ends watchers until there are `most`: first those that wait, of them those that came last. */
  keep(most: number): void {
    const { flowing, pending } = this.#watchers;
    const error = new FstreamError("limit", "this broadcast has a lower limit on watchers");
    for (const each of [...flowing, ...pending].slice(most)) this.end(each, { type: "aborted", error });
  }

  /** The broadcaster is gone, for a while or for good. When it is for good, watchers that have everything are ended. */
  broadcasterGone(): void {
    this.#watchers.forEach((each) => this.#goOn(each));
  }

  /** The channel has changed its state. */
  #goOn(of: Pending | Flowing): void {
    if (of instanceof Flowing) this.#sendInTurn(of);
    else {
      of.sinceMs = this.#clock.nowMs();
      this.placeAndSend(of);
    }
  }

  /** The cut points have seen new bytes: pending watchers may have a place now. */
  placePending(): void {
    const { state, head } = this.#stream;
    if (this.#watchers.pending.size === 0 || state.type !== "live") return;
    const join = state.broadcast.cutPoints.newestJoin(head)?.offset ?? -1;
    if (join !== this.#seenJoin) for (const pending of this.#watchers.pending) this.placeAndSend(pending);
    this.#seenJoin = join;
  }

  /** It is known what the stream is: some wait for that. */
  detected(): void {
    this.#seenJoin = -1;
    for (const pending of this.#watchers.pending)
      if (pending.watcher.detecting !== undefined) this.placeAndSend(pending);
  }

  /** Ends the watchers that take nothing and have a long header or a patch kept for them. */
  endHolders(): void {
    const end = slow("stalled, and there is no more room for its data");
    this.#watchers.forEach((each) => {
      const prefixBytes = each instanceof Flowing ? each.prefixBytes : each.prefix.bytes;
      const keepsPatch = each instanceof Flowing && each.keepsPatch;
      if (each.isBlocked && (prefixBytes > promptBytes || keepsPatch)) this.end(each, end);
    });
  }

  /** Ends all watchers that are still there, for that reason. */
  endAll(end: End): void {
    this.#watchers.forEach((each) => this.end(each, end));
  }

  /** Reports a backlog that no longer reaches back to a join point: joiners have to wait, if there are any. */
  checkBacklog(): void {
    const { state } = this.#stream;
    if (state.type === "live") this.#placing.reportShort(this.#stream.window(state.broadcast));
  }

  /** Does what has become due. */
  sweep(nowMs: number): void {
    const check = (each: Pending | Flowing) =>
      this.#guard(each.watcher, () => this.#deadlines.check(each, nowMs));
    this.#watchers.forEach(check, this.#deadlines.dueBefore);
  }

  // Placing.

  /** Places a pending watcher if that can be, and sends it what there is. */
  placeAndSend(pending: Pending): void {
    this.#guard(pending.watcher, () => {
      const flowing = this.#place(pending);
      if (flowing !== undefined) this.#sendInTurn(flowing);
    });
  }

  /** Places one for which no join point came in time, where that can be. */
  placeAnywhere(pending: Pending): void {
    const found = this.#placing.findLate(pending);
    const flowing = found === undefined ? undefined : this.#enter(pending, found);
    if (flowing !== undefined) this.send(flowing);
  }

  #place(pending: Pending): Flowing | undefined {
    if (pending.isStalled) return undefined;
    const found = this.#placing.find(pending);
    if (found !== undefined) return this.#enter(pending, found);
    const { state } = this.#stream;
    // Nothing will come any more for one that has no place in what there is.
    if (state.type === "ended") {
      this.#placing.countRest(pending);
      this.end(pending, pending.sentBytes > 0 ? state.end : endedBeforeStart(state.end));
    }
    return undefined;
  }

  #enter(pending: Pending, found: Found): Flowing | undefined {
    const start = this.#placing.enter(pending, found);
    if ("type" in start) {
      this.end(pending, start);
      return undefined;
    }
    if (pending.position === undefined) this.#counters.joins++;
    const flowing = new Flowing(this, pending.watcher, start);
    this.#watchers.remove(pending);
    this.#watchers.add(flowing);
    return flowing;
  }

  // Sending.

  /** How many bytes have come since the last pass. */
  get gatheredBytes(): number {
    return this.#stream.head - this.#passedHead;
  }

  /** Sends to all that flow what there is, and calls `between` after some of them. */
  pass(batch: SendBatch | undefined, between: () => void): void {
    this.#passedHead = this.#stream.head;
    inStretches(this.#watchers.flowing, (some) => this.#sendToAll(some, batch), between);
  }

  #sendToAll(some: readonly Flowing[], batch: SendBatch | undefined): void {
    const flowing = some.filter((each) => !each.isOver && !each.isBlocked && !this.#behind.has(each));
    for (const each of this.#sendTogether(flowing, batch)) this.send(each);
  }

  /** Sends by `batch` what can be sent like that. Gives those that are not done with. */
  #sendTogether(flowing: readonly Flowing[], batch: SendBatch | undefined): readonly Flowing[] {
    if (batch === undefined || flowing.length < 2 || this.#stream.state.type !== "live") return flowing;
    const { bytes, rest } = sendTogether(flowing, this.#stream.ring as Ring, batch);
    this.bytesOut += bytes;
    return rest;
  }

  /** Reports for each watcher that flows how far it is behind, in the stream's time. Milliseconds. */
  observeLags(observe: (ms: number) => void): void {
    const { timeline, head } = this.#stream;
    for (const { cursor } of this.#watchers.flowing) observe(cursor >= head ? 0 : timeline.lagAt(cursor));
  }

  /** A segment is about to leave the ring. Gives how many watchers need it to be kept. */
  evicting(segment: Segment): number {
    const ring = this.#stream.ring as Ring;
    let holders = 0;
    const { flowing: list } = this.#watchers;
    for (let i = list.length - 1; i >= 0; i--) {
      const flowing = list[i];
      if (flowing === undefined || flowing.cursor >= segment.end) continue;
      this.#guard(flowing.watcher, () => {
        if (keepSegment(flowing, segment, ring, this)) holders++;
      });
    }
    return holders;
  }

  drained(flowing: Flowing): void {
    this.#sendInTurn(flowing);
  }

  /** Sends a watcher what there is. Many may be placed at once: a long header is sent in turns from the beginning. */
  #sendInTurn(flowing: Flowing): void {
    if (!flowing.isBlocked && flowing.prefixBytes > promptBytes) this.#behind.add(flowing);
    else this.send(flowing);
  }

  /** Sends a watcher what there is. Gives how it flows then, undefined if it does not. */
  send(flowing: Flowing): Flowing | undefined {
    try {
      return this.#send(flowing);
    } catch (error) {
      this.#fail(flowing.watcher, error);
      return undefined;
    }
  }

  #send(from: Flowing): Flowing | undefined {
    let flowing = from;
    while (!flowing.isOver) {
      if (flowing.stopOffset === flowing.cursor) {
        const next = this.#arrive(flowing);
        if (next === undefined) return undefined;
        flowing = next;
        continue;
      }
      if (flowing.isBlocked) return flowing;
      const ring = this.#stream.ring as Ring;
      const before = flowing.sentBytes;
      const pumped = flowing.pump(ring);
      this.bytesOut += flowing.sentBytes - before;
      if (flowing.kept !== undefined) dropSent(flowing, ring);
      if (isOver(flowing)) return undefined;
      switch (pumped) {
        case "blocked":
        case "gone":
          return flowing;
        case "behind":
          this.#behind.add(flowing);
          return flowing;
        case "caughtUp":
          if (this.#stream.state.type !== "ended") return flowing;
          this.end(flowing, this.#stream.state.end);
          return undefined;
        case "lapped":
          this.end(flowing, tooFarBehind);
          return undefined;
        case "stopped":
          break;
        default:
          pumped satisfies never;
      }
    }
    return undefined;
  }

  /** A watcher has stopped where it had to: it goes on elsewhere, or waits for a place. */
  #arrive(flowing: Flowing): Flowing | undefined {
    const start = this.#stop(flowing);
    start.prefix.dropHeader();
    return this.#place(this.#wait(flowing.watcher, start));
  }
}

/** Whether it ended while it was sent to. */
function isOver(flowing: Flowing): boolean {
  return flowing.isOver;
}
