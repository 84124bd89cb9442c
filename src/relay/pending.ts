// A watcher that waits for a place: the channel is not live, its broadcaster is awaited back, or there is no join point so
// far. One that has been in the stream knows where it stopped, and goes on from there.

import type { Position } from "./joinchoice.ts";
import type { Prefix } from "./prefix.ts";
import type { Watcher, WatcherState } from "./watcher.ts";

export interface PendingStart {
  /** What it has yet to be sent whatever its place is. */
  readonly prefix: Prefix;
  /** What it has been sent before. */
  readonly sentBytes: number;
  /** Undefined before its first place. */
  readonly position: Position | undefined;
  /** Whether its socket is full. */
  readonly isBlocked: boolean;
}

/** What its audience does for it. */
export interface PendingOwner {
  placeAndSend(pending: Pending): void;
  leave(pending: Pending): void;
}

export class Pending implements WatcherState {
  readonly watcher: Watcher;
  readonly prefix: Prefix;
  readonly sentBytes: number;
  readonly position: Position | undefined;
  isBlocked: boolean;
  /** Since when it has waited, or the channel's state is what it is. Milliseconds. */
  sinceMs: number;
  readonly #owner: PendingOwner;

  constructor(owner: PendingOwner, watcher: Watcher, start: PendingStart, nowMs: number) {
    this.#owner = owner;
    this.watcher = watcher;
    this.prefix = start.prefix;
    this.sentBytes = start.sentBytes;
    this.position = start.position;
    this.isBlocked = start.isBlocked;
    this.sinceMs = nowMs;
  }

  get cursor(): number {
    return this.position?.cursor ?? 0;
  }

  /** Where it stopped if it is in mid-stream: before it got anything of the stream it may start anywhere. */
  get resumed(): Position | undefined {
    return this.watcher.isStarted(this.sentBytes) ? this.position : undefined;
  }

  /** Whether it is in mid-stream and its socket is full: it goes on from where the stream is when it takes bytes again. */
  get isStalled(): boolean {
    return this.isBlocked && this.resumed !== undefined;
  }

  drained(): void {
    this.isBlocked = false;
    this.#owner.placeAndSend(this);
  }

  leave(): void {
    this.#owner.leave(this);
  }
}
