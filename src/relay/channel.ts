// One channel: at most one broadcaster, a ring of its recent bytes, and its audience.
//
//               broadcaster --append--> [ ring | cut points | timeline ] --fan-out--> audience
//
//   awaited --begin--> live --end--> held --begin--> live ...         only watchers that wait make a channel
//                        |             '--in vain--> ended            "awaited"; an ended one is out of the relay's
//                        '--orderly, hold_ended = 0--> ended          list, and goes with its last watcher
//
// Time comes in by `sweep`, which the relay calls a few times a second.

import { FstreamError } from "../errors.ts";
import type { StreamInfo } from "../media/detector.ts";
import { Audience, type AudienceOptions } from "./audience.ts";
import { BitrateLimit } from "./bitrate.ts";
import { type Broadcast, type Broadcaster, type ChannelState, type End, leadsNowhere } from "./broadcast.ts";
import { type Budget, Share } from "./budget.ts";
import type { Clock } from "./clock.ts";
import { ChunkCutPoints, SniffedCutPoints } from "./cutpoints.ts";
import { FanOut } from "./fanout.ts";
import { type Receive, Ring } from "./ring.ts";
import { Timeline } from "./timeline.ts";
import type { Outlet, Watcher, WatcherOptions } from "./watcher.ts";
import type { WorkTimes } from "./worktime.ts";

export interface ChannelOptions extends AudienceOptions {
  readonly maxDelayMs: number;
  /** Bits a second that a broadcaster may send on average; 0: no limit. */
  readonly maxBitrate: number;
  /** 0: never. */
  readonly broadcasterTimeoutMs: number;
  readonly holdMs: number;
  readonly holdEndedMs: number;
}

/** What happens in a channel that somebody may want to log or count. */
export interface ChannelEvents {
  /** It is known what the broadcast is, or that it is nothing known: `info` says it. Once a broadcast. */
  recognised(channel: Channel): void;
  /** A watcher jumped over `bytes` that it was too slow for. */
  skipped(channel: Channel, bytes: number): void;
  /** The newest join point has left the ring: a backlog of `neededBytes` would hold it. Once a broadcast. */
  backlogShort(channel: Channel, neededBytes: number): void;
  /** Nobody broadcasts here any more or is awaited: who asks from now on makes a new channel. */
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
  readonly events: ChannelEvents;
  /** What each user's streams have cost. */
  readonly workTimes: WorkTimes;
  /** Compares channel passwords, in constant time. */
  readonly samePassword: (a: string, b: string) => boolean;
}

/** What `bitrate` is an average of, milliseconds. */
const bitrateMs = 5000;

export class Channel {
  readonly user: string;
  readonly name: string;
  readonly #parts: ChannelParts;
  readonly #timeline = new Timeline();
  readonly #audience: Audience;
  readonly #fanOut: FanOut;
  /** What is kept beside the ring: of the newest broadcast, and of those before it that watchers are still in. */
  readonly #share: Share;
  #broadcasts: Broadcast[] = [];
  #state: ChannelState = { type: "awaited" };
  #ring: Ring | undefined;
  #reportedShort = false;
  #recognised = false;
  /** Of the broadcast that is on. */
  #bitrateLimit: BitrateLimit | undefined;
  #bytesIn = 0;

