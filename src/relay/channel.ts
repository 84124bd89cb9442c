// One channel: at most one broadcaster, the stream that it carries, and its audience.
//
//               broadcaster --ingest--> stream [ ring | cut points | timeline ] --fan-out--> audience
//
//   awaited --begin--> live --end--> held --begin--> live ...         only watchers that wait make a channel
//                        |             '--in vain--> ended            "awaited"; an ended one is out of the relay's
//                        '--orderly, hold_ended = 0--> ended          list, and goes with its last watcher
//
// Time comes in by `sweep`, which the relay calls a few times a second.

import { FstreamError } from "../errors.ts";
import type { StreamInfo } from "../media/detector.ts";
import type { Attendance } from "./attendance.ts";
import { Audience } from "./audience.ts";
import type { BitrateLimits } from "./bitrate.ts";
import { type Broadcast, type Broadcaster, type BroadcastLimits, type End, slow } from "./broadcast.ts";
import { channelKey } from "./channelkey.ts";
import type { ChannelOptions } from "./channeloptions.ts";
import { beginnings, type ChannelState } from "./channelstate.ts";
import { ChunkCutPoints } from "./chunkcutpoints.ts";
import type { Clock } from "./clock.ts";
import { type Counters, reasonOfEnd } from "./counters.ts";
import type { WorkTimes } from "./cputime.ts";
import type { CutPoints } from "./cutpoints.ts";
import type { FanOut } from "./fanout.ts";
import { Footprint } from "./footprint.ts";
import { Ingest } from "./ingest.ts";
import { InputRate } from "./inputrate.ts";
import type { Budget } from "./memorybudget.ts";
import type { Receive, Segment } from "./ring.ts";
import { SniffedCutPoints } from "./sniffedcutpoints.ts";
import { Stream } from "./stream.ts";
import type { Outlet, Watcher, WatcherOptions } from "./watcher.ts";

/** What happens in a channel that may be logged or counted. */
export interface ChannelEvents {
  /** It is known what the broadcast is, or that it is nothing known: `info` says it. Once a broadcast. */
  recognised(channel: Channel): void;
  /** A watcher jumped over `bytes` that it was too slow for. */
  skipped(channel: Channel, bytes: number): void;
  /** The newest join point has left the ring: a backlog of `neededBytes` would hold it. Once a broadcast. */
  backlogShort(channel: Channel, neededBytes: number): void;
  /** Watchers have come or gone, at most once a minute. */
  attended(channel: Channel, attendance: Attendance): void;
  /** No join point came for 10 s. Once a broadcast. */
  joinless(channel: Channel): void;
  /** It is over, or no longer awaited: the next broadcaster or watcher makes a new channel. */
  closed(channel: Channel): void;
  /** What was recognised is passed on as opaque from here on, for this reason. */
  opaque(channel: Channel, reason: string): void;
  /** A bug: what it was about (a watcher, the stream's detector, the channel) is ended, and nothing else. */
  failed(channel: Channel, error: unknown): void;
}

/** What a channel has to be given. */
export interface ChannelParts {
  readonly options: ChannelOptions;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly fanOut: FanOut;
  readonly events: ChannelEvents;
  readonly counters: Counters;
  /** What broadcasters may send, by channelKey. */
  readonly bitrates: BitrateLimits;
  /** What each user's streams have cost. */
  readonly workTimes: WorkTimes;
  /** Compares channel passwords, in constant time. */
  readonly samePassword: (a: string, b: string) => boolean;
}

export class Channel {
  readonly user: string;
  readonly name: string;
  readonly #parts: ChannelParts;
  readonly #stream = new Stream();
  readonly #audience: Audience;
  readonly #ingest: Ingest;
  readonly #footprint: Footprint;
  readonly #inputRate = new InputRate();
  /** What of the broadcast was reported, and is not again. */
  readonly #reported = new Set<"backlogShort" | "joinless">();
  #sinceMs = 0;
  /** Those of the broadcast that is on, or was on last. */
  #limits: BroadcastLimits = {};

