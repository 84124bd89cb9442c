// Those that are behind (a joiner gets a whole group of pictures, say; a peer sends faster than it is read) are served in turns, for a
// few milliseconds at a time: neither one long burst nor a thousand at once hold up those that are up to date.

import type { Clock } from "./clock.ts";

/** How long turns go on at a stretch, milliseconds. */
const stretchMs = 2;

export class Turns<T> {
  readonly #clock: Clock;
  readonly #serve: (one: T) => void;
  readonly #isOnce: boolean;
  #queue: T[] = [];
  readonly #waiting = new Set<T>();
  #due = false;
  /** Until when what goes on before the next stretch has time; undefined: nothing has asked. */
  #untilMs: number | undefined;

  /** `serve` gives one its turn; it may ask for another, which with `isOnce` it has in the next stretch at the earliest. */
  constructor(clock: Clock, serve: (one: T) => void, isOnce = false) {
    this.#clock = clock;
    this.#isOnce = isOnce;
    this.#serve = serve;
  }

  /** Whether one waits for its turn. */
  has(one: T): boolean {
    return this.#waiting.has(one);
  }

  /** Has one wait for its turn, once. */
  add(one: T): void {
    if (this.#waiting.has(one)) return;
    this.#waiting.add(one);
    this.#queue.push(one);
    this.#soon();
  }

  /** Whether there is time to go on without a turn: all that ask between two stretches have that of one. */
  hasTime(): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#untilMs !== undefined) return nowMs < this.#untilMs;
    this.#untilMs = nowMs + stretchMs;
    this.#soon();
    return true;
  }

  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#clock.after(0, () => this.#stretch());
  }

  #stretch(): void {
    const untilMs = this.#clock.nowMs() + stretchMs;
    const { length } = this.#queue;
    let served = 0;
    try {
      while (
        served < (this.#isOnce ? length : this.#queue.length) &&
        (served === 0 || this.#clock.nowMs() < untilMs)
      ) {
        const one = this.#queue[served++];
        this.#waiting.delete(one);
        this.#serve(one);
      }
    } finally {
      this.#untilMs = undefined;
      this.#queue = this.#queue.slice(served);
      this.#due = false;
      if (this.#queue.length > 0) this.#soon();
    }
  }
}
