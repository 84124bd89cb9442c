// Broadcasters whose bytes are fetched when the fan-out wants some, in place of an event for each piece (relay/fanout.ts): which of
// them have any is asked once for all, and each is read right into its ring, however many pieces have come.

import type { Sources } from "../relay/fanout.ts";

/** Which of many sockets can be read, asked for all at once. Sockets go by their descriptors. */
export interface Readiness {
  /** False if that can't be had. */
  add(descriptor: number): boolean;
  remove(descriptor: number): void;
  /** Calls `readable` for each that has bytes, and `over` for each whose peer has ended, or that has failed. */
  poll(readable: (descriptor: number) => void, over: (descriptor: number) => void): void;
}

/** What brings bytes by events, or by polls. */
export interface Polled {
  startPolling(): void;
  stopPolling(): void;
  /** Some have come. Gives how many it has taken. */
  poll(): number;
}

export class Polling implements Sources {
  readonly #readiness: Readiness;
  readonly #failed: (error: unknown) => void;
  /** By their descriptors. */
  readonly #sources = new Map<number, Polled>();
  /** Those that are polled. */
  readonly #polled = new Map<number, Polled>();
  #isOn = false;

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
    this.#isOn = true;
    for (const [descriptor, source] of this.#sources) this.#start(descriptor, source);
  }

  stop(): void {
    this.#isOn = false;
    for (const descriptor of this.#polled.keys()) this.#stop(descriptor);
  }

  poll(brought: () => void): number {
    let mostBytes = 0;
    this.#readiness.poll(
      (descriptor) => {
        this.#guard(() => {
          mostBytes = Math.max(mostBytes, this.#polled.get(descriptor)?.poll() ?? 0);
        });
        brought();
      },
      // Events bring the rest, and how it ended.
      (descriptor) => this.#guard(() => this.delete(descriptor)),
    );
    return mostBytes;
  }

  /** What is thrown is a bug of one source: the others are polled all the same. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failed(error);
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
