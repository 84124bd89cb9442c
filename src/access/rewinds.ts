// How much of the backlogs the watchers of an address may begin with: a request of a few bytes (`start=1h`) has a whole backlog sent,
// and could ask for it again and again. A token bucket of bytes for each network, full at first, which a minute fills.
//
// Nobody is refused for it. A watcher begins no further back than what is left allows, at the next join point if that is
// nothing: it still gets its stream, as `start` promises no more than "as far as the backlog goes". A plain join draws on the bucket too,
// but takes so little of it that a household, or a page that is loaded again and again, never comes to its end.

import { networksOf } from "../auth/network.ts";
import { remember } from "../auth/reputation.ts";
import type { BacklogAllowance } from "../relay/watcher.ts";
import { networkShares } from "./limits.ts";

export interface RewindsOptions {
  /** Whole backlogs in a minute; 0: no limit. */
  readonly maxRewindsPerIp: number;
  readonly backlogBytes: number;
}

export interface RewindsParts {
  /** A clock that only goes forward. */
  readonly nowMs: () => number;
  /** Whether an address is exempt. */
  readonly exempt: (address: string) => boolean;
  /** A watcher comes from an address that has less than a backlog left. */
  readonly exhausted: (address: string) => void;
}

const minuteMs = 60_000;
/** Networks of each width remembered at a time: beyond it, the one that took something longest ago is forgotten. */
const maxRemembered = 10_000;

/** What a network has taken of late. */
interface Taken {
  readonly bytes: number;
  readonly atMs: number;
}

export class Rewinds {
  readonly #options: RewindsOptions;
  readonly #parts: RewindsParts;
  /** For each width of networks, as of networksOf. */
  readonly #taken = networkShares.map(() => new Map<string, Taken>());

  constructor(options: RewindsOptions, parts: RewindsParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** What a watcher that comes from an address may begin with; undefined: whatever there is. */
  of(address: string): BacklogAllowance | undefined {
    const { exempt, exhausted } = this.#parts;
    const { maxRewindsPerIp, backlogBytes } = this.#options;
    if (maxRewindsPerIp === 0 || exempt(address)) return undefined;
    const networks = networksOf(address);
    const left = () => Math.max(0, Math.min(...networks.map((network, width) => this.#left(network, width))));
    if (left() < backlogBytes) exhausted(address);
    return {
      get bytes() {
        return left();
      },
      take: (bytes) => {
        for (const [width, network] of networks.entries()) this.#take(network, width, bytes);
      },
    };
  }

  #left(network: string, width: number): number {
    return Math.floor(this.#most(width) - this.#takenBy(network, width));
  }

  #most(width: number): number {
    const { maxRewindsPerIp, backlogBytes } = this.#options;
    return maxRewindsPerIp * backlogBytes * networkShares[width];
  }

  /** What has come back since counts no longer. */
  #takenBy(network: string, width: number): number {
    const taken = this.#taken[width].get(network);
    if (taken === undefined) return 0;
    const back = ((this.#parts.nowMs() - taken.atMs) / minuteMs) * this.#most(width);
    return Math.max(0, taken.bytes - back);
  }

  #take(network: string, width: number, more: number): void {
    // What it takes at the least, when nothing is left, is no debt.
    const bytes = Math.min(this.#most(width), this.#takenBy(network, width) + more);
    remember(this.#taken[width], network, { bytes, atMs: this.#parts.nowMs() }, maxRemembered);
  }
}
