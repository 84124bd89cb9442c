// A right to watch that has been checked (access.ts), and what a watcher has from there: its cursor in the relay, and a place
// among those that wait while its channel is not live.

import type { Throttle } from "../auth/throttle.ts";
import type { FstreamError } from "../errors.ts";
import type { Relay } from "../relay/relay.ts";
import type { Greeter, Outlet, SlowPolicy, StartPoint, Watcher } from "../relay/watcher.ts";
import type { Rewinds } from "./rewinds.ts";
import type { Place, Waiter, WaitingPlaces } from "./waitingplaces.ts";

/** What a watcher asks for. */
export interface WatchAsked {
  readonly user: string;
  readonly channel: string;
  readonly channelPassword: string;
  /** Who watches, where watchers log in; undefined: without a name. */
  readonly watcher: string | undefined;
  readonly watcherPassword: string;
  readonly start: StartPoint;
  /** How long to wait for a channel that is not live, seconds; 0: not at all. */
  readonly waitSeconds: number;
  /** What happens when it falls too far behind; undefined: what the settings say. */
  readonly slowPolicy: SlowPolicy | undefined;
}

/** A watcher that has begun. */
export interface Watching {
  readonly watcher: Watcher;
  /** While it waits: to be left when its stream begins, and when it goes. */
  readonly place: Place | undefined;
}

/** Whether no password is given. */
export function isAnonymous({ channelPassword, watcher, watcherPassword }: WatchAsked): boolean {
  return channelPassword === "" && watcherPassword === "" && watcher === undefined;
}

interface Services {
  readonly relay: Relay;
  readonly guesses: Throttle;
  readonly places: WaitingPlaces;
  readonly rewinds?: Rewinds;
}

export class WatchPermit {
  /** When the watching is to end, on the clock of `performance.now()`; undefined: never. */
  readonly endsMs: number | undefined;
  readonly #address: string;
  readonly #asked: WatchAsked;
  readonly #services: Services;
  readonly #options: { readonly slowWatcher: SlowPolicy; readonly maxWaitMs: number };

  constructor(
    peer: { readonly address: string },
    asked: WatchAsked,
    services: Services,
    options: { readonly slowWatcher: SlowPolicy; readonly maxWaitMs: number },
    endsMs: number | undefined,
  ) {
    this.endsMs = endsMs;
    this.#address = peer.address;
    this.#asked = asked;
    this.#services = services;
    this.#options = options;
  }

  /** What its password is guessed for (throttle.ts). Names have no control characters in them. */
  get subject(): string {
    return `${this.#asked.user}\n${this.#asked.channel}`;
  }

  /** How long it may wait for its channel, milliseconds. */
  get waitMs(): number {
    return Math.min(this.#asked.waitSeconds * 1000, this.#options.maxWaitMs);
  }

  /**
   * Begins. Throws FstreamError if there is nothing to watch, or no place to wait. `session` is displaced if its place is
   * given to another while it waits; `waitedMs` it has waited before.
   */
  begin(session: Outlet & Greeter & Waiter, awaitsDetection: boolean, waitedMs = 0): Watching {
    const { user, channel, channelPassword, start, slowPolicy } = this.#asked;
    const { relay, places } = this.#services;
    const waitMs = Math.max(0, this.waitMs - waitedMs);
    const found = relay.find(user, channel);
    const waits = waitMs > 0 && (found === undefined || found.state === "awaited");
    const place = waits ? places.take(this.#address, session) : undefined;
    try {
      const watcher = relay.watch(user, channel, session, {
        start,
        password: channelPassword,
        allowance: this.#services.rewinds?.of(this.#address),
        slowPolicy: slowPolicy ?? this.#options.slowWatcher,
        waitMs,
        greeter: session,
        awaitsDetection,
      });
      return { watcher, place };
    } catch (error) {
      place?.leave();
      throw error;
    }
  }

  /** What its stream is, without watching it; undefined before the first broadcast. Throws FstreamError `not_live`. */
  info(): ReturnType<Relay["live"]>["info"] {
    const { user, channel } = this.#asked;
    return this.#services.relay.live(user, channel).info;
  }

  /** It was refused after its wait: if for its password, it has guessed at that. */
  refused(error: FstreamError): void {
    if (error.code === "forbidden" && this.#asked.channelPassword !== "")
      this.#services.guesses.failed(this.#address, this.subject);
  }
}
