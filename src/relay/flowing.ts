// A watcher that is sent a broadcast: a cursor in the ring, which moves by what its socket took. Where it must not simply go
// on (a skip, the boundary to another broadcast), `stopOffset` stops it, and its audience finds it another place. If it did
// not get the broadcast from its first byte, patches go out in place of some of the ring's bytes; each is as long as what it
// stands for.
//
// This is what each write of the fan-out works on: all that it needs is here, in one object.

import { FstreamError } from "../errors.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Patch } from "./patches.ts";
import type { PendingStart } from "./pending.ts";
import { Prefix } from "./prefix.ts";
import type { Ring, Segment } from "./ring.ts";
import type { SendBatch } from "./sendbatch.ts";
import type { SharedBuffers } from "./sharedbuffers.ts";
import type { Outlet, Watcher, WatcherState } from "./watcher.ts";

/** A watcher that is behind is sent at most so much before others have their turn; not less than a segment. Bytes. */
const shareBytes = 256 * 1024;

export type Pumped =
  /** The socket is full; `drained` will come. */
  | "blocked"
  /** It has everything there is. */
  | "caughtUp"
  /** There is more for it, and its socket may take more; but it is others' turn. */
  | "behind"
  /** It has arrived at `stopOffset`. */
  | "stopped"
  /** It is so far behind that patches it needs are forgotten. */
  | "lapped"
  /** The peer is gone. */
  | "gone";

/** `length` bytes of `bytes` from `from` on. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly length: number;
}

/** What its audience does for it. */
export interface FlowingOwner {
  drained(flowing: Flowing): void;
  leave(flowing: Flowing): void;
  /** Counts the buffers that have yet to be sent to watchers before bytes of the ring. */
  readonly buffers: SharedBuffers;
}

export interface FlowingStart {
  readonly broadcast: Broadcast;
  readonly offset: number;
  /** What is sent before the byte at `offset`. */
  readonly prefix: Prefix;
  /** What it has been sent before. */
  readonly sentBytes: number;
  readonly isBlocked: boolean;
  /** How far behind it may be for no fault of its own: it asked to start there. Milliseconds. */
  readonly allowedLagMs: number;
}

export class Flowing implements WatcherState {
  readonly outlet: Outlet;
  /** The next byte it is to get. */
  cursor: number;
  /** Where it stops going straight on. */
  stopOffset: number;
  sentBytes: number;
  /** Whether its socket is full. */
  isBlocked: boolean;
  /** Whether it flows no longer: its watcher is pending, flows elsewhere, or is gone. */
  isOver = false;
  /** Whether it did not get its broadcast from the first byte, and so needs patches. */
  readonly #isPatched: boolean;
  /** Undefined once it is sent. */
  #prefix: Prefix | undefined;
  readonly broadcast: Broadcast;
  /** The patch that its cursor is in or comes to next; not for sure while there is none. */
  #patch: Patch | undefined;
  /** The same while it is kept for it alone. */
  #keptPatch: Patch | undefined;
  /** Segments that the ring keeps for it: retention.ts. */
  kept: Segment[] | undefined;
  /** Its place in its audience's list. */
  index = -1;
  readonly watcher: Watcher;
  readonly allowedLagMs: number;
  /** Its socket's, which may be sent to beside its outlet; -1: none. */
  readonly #descriptor: number;
  readonly #owner: FlowingOwner;

  constructor(owner: FlowingOwner, watcher: Watcher, start: FlowingStart) {
    this.#owner = owner;
    this.watcher = watcher;
    this.outlet = watcher.outlet;
    this.#descriptor = watcher.outlet.descriptor ?? -1;
    this.broadcast = start.broadcast;
    this.cursor = start.offset;
    this.stopOffset = start.broadcast.end ?? Number.POSITIVE_INFINITY;
    this.sentBytes = start.sentBytes;
    this.isBlocked = start.isBlocked;
    this.allowedLagMs = start.allowedLagMs;
    this.#isPatched = start.offset > start.broadcast.start;
    this.#prefix = start.prefix.isEmpty ? undefined : start.prefix;
  }

  /** Bytes that it has yet to be sent before those at its cursor. */
  get prefixBytes(): number {
    return this.#prefix?.bytes ?? 0;
  }

  get keepsPatch(): boolean {
    return this.#keptPatch !== undefined;
  }

  drained(): void {
    this.isBlocked = false;
    this.#owner.drained(this);
  }

  leave(): void {
    this.#owner.leave(this);
  }

  /** It stops at `offset` at the latest. */
  stopAt(offset: number): void {
    this.stopOffset = Math.min(this.stopOffset, offset);
  }

  /** It flows no longer. Gives where it stopped. */
  stop(): PendingStart {
    const { broadcast, cursor, sentBytes, isBlocked } = this;
    this.isOver = true;
    this.#dropPatch();
    const prefix = this.#prefix ?? new Prefix(this.#owner.buffers);
    this.#prefix = undefined;
    return { prefix, sentBytes, position: { broadcast, cursor }, isBlocked };
  }

