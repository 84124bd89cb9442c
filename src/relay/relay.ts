// All channels: found by user and name, begun by a broadcaster or by watchers that wait, counted against the
// limits, and swept a few times a second.

import { FstreamError, named } from "../errors.ts";
import { BitrateLimits } from "./bitrate.ts";
import type { Broadcast, Broadcaster, BroadcastLimits, End } from "./broadcast.ts";
import { Channel, type ChannelEvents } from "./channel.ts";
import { channelKey } from "./channelkey.ts";
import type { ChannelOptions } from "./channeloptions.ts";
import type { Clock } from "./clock.ts";
import { Counters } from "./counters.ts";
import { WorkTimes } from "./cputime.ts";
import { FanOut, type Sources } from "./fanout.ts";
import { Budget } from "./memorybudget.ts";
import { type Receive, reserveOf } from "./ring.ts";
import type { SendBatch } from "./sendbatch.ts";
import type { Outlet, Watcher, WatcherOptions } from "./watcher.ts";

export interface RelayOptions extends ChannelOptions {
  /** Bytes that all rings together may hold. */
  readonly maxBacklogTotalBytes: number;
  readonly maxChannelsPerUser: number;
  /** Whether a user may replace its own broadcast. */
  readonly takeover: boolean;
}

/** As the channels' own; `closed` comes when the last watcher of a closed channel has gone too. */
export type RelayEvents = ChannelEvents;

/** A broadcast that is on: what its session holds of it. */
export interface BroadcastHandle {
  /** Of its channel, those that wait for something to be sent included. */
  readonly watchers: number;
  append(bytes: Uint8Array): void;
  /** Adds what `receive` writes, without a copy in between; gives how many bytes. `receive` is not called if the broadcast is over. */
  fill(receive: Receive): number;
  end(end: End): void;
}

const sweepMs = 250;

export class Relay {
  readonly counters = new Counters();
  readonly #options: RelayOptions;
  readonly #clock: Clock;
  readonly #parts;
  readonly #events: RelayEvents;
  readonly #channels = new Map<string, Channel>();
  /** Channels that are over, and still have watchers that are owed bytes. */
  readonly #draining = new Set<Channel>();
  #sweeping = false;
  #stopped = false;