  constructor(user: string, name: string, parts: ChannelParts) {
    this.user = user;
    this.name = name;
    this.#parts = parts;
    const { options, clock, events, counters } = parts;
    this.#audience = new Audience(options, clock, this.#stream, counters, {
      skipped: (bytes) => events.skipped(this, bytes),
      backlogShort: (neededBytes) =>
        this.#reportOnce("backlogShort", () => events.backlogShort(this, neededBytes)),
      empty: () => this.#emptied(),
      failed: (error) => events.failed(this, error),
    });
    this.#footprint = new Footprint(parts.budget, this.#stream, this.#audience, (reason) =>
      events.opaque(this, reason),
    );
    const limitOf = (bitsPerSecond: number, nowMs: number) =>
      parts.bitrates.of(channelKey(user, name), bitsPerSecond, nowMs);
    this.#ingest = new Ingest(this.#stream, clock, limitOf, {
      added: () => {
        this.#footprint.update();
        this.#audience.placePending();
      },
      wake: () => parts.fanOut.wake(this.#audience),
      recognised: () => {
        events.recognised(this);
        this.#audience.detected();
      },
      exceeded: (broadcast, error) => this.#dismiss(broadcast, error),
    });
  }

  get state(): ChannelState["type"] {
    return this.#stream.state.type;
  }

  /** Watchers that are there, those that wait for something to be sent included. */
  get watchers(): number {
    return this.#audience.size;
  }

  /** How many there may be; 0: no limit. */
  get maxWatchers(): number {
    return this.#limits.maxWatchers ?? this.#parts.options.maxWatchersPerChannel;
  }

  /** How many watchers there have been, since the channel began. */
  get watchersInTotal(): number {
    return this.#audience.attendance.total;
  }

  /** How often watchers of this channel were skipped forward. */
  get skips(): number {
    return this.#audience.skips;
  }

  /** Bytes since the channel began. */
  get bytesIn(): number {
    return this.#ingest.bytes;
  }

  get bytesOut(): number {
    return this.#audience.bytesOut;
  }

  /** When the broadcast that is on, or was on last, began: milliseconds since 1970-01-01 UTC; 0 before the first. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Reports for each watcher that is sent something how far it is behind, in the stream's time. Milliseconds. */
  observeLags(observe: (ms: number) => void): void {
    this.#audience.observeLags(observe);
  }

  /** What is known of the stream; undefined before the first broadcast. */
  get info(): StreamInfo | undefined {
    return this.#stream.broadcast?.cutPoints.info;
  }

  /** Bits a second that came in, on the average of the last 5 seconds; 0 when nothing came for that long. */
  get bitrate(): number {
    return this.#inputRate.at(this.bytesIn, this.#parts.clock.nowMs());
  }

  /** The IP address of the broadcaster that is on; undefined if there is none, or it is not known. */
  get broadcasterAddress(): string | undefined {
    const { state } = this.#stream;
    return state.type === "live" ? state.broadcast.broadcaster.address : undefined;
  }

  /** How far apart the last two join points came, milliseconds; undefined where there are none. */
  get joinIntervalMs(): number | undefined {
    return this.#stream.joinIntervalMs;
  }

  /** Whether it has memory for its bytes already. */
  get hasRing(): boolean {
    return this.#stream.ring !== undefined;
  }

  /** Whether it is over, or was never begun, and no watcher needs it. */
  get idle(): boolean {
    return this.watchers === 0 && (this.state === "awaited" || this.state === "ended");
  }

  /** Whether watchers need a password. */
  get guarded(): boolean {
    const { broadcast } = this.#stream;
    return broadcast !== undefined && broadcast.broadcaster.channelPassword !== "";
  }

  /** Whether a watcher with that password may watch. */
  admits(password: string): boolean {
    const { broadcast } = this.#stream;
    return broadcast === undefined || this.#admits(broadcast.broadcaster, password);
  }

  #admits({ channelPassword }: Broadcaster, password: string): boolean {
    return channelPassword === "" || this.#parts.samePassword(channelPassword, password);
  }

  // The broadcaster.

  /**
   * Begins a broadcast, dismissing the one that is on. Watchers stay, but for those whose password is not the new
   * broadcast's. Throws FstreamError `limit` if there is no memory for the channel.
   */
  begin(broadcaster: Broadcaster, limits: BroadcastLimits = {}): Broadcast {
    const { clock, budget, options, counters } = this.#parts;
    const evicting = (segment: Segment) => this.#audience.evicting(segment);
    const ring = this.#stream.open({ backlogBytes: options.backlogBytes, budget, evicting });
    const before = this.#stream.state;
    if (before.type === "live") this.#finishDetection(before.broadcast);
    this.#reported.clear();
    this.#sinceMs = clock.wallMs();
    this.#limits = limits;
    this.#ingest.begin(() => limits.maxBitrate ?? options.maxBitrate);
    counters.broadcasts.add(beginnings[before.type]);
    const cutPoints = this.#cutPoints(broadcaster, ring.head);
    const broadcast = this.#stream.begin(broadcaster, cutPoints, clock.nowMs());
    this.#inputRate.begin(this.bytesIn, clock.nowMs());
    if (before.type === "live") {
      const error = new FstreamError("replaced", "the same user started another broadcast on this channel");
      this.#over({ type: "aborted", error });
      this.#guard(() => before.broadcast.broadcaster.dismissed(error));
    }
    this.#audience.begin(broadcast, (watcher) => this.#admits(broadcaster, watcher.options.password));
    if (this.maxWatchers > 0) this.#audience.keep(this.maxWatchers);
    this.#footprint.update();
    return broadcast;
  }

  #cutPoints({ bufsize }: Broadcaster, start: number): CutPoints {
    if (bufsize > 0) return new ChunkCutPoints(start, bufsize);
    const { clock, events, workTimes } = this.#parts;
    return new SniffedCutPoints(clock, workTimes.begin(this.user), {
      opaque: (reason, error) => {
        if (error !== undefined) events.failed(this, error);
        events.opaque(this, reason);
      },
    });
  }

  /** Adds bytes of `broadcast`; those of one that is over are dropped. Ends it if they are more than its bit rate allows. */
  append(broadcast: Broadcast, bytes: Uint8Array): void {
    this.#ingest.append(broadcast, bytes);
  }

  /** The same for what `receive` writes into the ring itself. Gives how many bytes that were. */
  fill(broadcast: Broadcast, receive: Receive): number {
    return this.#ingest.fill(broadcast, receive);
  }

  /** Ends `broadcast`, which is on, for a fault of its broadcaster. */
  #dismiss(broadcast: Broadcast, error: FstreamError): void {
    this.#guard(() => broadcast.broadcaster.dismissed(error));
    this.end(broadcast, { type: "aborted", error });
  }

  /**
   * The broadcaster is gone: in order, or not. Watchers are held for its return as the settings have it; then, or
   * if it does not come, they get what they are owed and are ended.
   */
  end(broadcast: Broadcast, end: End): void {
    if (!this.#stream.isLive(broadcast)) return;
    this.#over(end);
    this.#finishDetection(broadcast);
    const { holdMs, holdEndedMs } = this.#parts.options;
    const forMs = end.type === "orderly" ? holdEndedMs : holdMs;
    if (forMs === 0) return this.#close(end);
    this.#stream.hold(broadcast, this.#parts.clock.nowMs() + forMs, end);
    this.#audience.broadcasterGone();
  }

  /** Ends the broadcast that is on or held, for all and at once. A broadcaster is dismissed with `error`; watchers end in order. */
  finish(error: FstreamError): void {
    const { state } = this.#stream;
    if (state.type === "held") this.#close(state.end);
    else if (state.type === "live") this.#cutShort(error, { type: "orderly" });
  }

  /** Dismisses the broadcaster, if there is one, with `error`, and ends the channel for all as `end` says. */
  #cutShort(error: FstreamError, end: End): void {
    const { state } = this.#stream;
    if (state.type === "live") {
      this.#over({ type: "aborted", error });
      this.#finishDetection(state.broadcast);
      this.#guard(() => state.broadcast.broadcaster.dismissed(error));
    }
    this.#close(end);
  }

  /** Counts the broadcast that is on as over. */
  #over(end: End): void {
    this.#parts.counters.broadcastEnds.add(reasonOfEnd(end));
  }

  /** `broadcast` is over, and so is what was unclear about it: pending watchers may have a place. */
  #finishDetection(broadcast: Broadcast): void {
    broadcast.cutPoints.finishDetection();
    this.#audience.placePending();
    this.#audience.detected();
  }

  // Watchers.

  /** A watcher comes. Throws `forbidden` for a wrong channel password. */
  watch(outlet: Outlet, options: WatcherOptions): Watcher {
    if (!this.admits(options.password)) throw new FstreamError("forbidden", "wrong channel password");
    return this.#audience.add(outlet, options);
  }

  /** Ends the watchers of an ended channel that are still owed bytes. */
  abandon(): void {
    this.#audience.endAll(slow("stalled, and its room is needed for streams that ended later"));
  }

  #emptied(): void {
    if (this.state === "awaited") this.#parts.events.closed(this);
    else if (this.state === "ended") this.#release();
  }

  // Time, and the end.

  /** Does what has become due. */
  sweep(nowMs: number): void {
    const { state, timeline } = this.#stream;
    const { broadcasterTimeoutMs, backlogTimeMs } = this.#parts.options;
    if (state.type === "held" && nowMs >= state.untilMs) this.#close(state.end);
    const isSilent = broadcasterTimeoutMs > 0 && nowMs - timeline.newestMs >= broadcasterTimeoutMs;
    if (state.type === "live" && isSilent) {
      const message = `no data for ${broadcasterTimeoutMs / 1000} s`;
      this.#dismiss(state.broadcast, new FstreamError("disconnected", message));
    }
    this.#inputRate.note(this.bytesIn, nowMs);
    this.#stream.fitRing(this.bitrate, backlogTimeMs);
    this.#audience.sweep(nowMs);
    this.#audience.checkBacklog();
    if (this.state === "live" && this.#stream.isJoinless)
      this.#reportOnce("joinless", () => this.#parts.events.joinless(this));
    // Those that only wait watch nothing yet.
    const attendance = this.state === "awaited" ? undefined : this.#audience.attendance.due(nowMs);
    if (attendance !== undefined) this.#parts.events.attended(this, attendance);
  }

  /** Ends the channel for all: the server stops. The broadcaster is dismissed with `error`. */
  stop(error: FstreamError): void {
    if (this.state !== "ended") this.#cutShort(error, { type: "aborted", error });
  }

  /** After a bug in the channel itself: ends it for all, without another step that may fail. */
  abort(error: FstreamError): void {
    const { state } = this.#stream;
    const end: End = { type: "aborted", error };
    if (state.type === "live") {
      this.#over(end);
      this.#guard(() => state.broadcast.broadcaster.dismissed(error));
    }
    this.#stream.end(end);
    this.#parts.fanOut.drop(this.#audience);
    this.#audience.endAll(end);
    this.#release();
    if (state.type !== "ended") this.#parts.events.closed(this);
  }

  #close(end: End): void {
    const { broadcast } = this.#stream;
    // All of it was meant to be there: the beginning of a fragment, too, that would have been patched.
    if (end.type === "orderly") broadcast?.cutPoints.conclude();
    this.#stream.end(end);
    this.#parts.fanOut.drop(this.#audience);
    this.#audience.broadcasterGone();
    if (this.watchers === 0) this.#release();
    this.#parts.events.closed(this);
  }

  #release(): void {
    this.#stream.release();
    this.#footprint.clear();
  }

  #reportOnce(what: "backlogShort" | "joinless", report: () => void): void {
    if (this.#reported.has(what)) return;
    this.#reported.add(what);
    report();
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.events.failed(this, error);
    }
  }
}