  constructor(user: string, name: string, parts: ChannelParts) {
    this.user = user;
    this.name = name;
    this.#parts = parts;
    const { options, clock, events } = parts;
    this.#audience = new Audience(options, clock, this.#timeline, {
      skipped: (bytes) => events.skipped(this, bytes),
      backlogShort: (neededBytes) => this.#backlogShort(neededBytes),
      empty: () => this.#emptied(),
      failed: (error) => events.failed(this, error),
    });
    this.#share = new Share(parts.budget);
    this.#fanOut = new FanOut(clock, options.maxDelayMs, () => this.#audience.pass());
  }

  get state(): ChannelState["type"] {
    return this.#state.type;
  }

  /** Watchers that are there, those that wait for something to be sent included. */
  get watchers(): number {
    return this.#audience.size;
  }

  /** How often watchers of this channel were skipped forward. */
  get skips(): number {
    return this.#audience.skips;
  }

  /** Bytes since the channel began. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#audience.bytesOut;
  }

  /** What is known of the stream; undefined before the first broadcast. */
  get info(): StreamInfo | undefined {
    return this.#state.type === "awaited" ? undefined : this.#state.broadcast?.cutPoints.info;
  }

  /** Bits a second that came in, on the average of the last few seconds of the stream; 0 while there are none. */
  get bitrate(): number {
    const { newestMs } = this.#timeline;
    const before = this.#timeline.offsetAt(newestMs - bitrateMs);
    const ms = this.#timeline.ageOf(before);
    return ms === 0 ? 0 : Math.round(((this.#bytesIn - before) * 8000) / ms);
  }

  /** How far apart the last two join points came, milliseconds; undefined where there are none. */
  get joinIntervalMs(): number | undefined {
    if (this.#state.type === "awaited" || this.#state.broadcast === undefined) return undefined;
    const { cutPoints, start } = this.#state.broadcast;
    const newest = cutPoints.kind === "marked" ? cutPoints.newestJoin(this.#bytesIn) : undefined;
    const before = newest === undefined ? undefined : cutPoints.joinAtOrBefore(newest.offset - 1);
    if (newest === undefined || before === undefined || before.offset < start) return undefined;
    return this.#timeline.ageOf(before.offset) - this.#timeline.ageOf(newest.offset);
  }

  /** Whether nobody is left who needs it. */
  get idle(): boolean {
    return this.watchers === 0 && (this.state === "awaited" || this.state === "ended");
  }

  /**
   * Begins a broadcast, dismissing the one that is on. Watchers stay, but for those whose password is not the new
   * broadcast's. Throws FstreamError `limit` if there is no memory for the channel.
   */
  begin(broadcaster: Broadcaster): Broadcast {
    this.#ring ??= new Ring({
      capacityBytes: this.#parts.options.backlogBytes,
      budget: this.#parts.budget,
      evicting: (segment) => this.#audience.evicting(segment),
    });
    const start = this.#ring.head;
    const cutPoints =
      broadcaster.bufsize > 0 ? new ChunkCutPoints(start, broadcaster.bufsize) : this.#sniffedCutPoints();
    const before = this.#state;
    if (before.type === "live") this.#audience.finishDetection(before.broadcast);
    const broadcast: Broadcast = { broadcaster, start, cutPoints, watchers: 0 };
    const state: Extract<ChannelState, { type: "live" }> = { type: "live", broadcast };
    this.#state = state;
    if (before.type === "live" || before.type === "held") this.#follow(before.broadcast, broadcast);
    this.#broadcasts.push(broadcast);
    this.#reportedShort = false;
    this.#recognised = false;
    const nowMs = this.#parts.clock.nowMs();
    const { maxBitrate } = this.#parts.options;
    this.#bitrateLimit = maxBitrate === 0 ? undefined : new BitrateLimit(maxBitrate, nowMs);
    this.#timeline.note(start, nowMs);
    if (before.type === "live") {
      const error = new FstreamError("replaced", "the same user has begun another broadcast on this channel");
      this.#guard(() => before.broadcast.broadcaster.dismissed(error));
    }
    this.#audience.begin(state, this.#ring, (watcher) => this.#admits(broadcaster, watcher.options.password));
    this.#account();
    return broadcast;
  }

  /** Has the watchers of one broadcast go on with the next. */
  #follow(before: Broadcast, next: Broadcast): void {
    before.end = next.start;
    before.next = next;
    const earlier = this.#broadcasts.at(-2);
    // One that nobody can be in, nor come to, is left out: there may be any number of them.
    if (earlier === undefined || before.watchers > 0 || !leadsNowhere(earlier, before)) return;
    earlier.next = next;
    this.#broadcasts.pop();
  }

  #sniffedCutPoints(): SniffedCutPoints {
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
    const ring = this.#ring;
    if (this.#state.type !== "live" || this.#state.broadcast !== broadcast || ring === undefined) return;
    const nowMs = this.#parts.clock.nowMs();
    // Segment by segment, so that the cut points have seen what is in the ring when some of it has to leave.
    for (let from = 0; from < bytes.length; from += ring.segmentBytes) {
      const part = bytes.length <= ring.segmentBytes ? bytes : bytes.subarray(from, from + ring.segmentBytes);
      ring.append(part);
      this.#added(broadcast, ring, part, nowMs);
    }
    this.#fanOut.wake();
    this.#limitBitrate(broadcast, bytes.length, nowMs);
  }

  /**
   * Adds bytes of `broadcast` as `append` does, but `receive` writes them where they are to be: without a copy in between.
   * Gives how many they were.
   */
  fill(broadcast: Broadcast, receive: Receive): number {
    const ring = this.#ring;
    if (this.#state.type !== "live" || this.#state.broadcast !== broadcast || ring === undefined) return 0;
    const bytes = ring.fill(receive);
    if (bytes.length === 0) return 0;
    const nowMs = this.#parts.clock.nowMs();
    this.#added(broadcast, ring, bytes, nowMs);
    this.#fanOut.wake();
    this.#limitBitrate(broadcast, bytes.length, nowMs);
    return bytes.length;
  }

  #limitBitrate(broadcast: Broadcast, bytes: number, nowMs: number): void {
    if (this.#bitrateLimit === undefined || this.#bitrateLimit.take(bytes, nowMs)) return;
    const { maxBitrate } = this.#parts.options;
    this.#dismiss(
      broadcast,
      new FstreamError("limit", `more than the ${maxBitrate} bits a second that are allowed here`),
    );
  }

  /** Ends `broadcast`, which is on, for a fault of its broadcaster. */
  #dismiss(broadcast: Broadcast, error: FstreamError): void {
    this.#guard(() => broadcast.broadcaster.dismissed(error));
    this.end(broadcast, { type: "aborted", error });
  }

  /** The ring has got `bytes`, its newest. */
  #added({ cutPoints }: Broadcast, ring: Ring, bytes: Uint8Array, nowMs: number): void {
    const { head, tail } = ring;
    this.#bytesIn = head;
    this.#timeline.note(head, nowMs);
    this.#timeline.forget(tail);
    cutPoints.feed(bytes, head - bytes.length);
    cutPoints.forget(tail);
    this.#account();
    this.#audience.look();
    if (this.#recognised || cutPoints.kind === "sniffing") return;
    this.#recognised = true;
    this.#parts.events.recognised(this);
  }

  /** Counts what is kept beside the ring. The newest broadcast is given up if that is too much. */
  #account(): void {
    while (this.#broadcasts.length > 1 && this.#broadcasts[0].watchers === 0) this.#broadcasts.shift();
    const newest = this.#broadcasts[this.#broadcasts.length - 1];
    if (!this.#share.fits(this.#heldBytes)) this.#audience.endHolders();
    const { kind } = newest.cutPoints;
    if (!this.#share.fits(this.#heldBytes) && (kind === "marked" || kind === "sniffing")) {
      newest.cutPoints.giveUp();
      this.#parts.events.opaque(this, "too much would have to be kept of it");
    }
    this.#share.set(this.#heldBytes);
  }

  /** Bytes that are kept beside the ring. */
  get #heldBytes(): number {
    let bytes = this.#audience.prefixes.heldBytes;
    for (const { cutPoints } of this.#broadcasts) bytes += cutPoints.heldBytes;
    return bytes;
  }

  /**
   * The broadcaster is gone: in order, or not. Watchers are held for its return as the settings have it; then, or
   * if it does not come, they get what they are owed and are ended.
   */
  end(broadcast: Broadcast, end: End): void {
    if (this.#state.type !== "live" || this.#state.broadcast !== broadcast) return;
    this.#audience.finishDetection(broadcast);
    const { holdMs, holdEndedMs } = this.#parts.options;
    const forMs = end.type === "orderly" ? holdEndedMs : holdMs;
    if (forMs === 0) {
      this.#close(end);
      return;
    }
    const state: ChannelState = { type: "held", broadcast, untilMs: this.#parts.clock.nowMs() + forMs, end };
    this.#state = state;
    this.#audience.standStill(state);
  }

  /** Ends the channel for everybody: the server stops. The broadcaster is dismissed with `error`. */
  stop(error: FstreamError): void {
    if (this.#state.type === "ended") return;
    if (this.#state.type === "live") {
      const { broadcast } = this.#state;
      this.#audience.finishDetection(broadcast);
      this.#guard(() => broadcast.broadcaster.dismissed(error));
    }
    this.#close({ type: "aborted", error });
  }

  /** Ends the watchers of an ended channel that are still owed bytes. */
  abandon(): void {
    this.#audience.abandon();
  }

  /** Whether watchers need a password. */
  get guarded(): boolean {
    const { broadcast } = "broadcast" in this.#state ? this.#state : {};
    return broadcast !== undefined && broadcast.broadcaster.channelPassword !== "";
  }

  /** Whether a watcher with that password may watch. */
  admits(password: string): boolean {
    const { broadcast } = "broadcast" in this.#state ? this.#state : {};
    return broadcast === undefined || this.#admits(broadcast.broadcaster, password);
  }

  /** After a bug in the channel itself: ends it for everybody, without another step that may fail. */
  abort(error: FstreamError): void {
    const { type } = this.#state;
    if (this.#state.type === "live") {
      const { broadcaster } = this.#state.broadcast;
      this.#guard(() => broadcaster.dismissed(error));
    }
    const end: End = { type: "aborted", error };
    this.#state = { type: "ended", broadcast: undefined, end };
    this.#fanOut.stop();
    this.#audience.endAll(end);
    this.#release();
    if (type !== "ended") this.#parts.events.closed(this);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.events.failed(this, error);
    }
  }

  /** A watcher comes. Throws `forbidden` for a wrong channel password. */
  watch(outlet: Outlet, options: WatcherOptions): Watcher {
    if (!this.admits(options.password)) throw new FstreamError("forbidden", "wrong channel password");
    return this.#audience.add(outlet, options);
  }

  /** Does what has become due. */
  sweep(nowMs: number): void {
    const state = this.#state;
    const { broadcasterTimeoutMs } = this.#parts.options;
    if (state.type === "held" && nowMs >= state.untilMs) this.#close(state.end);
    if (state.type === "live" && broadcasterTimeoutMs > 0) {
      if (nowMs - this.#timeline.newestMs >= broadcasterTimeoutMs) {
        const error = new FstreamError("disconnected", `nothing came for ${broadcasterTimeoutMs / 1000} s`);
        this.#dismiss(state.broadcast, error);
      }
    }
    this.#audience.sweep(nowMs);
  }

  #close(end: End): void {
    const broadcast = "broadcast" in this.#state ? this.#state.broadcast : undefined;
    // All of it was meant to be there: the beginning of a fragment, too, that would have been patched.
    if (end.type === "orderly") broadcast?.cutPoints.conclude();
    const state: ChannelState = { type: "ended", broadcast, end };
    this.#state = state;
    this.#fanOut.stop();
    this.#audience.standStill(state);
    if (this.watchers === 0) this.#release();
    this.#parts.events.closed(this);
  }

  #emptied(): void {
    if (this.#state.type === "awaited") this.#parts.events.closed(this);
    else if (this.#state.type === "ended") this.#release();
  }

  #release(): void {
    this.#ring?.release();
    this.#ring = undefined;
    this.#audience.release();
    this.#broadcasts = [];
    this.#share.set(0);
    if (this.#state.type === "ended") this.#state = { ...this.#state, broadcast: undefined };
  }

  #backlogShort(neededBytes: number): void {
    if (this.#reportedShort) return;
    this.#reportedShort = true;
    this.#parts.events.backlogShort(this, neededBytes);
  }

  #admits({ channelPassword }: Broadcaster, password: string): boolean {
    return channelPassword === "" || this.#parts.samePassword(channelPassword, password);
  }
}
