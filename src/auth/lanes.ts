// A bounded queue for dear work, fair to those who ask: each key (a peer's network) has a lane of its own, the
// lanes are served in turn, one piece of work each. A thousand pieces from one lane wait behind each other;
// those of other lanes wait for at most one of them. When no more may wait, the newest of the lane with the most
// pressure goes, which is never one whose only wish this is and has been: for such there is more room, and every other
// turn is theirs, those with the least pressure and of these the newest first, so that one need not wait behind all the
// networks of a flood. What has waited for too long goes as well, since its asker has most likely given up.

import { FstreamError } from "../errors.ts";

export interface LanesOptions {
  /** Pieces of work at a time. */
  readonly atOnce: number;
  /** Pieces that may wait, in all lanes together; eight times that, while there is no lane with a pressure above 1. */
  readonly maxWaiting: number;
  /**
   * What tells the pressure of a key's lane for as long as something waits in it: at most 1 where there is one wish only. Left
   * out: how many wait there.
   */
  readonly pressureOf?: (key: string) => () => number;
  /** Calls `expire` when something has waited for too long, unless it is cancelled. Left out: never. */
  readonly patience?: (expire: () => void) => { cancel(): void };
}

interface Waiting {
  start(): void;
  refuse(error: FstreamError): void;
  deadline: { cancel(): void } | undefined;
}

interface Lane {
  readonly waiting: Waiting[];
  readonly pressure: () => number;
}

const roomForFirst = 8;

/** Runs work, `atOnce` at a time, with a bound to how much waits. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<string, Lane>(); // none is empty; the first is served next
  #running = 0;
  #waiting = 0;
  /** Whether the last turn was given to the lane whose turn it was, whatever its pressure. */
  #wasInOrder = false;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** What `work` gives, once it was this lane's turn; rejects with FstreamError `busy` if too many wait. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.atOnce) await this.#turn(key);
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  /** Resolves when a place has been handed over: `#running` already counts it. */
  #turn(key: string): Promise<void> {
    return new Promise((start, refuse) => {
      const lane = this.#lanes.get(key) ?? this.#open(key);
      const waiting: Waiting = { start, refuse, deadline: undefined };
      waiting.deadline = this.#options.patience?.(() => this.#drop(key, lane, waiting));
      lane.waiting.push(waiting);
      this.#waiting++;
      if (this.#waiting > this.#options.maxWaiting) this.#dropOne();
    });
  }

  #open(key: string): Lane {
    const waiting: Waiting[] = [];
    const lane = { waiting, pressure: this.#options.pressureOf?.(key) ?? (() => waiting.length) };
    this.#lanes.set(key, lane);
    return lane;
  }

  #dropOne(): void {
    let worst: { key: string; lane: Lane; pressure: number } | undefined;
    for (const [key, lane] of this.#lanes) {
      const pressure = lane.pressure();
      if (worst === undefined || pressure >= worst.pressure) worst = { key, lane, pressure };
    }
    if (worst === undefined) return;
    if (worst.pressure <= 1 && this.#waiting <= this.#options.maxWaiting * roomForFirst) return;
    const newest = worst.lane.waiting.at(-1);
    if (newest !== undefined) this.#drop(worst.key, worst.lane, newest);
  }

  #drop(key: string, { waiting }: Lane, dropped: Waiting): void {
    waiting.splice(waiting.lastIndexOf(dropped), 1);
    if (waiting.length === 0) this.#lanes.delete(key);
    this.#waiting--;
    dropped.deadline?.cancel();
    dropped.refuse(new FstreamError("busy", "too many logins at once"));
  }

  #next(): void {
    const key = this.#turnOf();
    const lane = key === undefined ? undefined : this.#lanes.get(key);
    if (key === undefined || lane === undefined) {
      this.#running--;
      return;
    }
    this.#lanes.delete(key);
    const waiting = lane.waiting.shift();
    if (lane.waiting.length > 0) this.#lanes.set(key, lane); // to the back
    this.#waiting--;
    waiting?.deadline?.cancel();
    waiting?.start();
  }

  /** The key of the lane that is served next: in turns the first of all, and of those with one wish the least pressed. */
  #turnOf(): string | undefined {
    this.#wasInOrder = !this.#wasInOrder;
    let next = this.#lanes.keys().next().value;
    if (this.#wasInOrder || this.#options.pressureOf === undefined) return next;
    let least = 1;
    for (const [key, lane] of this.#lanes) {
      const pressure = lane.pressure();
      if (pressure > least) continue;
      least = pressure;
      next = key;
    }
    return next;
  }
}
