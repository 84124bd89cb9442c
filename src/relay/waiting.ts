// How bytes come in where they come often and little else is to be done: the fan-out waits for the broadcasters itself, in place of the
// event loop, and sends what comes. An event for each piece would touch several times as much code, none of which the CPU's
// caches hold any more if the last piece came milliseconds ago. As soon as the event loop has something to do, it has its turn.

import { type Clock, soonMs } from "./clock.ts";

/** Pieces come often if so many in a row each come so soon after the one before. Milliseconds. */
const oftenPieces = 64;
const oftenMs = 20;
/** Once so many more waits have brought none than have brought some, events take over again. */
const mostFutile = 64;

/** What a wait has come to: bytes, nothing, or (whatever else) the event loop has something to do. */
export type Waited = "bytes" | "events" | "nothing";

/** What bytes come from, and can be waited for. */
export interface Awaited {
  /** How many there are. */
  readonly size: number;
  /** From now on they are waited for. False if that can't be had. */
  startWaiting(): boolean;
  stopWaiting(): void;
  /** Waits for at most so many milliseconds, and has them bring what has come. Throws nothing. */
  wait(ms: number): Waited;
}

/** What else is to be done while it waits. */
export interface WaitingOwner {
  sources(): Awaited;
  /** When the next pass is due; infinite if there is none to come. */
  dueMs(): number;
  pass(): void;
  /** It waits no longer. */
  stopped(): void;
}

export class Waiting {
  readonly #clock: Clock;
  readonly #owner: WaitingOwner;
  #isOn = false;
  /** When an event brought the last piece; how many in a row have come often. */
  #lastMs = 0;
  #often = 0;
  /** How many more waits have brought no bytes than have. */
  #futile = 0;

  constructor(clock: Clock, owner: WaitingOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** An event has brought bytes. */
  came(nowMs: number): void {
    if (this.#isOn) return;
    this.#often = nowMs - this.#lastMs <= oftenMs ? this.#often + 1 : 0;
    this.#lastMs = nowMs;
    if (this.#often < oftenPieces) return;
    this.#often = 0;
    const sources = this.#owner.sources();
    if (sources.size === 0 || !sources.startWaiting()) return;
    this.#isOn = true;
    this.#futile = 0;
    this.#goOn();
  }

  /** Events bring what comes again. */
  stop(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#owner.sources().stopWaiting();
    this.#owner.stopped();
  }

  #goOn(): void {
    this.#clock.after(0, () => {
      try {
        this.#stretch();
      } finally {
        if (this.#isOn) this.#goOn();
      }
    });
  }

  #stretch(): void {
    let nowMs = this.#clock.nowMs();
    const endMs = nowMs + soonMs;
    do {
      if (this.#owner.dueMs() <= nowMs) {
        this.#owner.pass();
        nowMs = this.#clock.nowMs();
      }
      if (!this.#isOn) return;
      const untilMs = Math.min(endMs, this.#clock.soonestMs, this.#owner.dueMs());
      if (this.#wait(Math.max(0, untilMs - nowMs)) === "events") return;
      nowMs = this.#clock.nowMs();
    } while (this.#isOn && nowMs < Math.min(endMs, this.#clock.soonestMs));
  }

  #wait(ms: number): Waited {
    const sources = this.#owner.sources();
    const waited = sources.wait(Math.ceil(ms));
    this.#futile = Math.max(0, this.#futile + (waited === "bytes" ? -1 : 1));
    if (sources.size === 0 || this.#futile >= mostFutile) this.stop();
    return waited;
  }
}
