// A watcher as its session has it: a way out for bytes, and where it stands. Nothing is queued for it: it sends straight
// from the ring (flowing.ts), or waits for a place to start or go on at (pending.ts).
//
//   pending --placed--> flowing --stopped--> pending --placed--> flowing ... --> gone
//
// Its audience moves it from one to the next; the session that owns the socket reports `drained`, and its end.

import type { StreamInfo } from "../media/detector.ts";
import type { Broadcast, End } from "./broadcast.ts";

/** Where a watcher's first byte is to be: see protocol/README.md, "start". */
export type StartPoint =
  | { readonly type: "join" | "next" | "live" }
  | { readonly type: "back"; readonly ms: number };

/** What becomes of a watcher that falls too far behind: it goes on at a newer join point, or is closed. */
export type SlowPolicy = "skip" | "close";

/** Where a watcher's bytes go. */
export interface Outlet {
  /** A socket that, after the first `write`, may be sent what would be written, as it is; undefined: it needs `write`. */
  readonly descriptor?: number | undefined;
  /**
   * Sends `length` bytes of `bytes` from `offset` on. Returns how many were taken: fewer than `length` means
   * that a call of `drained` will follow; negative, that the peer is gone. Must not keep `bytes`.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** The last call: what was owed was written, as far as `end` promises it. `sentBytes`: how much was taken in all. */
  finish(end: End, sentBytes: number): void;
}

/** What a watcher may be sent at its start of what has come before. */
export interface BacklogAllowance {
  /** So many whole bytes, as things are. */
  readonly bytes: number;
  /** It is sent so many. */
  take(bytes: number): void;
}

export interface Greeter {
  /** Makes what is written before its first byte of the stream, once there is one. `info`: of its broadcast. */
  greeting(info: StreamInfo): Uint8Array;
}

export interface WatcherOptions {
  readonly start: StartPoint;
  /** Undefined: all that there is. */
  readonly allowance?: BacklogAllowance | undefined;
  /** The channel password it offers. */
  readonly password: string;
  /** What becomes of it when it falls too far behind. */
  readonly slowPolicy: SlowPolicy;
  /** How long it waits for a channel that is not live, milliseconds. */
  readonly waitMs: number;
  readonly greeter: Greeter;
  /** Whether its first byte has to wait until it is known what the stream is. */
  readonly awaitsDetection: boolean;
}

/** What a watcher does at a time. */
export interface WatcherState {
  /** The next byte of the channel that it is to get; 0 before it was placed. */
  readonly cursor: number;
  /** Bytes taken by the socket, in total. */
  readonly sentBytes: number;
  drained(): void;
  leave(): void;
}

export class Watcher {
  readonly outlet: Outlet;
  readonly options: WatcherOptions;
  /** Where the head was when it came, for `start=next`. */
  readonly arrivedAt: number;
  /** Bytes of its stream that it was skipped over. */
  skippedBytes = 0;
  /** A broadcast of which it is not known yet what it is, and which it gets from its first byte once it is. */
  detecting: Broadcast | undefined;
  #state: WatcherState | undefined;
  #isGone = false;
  /** Undefined before the greeting is made. */
  #greetingBytes: number | undefined;

  constructor(outlet: Outlet, options: WatcherOptions, arrivedAt: number) {
    this.outlet = outlet;
    this.options = options;
    this.arrivedAt = arrivedAt;
  }

  /** The last one, once it is gone. */
  get state(): WatcherState | undefined {
    return this.#state;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get cursor(): number {
    return this.#state?.cursor ?? 0;
  }

  /** Bytes that its socket has taken. */
  get sentBytes(): number {
    return this.#state?.sentBytes ?? 0;
  }

  /** Whether it has got anything of the stream, a header included: then it is in mid-stream. */
  isStarted(sentBytes: number): boolean {
    return sentBytes > (this.#greetingBytes ?? 0);
  }

  /** The greeting, which is made once; undefined if it is made already. */
  greeting(info: StreamInfo): Uint8Array | undefined {
    if (this.#greetingBytes !== undefined) return undefined;
    const greeting = this.options.greeter.greeting(info);
    this.#greetingBytes = greeting.length;
    return greeting;
  }

  /** It does something else from now on. */
  become(state: WatcherState): void {
    this.#state = state;
  }

  /** It does nothing any more, and nothing is done for it. */
  retire(): void {
    this.#isGone = true;
  }

  /** The socket can take bytes again. */
  drained(): void {
    if (!this.#isGone) this.#state?.drained();
  }

  /** The peer is gone, or its bytes are not wanted any more. */
  leave(): void {
    if (!this.#isGone) this.#state?.leave();
  }
}
