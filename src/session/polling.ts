// Broadcasters whose bytes are fetched when the fan-out wants some, or waits for them, in place of an event for each piece
// (relay/fanout.ts, relay/waiting.ts): which of them have any is asked once for all, and each is read right into its ring, however many
// pieces have come.

import type { Sources } from "../relay/fanout.ts";
import type { Waited } from "../relay/waiting.ts";

/** Which of many sockets can be read, asked for all at once. Sockets go by their descriptors. */
export interface Readiness {
  /** False if that can't be had. */
  add(descriptor: number): boolean;
  remove(descriptor: number): void;
  /** Has `wait` come back once the event loop, which watches `descriptor` too, has something to do. False if that can't be had. */
  watchEvents(descriptor: number): boolean;
  ignoreEvents(): void;
  /**
   * Waits for at most so many milliseconds, and calls `readable` for each that has bytes, and `over` for each whose peer has ended, or
   * that has failed. Whether the event loop has something to do.
   */
  wait(ms: number, readable: (descriptor: number) => void, over: (descriptor: number) => void): boolean;
}

/** What brings bytes by events, or by polls. */
export interface Polled {
  startPolling(): void;
  stopPolling(): void;
  /** Some have come. Gives how many it has taken. */
  poll(): number;
  /** Its end has come: it takes what came before, events bring the rest. */
  pollLast(): void;
}

export class Polling implements Sources {
  readonly #readiness: Readiness;
  readonly #failed: (error: unknown) => void;
  /** By their descriptors. */
  readonly #sources = new Map<number, Polled>();
  /** Those that are polled. */
  readonly #polled = new Map<number, Polled>();
  #isOn = false;
  #waitedBytes = 0;
  readonly #readable = (descriptor: number) => {
    this.#waitedBytes += this.#poll(descriptor);
  };
  /** Events tell how it ended. What came before that is not to be too late for it, where another is about to take over. */
  readonly #over = (descriptor: number) => {
    try {
      this.#polled.get(descriptor)?.pollLast();
      this.delete(descriptor);
    } catch (error) {
      this.#failed(error);
    }
  };

  /** `failed` is told of a bug in what is done for a source. */
  constructor(readiness: Readiness, failed: (error: unknown) => void) {
    this.#readiness = readiness;
    this.#failed = failed;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** From now on `source`, whose bytes come through `descriptor`, can be polled. */
  add(descriptor: number, source: Polled): void {
    this.#sources.set(descriptor, source);
    if (this.#isOn) this.#start(descriptor, source);
  }

  /** No longer. It gets what comes by events. */
  delete(descriptor: number): void {
    this.#sources.delete(descriptor);
    this.#stop(descriptor);
  }

  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    for (const [descriptor, source] of this.#sources) this.#start(descriptor, source);
  }

  stop(): void {
    this.#isOn = false;
    for (const descriptor of this.#polled.keys()) this.#stop(descriptor);
  }

  poll(brought: () => void): number {
    let mostBytes = 0;
    const readable = (descriptor: number) => {
      mostBytes = Math.max(mostBytes, this.#poll(descriptor));
      brought();
    };
    this.#readiness.wait(0, readable, this.#over);
    return mostBytes;
  }

  startWaiting(): boolean {
    const [descriptor] = this.#sources.keys();
    if (descriptor === undefined || !this.#readiness.watchEvents(descriptor)) return false;
    this.start();
    return true;
  }

  stopWaiting(): void {
    this.#readiness.ignoreEvents();
    this.stop();
  }

  wait(ms: number): Waited {
    this.#waitedBytes = 0;
    const hasEvents = this.#readiness.wait(ms, this.#readable, this.#over);
    if (hasEvents) return "events";
    return this.#waitedBytes > 0 ? "bytes" : "nothing";
  }

  /** Reads what has come from one; gives how many bytes. What is thrown is a bug of that one: the others are polled all the same. */
  #poll(descriptor: number): number {
    try {
      return this.#polled.get(descriptor)?.poll() ?? 0;
    } catch (error) {
      this.#failed(error);
      return 0;
    }
  }

  #start(descriptor: number, source: Polled): void {
    if (!this.#readiness.add(descriptor)) return;
    this.#polled.set(descriptor, source);
    source.startPolling();
  }

  #stop(descriptor: number): void {
    const source = this.#polled.get(descriptor);
    if (source === undefined) return;
    this.#polled.delete(descriptor);
    this.#readiness.remove(descriptor);
    source.stopPolling();
  }
}
