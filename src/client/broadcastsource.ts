// What a broadcast sends next: the input, and after a loss where Rejoin says to go on. Rejoin is fed every byte of the input,
// sent or dropped.

import type { Input } from "./input.ts";
import type { Rejoin } from "./rejoin.ts";
import type { Signal } from "./signal.ts";
import { TimeSlice } from "./timeslice.ts";

export class BroadcastSource {
  readonly #input: Input;
  readonly #rejoin: Rejoin | undefined;
  readonly #signal: Signal;
  readonly #look: ((bytes: Uint8Array) => void) | undefined;
  readonly #slice = new TimeSlice();
  /** Bytes taken so far. */
  #taken = 0;
  /** How many those were when the connection was lost; undefined while what is taken is sent. */
  #lostAt: number | undefined;
  #dropped = 0;

  /** `rejoin` only where a loss is tolerated; `signal` is notified of the input's changes; `look` sees all that is read. */
  constructor(input: Input, rejoin: Rejoin | undefined, signal: Signal, look?: (bytes: Uint8Array) => void) {
    this.#look = look;
    this.#input = input;
    this.#rejoin = rejoin;
    this.#signal = signal;
  }

  /** Whether the input is over. */
  get ended(): boolean {
    return this.#input.ended;
  }

  get failure(): Input["failure"] {
    return this.#input.failure;
  }

  /** Bytes of the input that were never sent: there was no connection, or no place yet to go on at. */
  get droppedBytes(): number {
    return this.#dropped + this.#taken - (this.#lostAt ?? this.#taken);
  }

  /** The next bytes of the input; undefined: none at the moment, or none any more. */
  take(): Uint8Array | undefined {
    const bytes = this.#input.take();
    if (bytes === undefined) return undefined;
    this.#taken += bytes.length;
    this.#look?.(bytes);
    this.#rejoin?.feed(bytes);
    return bytes;
  }

  /** What to send now that `bytes` were taken. */
  sendable(bytes: Uint8Array): readonly Uint8Array[] {
    return this.#rejoin?.sendable(bytes) ?? [bytes];
  }

  /** What is left to send when the input is over. */
  rest(): readonly Uint8Array[] {
    return this.#rejoin?.rest() ?? [];
  }

  /** Whether there is anything to send after a loss: an input that is empty is all there still. */
  hasMore(): boolean {
    return this.#taken === 0 || (this.#rejoin?.start(false) ?? []).length > 0;
  }

  /** What to send first after a loss; undefined if there is no clean place yet and `anywhere` does not settle for less. */
  restart(anywhere: boolean): readonly Uint8Array[] | undefined {
    if (this.#rejoin === undefined) return [];
    const pieces = this.#rejoin.start(anywhere);
    if (pieces === undefined || this.#lostAt === undefined) return pieces;
    this.#dropped += Math.max(0, this.#rejoin.startOffset - this.#lostAt);
    this.#lostAt = undefined;
    return pieces;
  }

  /** The result of `task`; until it is there the input is read and dropped. */
  async dropWhile<T>(task: Promise<T>): Promise<T> {
    this.#lostAt ??= this.#taken;
    const state = { done: false };
    const result = task.finally(() => {
      state.done = true;
      this.#signal.notify();
    });
    // It may fail before it is awaited below.
    result.catch(() => undefined);
    while (!state.done) {
      if (this.take() === undefined) await this.#signal.next();
      else await this.#slice.yield();
    }
    return await result;
  }
}
