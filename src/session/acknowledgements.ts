// Waits until what was written to connections has been acknowledged by their peers' kernels, which no event reports: it has
// to be polled. The first look is at once, as most peers have acknowledged by then. After that the looks
// at one connection are further and further apart, and those at all connections together have a rate: thousands of peers
// that acknowledge nothing cost no more than a few do.
//
//   tiers:  [0 ms] -> [5 ms] -> [10 ms] -> ... -> [640 ms] -.     each in the order of its times, as all in a tier
//                                             ^             |     wait equally long
//                                             '-------------'

import type { Clock, Timer } from "../relay/clock.ts";
import type { Connection } from "./connection.ts";

/** How long after a look there is another, for the looks after the first; the last for all after it. Milliseconds. */
const delaysMs = [0, 5, 10, 20, 40, 80, 160, 320, 640];
/** So many looks at a time, and how long the next ones then wait at the least, milliseconds. */
const looksAtATime = 256;
const pauseMs = 5;
/** How long is waited where the system does not tell, milliseconds. */
const blindMs = 1000;

type Unacknowledged = Pick<Connection, "unacknowledged">;

interface Wait {
  readonly connection: Unacknowledged;
  readonly deadlineMs: number;
  readonly end: (acknowledged: boolean) => void;
  tier: number;
  dueMs: number;
  cancelled: boolean;
}

/** A queue. (A Set would be one too, but its first is the harder to find the more of those before have been deleted.) */
class Tier {
  #waits: Wait[] = [];
  #first = 0;

  /** The first, past those that were cancelled. */
  get first(): Wait | undefined {
    while (this.#first < this.#waits.length && this.#waits[this.#first].cancelled) this.shift();
    return this.#waits[this.#first];
  }

  push(wait: Wait): void {
    this.#waits.push(wait);
  }

  shift(): void {
    this.#first++;
    if (this.#first < this.#waits.length / 2) return;
    this.#waits = this.#waits.slice(this.#first);
    this.#first = 0;
  }
}

/** One for a process: it bounds what it spends. */
export class Acknowledgements {
  readonly #clock: Clock;
  readonly #tiers = delaysMs.map(() => new Tier());
  #timer: Timer | undefined;
  #timerMs = 0;
  /** No look before that. */
  #pausedUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `end` once the peer's kernel has acknowledged everything written, or some time after `timeoutMs` without that: at
   * the next look. Where the system does not tell: after a second.
   */
  wait(connection: Unacknowledged, timeoutMs: number, end: (acknowledged: boolean) => void): Timer {
    if (connection.unacknowledged() === undefined) return this.#clock.after(blindMs, () => end(true));
    const nowMs = this.#clock.nowMs();
    const deadlineMs = nowMs + timeoutMs;
    const wait: Wait = { connection, deadlineMs, end, tier: 0, dueMs: nowMs, cancelled: false };
    this.#tiers[0].push(wait);
    this.#schedule();
    return {
      cancel: () => {
        wait.cancelled = true;
        if (this.#next() === undefined) this.#unschedule();
      },
    };
  }

  /** The one to be looked at next. */
  #next(): Wait | undefined {
    let next: Wait | undefined;
    for (const { first } of this.#tiers) {
      if (first !== undefined && (next === undefined || first.dueMs < next.dueMs)) next = first;
    }
    return next;
  }

  #schedule(): void {
    const next = this.#next();
    if (next === undefined) return;
    const atMs = Math.max(next.dueMs, this.#pausedUntilMs);
    if (this.#timer !== undefined && this.#timerMs <= atMs) return;
    this.#unschedule();
    this.#timerMs = atMs;
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined;
      try {
        this.#look();
      } finally {
        this.#schedule();
      }
    });
  }

  #unschedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    for (let looks = 0; looks < looksAtATime; looks++) {
      const wait = this.#next();
      if (wait === undefined || wait.dueMs > nowMs) return;
      this.#tiers[wait.tier].shift();
      const acknowledged = wait.connection.unacknowledged() === 0;
      if (acknowledged || nowMs >= wait.deadlineMs) wait.end(acknowledged);
      else this.#later(wait, nowMs);
    }
    this.#pausedUntilMs = nowMs + pauseMs;
  }

  #later(wait: Wait, nowMs: number): void {
    wait.tier = Math.min(wait.tier + 1, delaysMs.length - 1);
    wait.dueMs = nowMs + delaysMs[wait.tier];
    this.#tiers[wait.tier].push(wait);
  }
}
