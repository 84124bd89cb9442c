// Whether a broadcast goes on after a connection was lost or refused, how, and when. It decides; broadcast.ts acts.

import type { FstreamError } from "../errors.ts";
import { Backoff, mayPass, successMs } from "./backoff.ts";
import type { ClientClock } from "./clock.ts";

/** How long to go on trying once the input is over, milliseconds. */
const lastChanceMs = 10_000;
/** How many fetched tokens in a row may be refused, because another encoder of the user took a newer one. */
const tokenTries = 5;

/** What became of a connection. */
export interface Lost {
  /** Whether the server said that the stream begins. */
  readonly accepted: boolean;
  /** How long it lasted, milliseconds. */
  readonly workedMs: number;
  /** Whether it was made with a token that was fetched for it. */
  readonly usesFetchedToken: boolean;
  /** All that was sent before it was accepted, if that was kept: it can be sent again. */
  readonly unaccepted: readonly Uint8Array[] | undefined;
}

/** What of the input matters here. */
export interface Remainder {
  readonly ended: boolean;
  /** Whether there is anything to send after a loss. */
  hasMore(): boolean;
}

export type Decision = "give up" | "send again" | "rejoin";

export class BroadcastRetry {
  readonly #retryMs: number;
  readonly #clock: ClientClock;
  readonly #tokenBackoff: Backoff;
  #backoff: Backoff;
  #refusedTokens = 0;
  #isLast = false;
  #stopped = false;
  /** The last trouble that was reported. */
  #reported = "";

  /** `retryMs` without success are tolerated; 0: none at all. */
  constructor(retryMs: number, clock: ClientClock) {
    this.#retryMs = retryMs;
    this.#clock = clock;
    this.#backoff = new Backoff(retryMs, clock);
    this.#tokenBackoff = new Backoff(Number.POSITIVE_INFINITY, clock);
  }

  /** Whether the input is over, so that only a confirmation counts as success. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** An attempt begins: until it succeeds its time counts as time without success. */
  begin(): void {
    this.#backoff.begin();
  }

  /** From now on the decision is to give up. */
  stop(): void {
    this.#stopped = true;
  }

  /** Whether `trouble` is worth a report: it is another one than before, or there was a success in between. */
  isNew({ message }: FstreamError): boolean {
    const isNew = message !== this.#reported;
    this.#reported = message;
    return isNew;
  }

  /** What to do after `trouble`, with which a connection was lost (undefined: there was none). */
  decide(trouble: FstreamError, lost: Lost | undefined, input: Remainder): Decision {
    // A server that never answers, as the original does not, is judged by the time alone.
    const accepted = lost !== undefined && (lost.accepted || lost.workedMs >= successMs);
    if (accepted && !this.#isLast) {
      this.#backoff.worked(lost.workedMs);
      this.#tokenBackoff.worked(lost.workedMs);
      if (lost.workedMs >= successMs) {
        this.#refusedTokens = 0;
        this.#reported = "";
      }
    }
    if (this.#stopped) return "give up";
    // A token that was accepted is not what is refused later.
    const tokenRefused = lost?.usesFetchedToken === true && !accepted && trouble.code === "unauthorized";
    if (tokenRefused && lost.unaccepted !== undefined && ++this.#refusedTokens < tokenTries)
      return "send again";
    if (this.#retryMs === 0 || !mayPass(trouble)) return "give up";
    if (input.ended && !this.#isLast) {
      if (!input.hasMore()) return "give up";
      this.#isLast = true;
      this.#backoff = new Backoff(Math.min(this.#retryMs, lastChanceMs), this.#clock);
    }
    return this.#backoff.leftMs > 0 ? "rejoin" : "give up";
  }

  /** Waits before the next attempt. */
  async pause(): Promise<void> {
    await this.#backoff.pause();
  }

  /** Waits before another token is fetched. */
  async pauseForToken(): Promise<void> {
    await this.#tokenBackoff.pause();
  }
}