  /** `samePassword` compares channel passwords, in constant time. */
  constructor(
    options: RelayOptions,
    clock: Clock,
    samePassword: (a: string, b: string) => boolean,
    events: RelayEvents,
  ) {
    this.#options = options;
    this.#clock = clock;
    const budget = new Budget(options);
    const { counters } = this;
    this.#events = {
      ...events,
      closed: (channel) => {
        counters.gone(channel);
        events.closed(channel);
      },
    };
    const closed = (channel: Channel) => this.#closed(channel);
    const workTimes = new WorkTimes(clock);
    const bitrates = new BitrateLimits();
    this.#parts = {
      options,
      clock,
      budget,
      fanOut: new FanOut(clock, options),
      samePassword,
      bitrates,
      workTimes,
      counters,
      events: { ...events, closed },
    };
  }

  /** What brings bytes, and can be polled for them. */
  set sources(sources: Sources) {
    this.#parts.fanOut.sources = sources;
  }

  /** Gives what many watchers are sent to with, where that can be had; asked once there are some. */
  set sendBatch(make: () => SendBatch | undefined) {
    this.#parts.fanOut.makeBatch = make;
  }

  /** Every channel that is live, held or awaited. */
  get channels(): Iterable<Channel> {
    return this.#channels.values();
  }

  /** Channels that are over, and still have watchers that are owed bytes. */
  get draining(): Iterable<Channel> {
    return this.#draining;
  }

  /** A channel that is live, held or awaited. */
  find(user: string, name: string): Channel | undefined {
    return this.#channels.get(channelKey(user, name));
  }

  /** A channel that is live or held. Throws FstreamError `not_live`. */
  live(user: string, name: string): Channel {
    const found = this.find(user, name);
    if (found !== undefined && found.state !== "awaited") return found;
    throw new FstreamError("not_live", `${named(user)} is not broadcasting on channel ${named(name)}`);
  }

  /** Bytes that all rings hold, and all else that is kept of streams. */
  get backlogBytes(): number {
    return this.#parts.budget.usedBytes;
  }

  /** The most that they may be. */
  get maxBacklogBytes(): number {
    return this.#options.maxBacklogTotalBytes;
  }

  /**
   * Whether a broadcast could begin as things are, but for memory. Throws `limit` for a channel too many, `busy` if the channel is
   * taken and may not be taken over, `shutting_down`.
   */
  refuseBroadcast(user: string, name: string): void {
    this.#refuseIfStopped();
    const state = this.find(user, name)?.state ?? "awaited";
    if (state === "live" && !this.#options.takeover) {
      throw new FstreamError("busy", "this channel already has a broadcaster");
    }
    if (state === "awaited") this.#refuseOneTooMany(user);
  }

  /** Whether a broadcast would take the place of another that is on. */
  isTakeover(user: string, name: string): boolean {
    return this.find(user, name)?.state === "live";
  }

  /** The IP address of the broadcaster of a channel that is live, where that is known. */
  broadcasterAddress(user: string, name: string): string | undefined {
    return this.find(user, name)?.broadcasterAddress;
  }

  /** Begins a broadcast. Throws what `refuseBroadcast` does, and `limit` if there is no memory for it. */
  broadcast(
    user: string,
    name: string,
    broadcaster: Broadcaster,
    limits: BroadcastLimits = {},
  ): BroadcastHandle {
    this.refuseBroadcast(user, name);
    if (this.find(user, name)?.state === "live") this.#parts.fanOut.catchUp();
    const found = this.find(user, name);
    const channel = found ?? this.#open(user, name);
    let broadcast: Broadcast;
    try {
      if (!channel.hasRing) this.#makeRoom();
      broadcast = channel.begin(broadcaster, limits);
    } catch (error) {
      if (channel.idle) this.#channels.delete(channelKey(user, name));
      throw error;
    }
    return {
      get watchers() {
        return channel.watchers;
      },
      append: (bytes) => this.#for(channel, () => channel.append(broadcast, bytes)),
      fill: (receive) => this.#for(channel, () => channel.fill(broadcast, receive)) ?? 0,
      end: (end) => this.#for(channel, () => channel.end(broadcast, end)),
    };
  }

  /**
   * A watcher comes. Throws `not_live` (if it does not wait), `forbidden` (channel password), `limit`,
   * `shutting_down`.
   */
  watch(user: string, name: string, outlet: Outlet, options: WatcherOptions): Watcher {
    this.#refuseIfStopped();
    const found = options.waitMs === 0 ? this.live(user, name) : this.find(user, name);
    const maxWatchers = found?.maxWatchers ?? 0;
    if (maxWatchers > 0 && (found?.watchers ?? 0) >= maxWatchers) {
      throw new FstreamError("limit", "the channel is full");
    }
    return (found ?? this.#open(user, name)).watch(outlet, options);
  }

  /** Ends the broadcast of a channel that is live or held: see `Channel.finish`. Throws `not_live` for any other. */
  finish(user: string, name: string, error: FstreamError): void {
    this.#parts.fanOut.catchUp();
    const channel = this.live(user, name);
    this.#for(channel, () => channel.finish(error));
  }

  /** Ends everything: broadcasters are dismissed, watchers get what they are owed. */
  stop(): void {
    this.#parts.fanOut.catchUp();
    this.#stopped = true;
    const error = new FstreamError("shutting_down", "the server is shutting down");
    for (const channel of this.#channels.values()) this.#for(channel, () => channel.stop(error));
  }

  /** Does something for one channel: what it throws ends that channel, and stays from all others. Undefined then. */
  #for<T>(channel: Channel, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.#events.failed(channel, error);
      channel.abort(new FstreamError("internal", "a bug in the server"));
      return undefined;
    }
  }

  #open(user: string, name: string): Channel {
    const channel = new Channel(user, name, this.#parts);
    this.#channels.set(channelKey(user, name), channel);
    if (!this.#sweeping) this.#sweepLater();
    return channel;
  }

  #closed(channel: Channel): void {
    const key = channelKey(channel.user, channel.name);
    if (this.#channels.get(key) === channel) this.#channels.delete(key);
    if (channel.idle) this.#events.closed(channel);
    else this.#drain(channel);
  }

  /** A channel is over but for watchers that are owed bytes. A user has as many of those as of live ones at the most. */
  #drain(channel: Channel): void {
    this.#draining.add(channel);
    const ofUser = [...this.#draining].filter(({ user }) => user === channel.user);
    for (const oldest of ofUser.slice(0, -this.#options.maxChannelsPerUser)) {
      this.#for(oldest, () => oldest.abandon());
      this.#drained(oldest);
    }
  }

  /** Where there is no room for another ring, channels that drain are ended, the oldest first. */
  #makeRoom(): void {
    for (const oldest of this.#draining) {
      if (this.#parts.budget.has(reserveOf(this.#options.backlogBytes))) return;
      this.#for(oldest, () => oldest.abandon());
      this.#drained(oldest);
    }
  }

  /** Forgets a channel that is over, if its last watcher has gone. */
  #drained(channel: Channel): void {
    if (channel.idle && this.#draining.delete(channel)) this.#events.closed(channel);
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const channel of this.#channels.values()) this.#for(channel, () => channel.sweep(nowMs));
    for (const channel of this.#draining) {
      this.#for(channel, () => channel.sweep(nowMs));
      this.#drained(channel);
    }
    this.#parts.bitrates.forget(nowMs, this.#channels);
    this.#parts.workTimes.forget(new Set([...this.#channels.values()].map(({ user }) => user)));
    if (this.#channels.size > 0 || this.#draining.size > 0) this.#sweepLater();
    else this.#sweeping = false;
  }

  #sweepLater(): void {
    this.#sweeping = true;
    this.#clock.after(sweepMs, () => this.#sweep());
  }

  #refuseOneTooMany(user: string): void {
    let broadcasting = 0;
    for (const channel of this.#channels.values()) {
      if (channel.user === user && channel.state !== "awaited") broadcasting++;
    }
    const { maxChannelsPerUser: most } = this.#options;
    if (broadcasting >= most)
      throw new FstreamError(
        "limit",
        `a user can have at most ${most} ${most === 1 ? "channel" : "channels"} live`,
      );
  }

  #refuseIfStopped(): void {
    if (this.#stopped) throw new FstreamError("shutting_down", "the server is shutting down");
  }
}
