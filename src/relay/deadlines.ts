// What becomes due for a watcher as time goes by: it has waited long enough for a channel, or for a join point; it lags
// further than `max_lag`; it has taken nothing for `drain_timeout` of what it is owed of a channel that has ended.

import { FstreamError } from "../errors.ts";
import { type End, slow } from "./broadcast.ts";
import { Drain } from "./drain.ts";
import type { Flowing } from "./flowing.ts";
import { exceedsLag, stopAtUnitEnd, tooFarBehind } from "./lag.ts";
import { Pending } from "./pending.ts";
import type { Stream } from "./stream.ts";

export interface DeadlineOptions {
  /** 0: only the backlog counts. */
  readonly maxLagMs: number;
  readonly joinTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

/** How long a watcher that has to know what the stream is waits for that: media are known by their first frames. Milliseconds. */
const detectionMs = 3000;

/** What is done for a watcher when its time has come. */
export interface DeadlineOwner {
  end(of: Pending | Flowing, end: End): void;
  /** It has stopped, or will at its `stopOffset`. */
  send(flowing: Flowing): void;
  /** It waits no longer for a join point. */
  placeAnywhere(pending: Pending): void;
}

export class Deadlines {
  readonly #options: DeadlineOptions;
  readonly #stream: Stream;
  readonly #owner: DeadlineOwner;
  readonly #drain: Drain;

  constructor(options: DeadlineOptions, stream: Stream, owner: DeadlineOwner) {
    this.#options = options;
    this.#stream = stream;
    this.#owner = owner;
    this.#drain = new Drain(options);
  }

  /** For a watcher that flows and whose cursor is here or further on nothing is due: usually that is all of them. */
  get dueBefore(): number {
    const { state, timeline } = this.#stream;
    if (state.type === "ended") return Number.POSITIVE_INFINITY;
    const { maxLagMs } = this.#options;
    return maxLagMs === 0 ? 0 : timeline.offsetAt(timeline.newestMs - maxLagMs);
  }

  /** Does for a watcher what is due. */
  check(of: Pending | Flowing, nowMs: number): void {
    if (this.#stream.state.type === "ended") this.#checkDraining(of, nowMs);
    else if (of instanceof Pending) this.#checkPending(of, nowMs);
    else this.#checkFlowing(of);
  }

  #checkDraining(of: Pending | Flowing, nowMs: number): void {
    if (!this.#drain.isStuck(of.watcher, of.sentBytes, nowMs)) return;
    this.#owner.end(of, slow("stalled after the broadcast ended"));
  }

  #checkPending(pending: Pending, nowMs: number): void {
    const waitedMs = nowMs - pending.sinceMs;
    const { type } = this.#stream.state;
    if (type === "awaited" && waitedMs >= pending.watcher.options.waitMs) {
      const error = new FstreamError("not_live", "no broadcast started on this channel");
      this.#owner.end(pending, { type: "aborted", error });
    } else if (type === "live" && !pending.isStalled && this.#isLate(pending, nowMs)) {
      this.#owner.placeAnywhere(pending);
    }
  }

  /** Whether a watcher has waited long enough for its place in a stream that is on. */
  #isLate({ sinceMs, watcher: { detecting } }: Pending, nowMs: number): boolean {
    const { head, timeline } = this.#stream;
    if (detecting === undefined || detecting.cutPoints.kind !== "sniffing" || !this.#stream.isLive(detecting))
      return nowMs - sinceMs >= this.#options.joinTimeoutMs;
    // As long as nothing has come there is nothing to be late for.
    const { start } = detecting;
    return head > start && nowMs - timeline.newestMs + timeline.lagAt(start) >= detectionMs;
  }

  #checkFlowing(flowing: Flowing): void {
    if (!exceedsLag(flowing, this.#stream, this.#options.maxLagMs)) return;
    if (stopAtUnitEnd(flowing)) this.#owner.send(flowing);
    else this.#owner.end(flowing, tooFarBehind);
  }
}
