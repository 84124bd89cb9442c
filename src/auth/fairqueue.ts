// A bounded queue for expensive work, fair to its keys (a peer's network each): each key has a lane, and the lanes are served
// round robin, one piece of work each. A thousand pieces of one lane wait behind each other; those of other lanes wait for at
// most one of them.
//
// When no more may wait, the newest of the lane with the most pressure is dropped. That is never a lane with a pressure of 1 or
// less (a first attempt) as long as there is another: for such there is more room, and every other piece of work served is of
// those, the least pressure first and of these the newest, so that one need not wait behind all the networks of a flood. What
// has waited for too long is dropped as well, since its client has most likely given up.

import { FstreamError } from "../errors.ts";

export interface FairQueueOptions {
  /** Pieces of work at a time. */
  readonly atOnce: number;
  /** Pieces that may wait, in all lanes together; eight times that, while there is no lane with a pressure above 1. */
  readonly maxWaiting: number;
  /**
   * Gives a function for the pressure of a key's lane, asked for as long as something waits in it: at most 1 for a first
   * attempt. Left out: how many wait there.
   */
  readonly pressureOf?: (key: string) => () => number;
  /** Calls `expire` when something has waited for too long, unless it is cancelled. Left out: never. */
  readonly timeout?: (expire: () => void) => { cancel(): void };
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
export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #queue = new Map<string, Lane>(); // none is empty; the first is served next
  #running = 0;
  #waiting = 0;
  /** Whether the last one was served in order, whatever its pressure. */
  #wasInOrder = false;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** The result of `work`, which runs when it is served; rejects with FstreamError `busy` if too many wait. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.atOnce) await this.#wait(key);
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  /** Resolves when a place was handed over: `#running` already counts it. */
  #wait(key: string): Promise<void> {
    return new Promise((start, refuse) => {
      const lane = this.#queue.get(key) ?? this.#open(key);
      const waiting: Waiting = { start, refuse, deadline: undefined };
      waiting.deadline = this.#options.timeout?.(() => this.#drop(key, lane, waiting));
      lane.waiting.push(waiting);
      this.#waiting++;
      if (this.#waiting > this.#options.maxWaiting) this.#dropOne();
    });
  }

  #open(key: string): Lane {
    const waiting: Waiting[] = [];
    const lane = { waiting, pressure: this.#options.pressureOf?.(key) ?? (() => waiting.length) };
    this.#queue.set(key, lane);
    return lane;
  }

  #dropOne(): void {
    let worst: { key: string; lane: Lane; pressure: number } | undefined;
    for (const [key, lane] of this.#queue) {
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
    if (waiting.length === 0) this.#queue.delete(key);
    this.#waiting--;
    dropped.deadline?.cancel();
    dropped.refuse(new FstreamError("busy", "too many logins at once"));
  }

  #next(): void {
    const key = this.#nextKey();
    const lane = key === undefined ? undefined : this.#queue.get(key);
    if (key === undefined || lane === undefined) {
      this.#running--;
      return;
    }
    this.#queue.delete(key);
    const waiting = lane.waiting.shift();
    if (lane.waiting.length > 0) this.#queue.set(key, lane); // to the back
    this.#waiting--;
    waiting?.deadline?.cancel();
    waiting?.start();
  }

  /** The key of the lane that is served next: alternately the first of all, and of first attempts the least pressed. */
  #nextKey(): string | undefined {
    this.#wasInOrder = !this.#wasInOrder;
    let next = this.#queue.keys().next().value;
    if (this.#wasInOrder || this.#options.pressureOf === undefined) return next;
    let least = 1;
    for (const [key, lane] of this.#queue) {
      const pressure = lane.pressure();
      if (pressure > least) continue;
      least = pressure;
      next = key;
    }
    return next;
  }
}

/** A client waits for its answer no longer than half a minute, and can come back: milliseconds. */
const longestWaitMs = 10_000;

/** The `timeout` of logins. */
export function waitLimit(expire: () => void): { cancel(): void } {
  const timer = setTimeout(expire, longestWaitMs);
  return { cancel: () => clearTimeout(timer) };
}
