// What one channel carries: its state, the ring of its recent bytes, the broadcasts that these are of, and when they came.
// This is the one place that holds them. The channel changes them; what places watchers, sends to them, skips and drains
// them reads them here.

import { type Broadcast, type Broadcaster, type End, leadsNowhere } from "./broadcast.ts";
import type { ChannelState } from "./channelstate.ts";
import type { CutPoints } from "./cutpoints.ts";
import type { BroadcastWindow } from "./joinchoice.ts";
import type { Budget } from "./memorybudget.ts";
import { Ring, type RingOptions } from "./ring.ts";
import { Timeline } from "./timeline.ts";

/** Those who join are far behind, or wait. Milliseconds. */
const longJoinlessMs = 10_000;

export class Stream {
  readonly timeline = new Timeline();
  #state: ChannelState = { type: "awaited" };
  #ring: Ring | undefined;
  /** The newest broadcast, and those before it that watchers are still in. */
  #broadcasts: Broadcast[] = [];

  get state(): ChannelState {
    return this.#state;
  }

  /** Undefined before the first broadcast, and once all is over. */
  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The broadcast that is on or was on last; undefined before the first, and once all is over. */
  get broadcast(): Broadcast | undefined {
    return this.#state.type === "awaited" ? undefined : this.#state.broadcast;
  }

  /** Whether `broadcast` is on. */
  isLive(broadcast: Broadcast): boolean {
    return this.#state.type === "live" && this.#state.broadcast === broadcast;
  }

  /** Bytes since the channel began. */
  get head(): number {
    return this.#ring?.head ?? 0;
  }

  /** Has a ring for what comes. Throws FstreamError `limit` if there is no memory for it. */
  open(options: { backlogBytes: number; budget: Budget; evicting: RingOptions["evicting"] }): Ring {
    const { backlogBytes: capacityBytes, budget, evicting } = options;
    this.#ring ??= new Ring({ capacityBytes, budget, evicting });
    return this.#ring;
  }

  /** The next broadcast begins at the head. The watchers of the one before go on with it. */
  begin(broadcaster: Broadcaster, cutPoints: CutPoints, nowMs: number): Broadcast {
    const start = this.head;
    const broadcast: Broadcast = { broadcaster, start, cutPoints, watchers: 0 };
    const before = this.broadcast;
    this.#state = { type: "live", broadcast };
    if (before !== undefined) this.#follow(before, broadcast);
    this.#broadcasts.push(broadcast);
    this.timeline.note(start, nowMs);
    return broadcast;
  }

  /** The broadcaster of the broadcast that is on is gone, and may come back until `untilMs`. */
  hold(broadcast: Broadcast, untilMs: number, end: End): void {
    this.#state = { type: "held", broadcast, untilMs, end };
  }

  /** The channel is over. What there is of it stays until it is released. */
  end(end: End): void {
    this.#state = { type: "ended", broadcast: this.broadcast, end };
  }

  #follow(before: Broadcast, next: Broadcast): void {
    before.end = next.start;
    before.next = next;
    const earlier = this.#broadcasts.at(-2);
    // One that no watcher is in, nor can come to, is left out: there may be any number of them.
    if (earlier === undefined || before.watchers > 0 || !leadsNowhere(earlier, before)) return;
    earlier.next = next;
    this.#broadcasts.pop();
  }

  /** The ring has got `bytes`, its newest. */
  added({ cutPoints }: Broadcast, { head, tail }: Ring, bytes: Uint8Array, nowMs: number): void {
    this.timeline.note(head, nowMs);
    this.timeline.forget(tail);
    cutPoints.feed(bytes, head - bytes.length);
    cutPoints.forget(tail);
  }

  /**
   * Fits the ring to a stream of so many bits a second, and gives back what is older than `ms`, in the stream's time, and not
   * needed by one that joins; 0: nothing.
   */
  fitRing(bitsPerSecond: number, ms: number): void {
    const { broadcast, timeline, head } = this;
    if (this.#ring === undefined || broadcast === undefined || broadcast.cutPoints.kind === "sniffing")
      return;
    this.#ring.expect(bitsPerSecond / 8);
    if (ms === 0) return;
    const join = broadcast.cutPoints.newestJoin(head)?.offset ?? head;
    this.#ring.trim(Math.min(timeline.offsetAt(timeline.newestMs - ms), join));
  }

  /** Forgets broadcasts that no watcher is in any more. */
  forget(): void {
    while (this.#broadcasts.length > 1 && this.#broadcasts[0].watchers === 0) this.#broadcasts.shift();
  }

  /** Bytes that are kept of the broadcasts beside the ring. */
  get heldBytes(): number {
    let bytes = 0;
    for (const { cutPoints } of this.#broadcasts) bytes += cutPoints.heldBytes;
    return bytes;
  }

  /** What there is of a broadcast. There must be a ring. */
  window(broadcast: Broadcast): BroadcastWindow {
    const ring = this.#ring as Ring;
    const tail = Math.max(ring.tail, broadcast.cutPoints.patches.completeFrom);
    return { broadcast, tail, head: broadcast.end ?? ring.head };
  }

  /** All is over: gives everything back. */
  release(): void {
    this.#ring?.release();
    this.#ring = undefined;
    this.#broadcasts = [];
    if (this.#state.type === "ended") this.#state = { ...this.#state, broadcast: undefined };
  }

  /** Whether no join point came for long, where there should be some. */
  get isJoinless(): boolean {
    const { broadcast, head } = this;
    if (broadcast?.cutPoints.kind !== "marked") return false;
    return (
      this.timeline.ageOf(broadcast.cutPoints.newestJoin(head)?.offset ?? broadcast.start) > longJoinlessMs
    );
  }

  /** How far apart the last two join points came, milliseconds; undefined where there are none. */
  get joinIntervalMs(): number | undefined {
    if (this.broadcast === undefined) return undefined;
    const { cutPoints, start } = this.broadcast;
    const newest = cutPoints.kind === "marked" ? cutPoints.newestJoin(this.head) : undefined;
    const before = newest === undefined ? undefined : cutPoints.joinAtOrBefore(newest.offset - 1);
    if (newest === undefined || before === undefined || before.offset < start) return undefined;
    return this.timeline.ageOf(before.offset) - this.timeline.ageOf(newest.offset);
  }
}