  /** Its next patch is about to be forgotten: it keeps that. */
  keepPatch(): void {
    this.#findPatch();
    if (this.#patch === undefined || this.#keptPatch !== undefined) return;
    this.#keptPatch = this.#patch;
    this.#owner.buffers.add(this.#patch.bytes);
  }

  /**
   * Adds to `batch` what comes next for it: as much as lies in a row. False where it has to be sent alone: what it is to be sent is
   * not simply the ring's next bytes, or there is nothing. `took` must follow before anything else.
   */
  addTo(batch: SendBatch, ring: Ring): boolean {
    const isAlone = this.#prefix !== undefined || this.kept !== undefined || this.sentBytes === 0;
    if (this.#descriptor < 0 || isAlone || this.#isLapped) return false;
    const end = Math.min(ring.head, this.stopOffset, this.#unpatchedFrom);
    if (this.cursor >= end) return false;
    const { bytes, from, length } = this.#next(ring, end);
    batch.add(this.#descriptor, bytes, from, length);
    return true;
  }

  /** Its socket took so many of the bytes that were added last. */
  took(bytes: number): void {
    this.cursor += bytes;
    this.sentBytes += bytes;
  }

  /** Sends what there is for it until its socket is full, it has arrived somewhere, or it has had its share. */
  pump(ring: Ring): Pumped {
    const turnBytes = this.sentBytes + shareBytes;
    while (this.#prefix !== undefined) {
      if (this.sentBytes >= turnBytes) return "behind";
      const stopped = this.#sendPrefix(this.#prefix, turnBytes - this.sentBytes);
      if (stopped !== undefined) return stopped;
    }
    if (this.#isLapped) return "lapped";
    const unpatchedFrom = this.#unpatchedFrom;
    const end = Math.min(ring.head, this.stopOffset, unpatchedFrom);
    while (this.cursor < end) {
      if (this.sentBytes >= turnBytes) return "behind";
      const { bytes, from, length } = this.#next(ring, end);
      const before = this.sentBytes;
      const stopped = this.#send(bytes, from, length);
      this.cursor += this.sentBytes - before;
      if (stopped !== undefined) return stopped;
    }
    // What is not known of a broadcast that is over never will be.
    if (end === unpatchedFrom && this.broadcast.next !== undefined) this.stopOffset = this.cursor;
    return this.cursor === this.stopOffset ? "stopped" : "caughtUp";
  }

  /** Sends at most so much of the first buffer that comes before the bytes at the cursor. */
  #sendPrefix(prefix: Prefix, mostBytes: number): "blocked" | "gone" | undefined {
    const { next, nextFrom } = prefix;
    const before = this.sentBytes;
    const stopped = this.#send(next, nextFrom, Math.min(mostBytes, next.length - nextFrom));
    // It may have been ended by that, with all that it was to be sent.
    if (this.isOver) return "gone";
    prefix.take(this.sentBytes - before);
    if (prefix.isEmpty) this.#prefix = undefined;
    return stopped;
  }

  /** Whether patches that it needs are forgotten. */
  get #isLapped(): boolean {
    return this.#isPatched && this.cursor < this.broadcast.cutPoints.patches.completeFrom;
  }

  /** From where on it is not known yet what is patched. */
  get #unpatchedFrom(): number {
    return this.#isPatched ? this.broadcast.cutPoints.unpatchedFrom : Number.POSITIVE_INFINITY;
  }

  /** What lies in a row from the cursor up to `end`, in the ring or in a patch. */
  #next(ring: Ring, end: number): Piece {
    const { cursor } = this;
    if (this.#isPatched) this.#findPatch();
    const patch = this.#patch;
    let to = end;
    if (patch !== undefined && patch.end > cursor) {
      if (patch.offset <= cursor) {
        return { bytes: patch.bytes, from: cursor - patch.offset, length: Math.min(end, patch.end) - cursor };
      }
      to = Math.min(end, patch.offset);
    }
    const segment = ring.segmentAt(cursor);
    if (segment === undefined) throw new FstreamError("internal", `cursor ${cursor} is outside its ring`);
    const { buffer, start } = segment;
    return { bytes: buffer, from: cursor - start, length: Math.min(to, segment.end) - cursor };
  }

  /** Undefined if the socket took it all; else why it did not. */
  #send(bytes: Uint8Array, from: number, length: number): "blocked" | "gone" | undefined {
    const taken = this.outlet.write(bytes, from, length);
    // A write can end the connection, and with it everything here, before it comes back.
    if (taken < 0 || this.isOver) {
      // Its session learns it from the socket, and says `leave`.
      this.isBlocked = true;
      return "gone";
    }
    this.sentBytes += taken;
    if (taken === length) return undefined;
    this.isBlocked = true;
    return "blocked";
  }

  /** Looks for the patch that is next for it. */
  #findPatch(): void {
    if (!this.#isPatched || (this.#patch !== undefined && this.#patch.end > this.cursor)) return;
    this.#dropPatch();
    this.#patch = this.broadcast.cutPoints.patches.next(this.cursor);
  }

  #dropPatch(): void {
    if (this.#keptPatch !== undefined) this.#owner.buffers.drop(this.#keptPatch.bytes);
    this.#keptPatch = undefined;
    this.#patch = undefined;
  }
}
