// How the bytes of the broadcast that is on come into its channel's ring, and what they bring about at once: the cut points
// see them, and they count for the bit rate that a broadcaster may have. Watchers get them from the fan-out.

import { FstreamError } from "../errors.ts";
import { type BitrateLimit, rateText } from "./bitrate.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Clock } from "./clock.ts";
import type { Receive, Ring } from "./ring.ts";
import type { Stream } from "./stream.ts";

export interface IngestEvents {
  /** The ring has got bytes, and the cut points have seen them. Before the next segment of them is added. */
  added(): void;
  /** All of a piece is there. */
  wake(): void;
  /** It is known what the broadcast is, or that it is nothing known. Once a broadcast. */
  recognised(): void;
  /** More has come than the broadcaster may send. */
  exceeded(broadcast: Broadcast, error: FstreamError): void;
}

export class Ingest {
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #events: IngestEvents;
  readonly #limitOf: (bitsPerSecond: number, nowMs: number) => BitrateLimit;
  #maxBitrate: () => number = () => 0;
  #limit: BitrateLimit | undefined;
  #recognised = false;
  /** Bytes since the channel began. */
  bytes = 0;

  /** `limitOf` gives the channel's limit of so many bits a second. */
  constructor(
    stream: Stream,
    clock: Clock,
    limitOf: (bitsPerSecond: number, nowMs: number) => BitrateLimit,
    events: IngestEvents,
  ) {
    this.#limitOf = limitOf;
    this.#stream = stream;
    this.#clock = clock;
    this.#events = events;
  }

  /** Another broadcast begins, which may send so many bits a second at a time; 0: no limit. */
  begin(maxBitrate: () => number): void {
    this.#recognised = false;
    this.#maxBitrate = maxBitrate;
    this.#limit = undefined;
    this.#limitAt(this.#clock.nowMs());
  }

  /** The limit by now. */
  #limitAt(nowMs: number): BitrateLimit | undefined {
    const most = this.#maxBitrate();
    if (most !== (this.#limit?.bitsPerSecond ?? 0))
      this.#limit = most > 0 ? this.#limitOf(most, nowMs) : undefined;
    return this.#limit;
  }

  /** Adds bytes of `broadcast`; those of one that is over are dropped. */
  append(broadcast: Broadcast, bytes: Uint8Array): void {
    const ring = this.#ringOf(broadcast);
    if (ring === undefined) return;
    const nowMs = this.#clock.nowMs();
    // Segment by segment, so that the cut points have seen what is in the ring when some of it has to leave.
    for (let from = 0; from < bytes.length; ) {
      const rest = from === 0 ? bytes : bytes.subarray(from);
      const count = ring.append(rest);
      this.#added(broadcast, ring, count === rest.length ? rest : rest.subarray(0, count), nowMs);
      from += count;
    }
    this.#events.wake();
    this.#count(broadcast, bytes.length, nowMs);
  }

  /**
   * Adds bytes of `broadcast` as `append` does, but `receive` writes them where they are to be: without a copy in between.
   * Gives how many they were.
   */
  fill(broadcast: Broadcast, receive: Receive): number {
    const ring = this.#ringOf(broadcast);
    if (ring === undefined) return 0;
    const bytes = ring.fill(receive);
    if (bytes.length === 0) return 0;
    const nowMs = this.#clock.nowMs();
    this.#added(broadcast, ring, bytes, nowMs);
    this.#events.wake();
    this.#count(broadcast, bytes.length, nowMs);
    return bytes.length;
  }

  #ringOf(broadcast: Broadcast): Ring | undefined {
    return this.#stream.isLive(broadcast) ? this.#stream.ring : undefined;
  }

  /** The ring has got `bytes`, its newest. */
  #added(broadcast: Broadcast, ring: Ring, bytes: Uint8Array, nowMs: number): void {
    this.bytes = ring.head;
    this.#stream.added(broadcast, ring, bytes, nowMs);
    this.#events.added();
    if (this.#recognised || broadcast.cutPoints.kind === "sniffing") return;
    this.#recognised = true;
    this.#events.recognised();
  }

  #count(broadcast: Broadcast, bytes: number, nowMs: number): void {
    const limit = this.#limitAt(nowMs);
    if (limit === undefined || limit.take(bytes, nowMs)) return;
    const message = `the bit rate is above the limit of ${rateText(limit.bitsPerSecond)}`;
    this.#events.exceeded(broadcast, new FstreamError("limit", message));
  }
}
