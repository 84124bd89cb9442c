// A bounded queue for dear work, fair to those who ask: each key (a peer's network) has a lane of its own, the
// lanes are served in turn, one piece of work each. Whoever asks a thousand times waits behind himself;
// everybody else waits for at most one of his. When no more may wait, the newest of the longest lane goes.

import { FstreamError } from "../errors.ts";

interface Waiting {
  start(): void;
  refuse(error: FstreamError): void;
}

/** Runs work, `atOnce` at a time, with at most `maxWaiting` waiting in all lanes together. */
export class Lanes {
  readonly #atOnce: number;
  readonly #maxWaiting: number;
  readonly #lanes = new Map<string, Waiting[]>(); // none is empty; the first is served next
  #running = 0;
  #waiting = 0;

  constructor(options: { atOnce: number; maxWaiting: number }) {
    this.#atOnce = options.atOnce;
    this.#maxWaiting = options.maxWaiting;
  }

  /** What `work` gives, once it was this lane's turn; rejects with FstreamError `busy` if too many wait. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) await this.#turn(key);
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
      const lane = this.#lanes.get(key) ?? [];
      lane.push({ start, refuse });
      this.#lanes.set(key, lane);
      this.#waiting++;
      if (this.#waiting > this.#maxWaiting) this.#dropOne();
    });
  }

  #dropOne(): void {
    let longest: [string, Waiting[]] | undefined;
    for (const lane of this.#lanes)
      if (longest === undefined || lane[1].length >= longest[1].length) longest = lane;
    if (longest === undefined) return;
    this.#waiting--;
    longest[1].pop()?.refuse(new FstreamError("busy", "too many logins at once"));
    if (longest[1].length === 0) this.#lanes.delete(longest[0]);
  }

  #next(): void {
    const first = this.#lanes.entries().next().value;
    if (first === undefined) {
      this.#running--;
      return;
    }
    const [key, lane] = first;
    this.#lanes.delete(key);
    const waiting = lane.shift();
    if (lane.length > 0) this.#lanes.set(key, lane); // to the back
    this.#waiting--;
    waiting?.start();
  }
}
