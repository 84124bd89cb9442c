// A watcher is a way out and a cursor. Nothing is queued for it: it sends straight from the ring, and the
// cursor moves by what its socket took. Where it must not simply go on (a skip, the boundary to another
// broadcast), `stopOffset` stops it, and its channel finds it another place. If it did not get the stream from its first
// byte, patches go out in place of some of the ring's bytes; each is as long as what it stands for.
//
//   pending --placed--> flowing --arrived at stopOffset--> pending or flowing again --> gone
//
// Only its channel moves it between those; the session that owns the socket tells it of `drain` and of its end.

import { FstreamError } from "../errors.ts";
import type { Broadcast, End } from "./broadcast.ts";
import type { Patch } from "./patches.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Ring } from "./ring.ts";

/** A watcher that is behind is sent at most so much before others have their turn; not less than a segment. Bytes. */
const shareBytes = 256 * 1024;

/** Where a watcher's first byte is to be: see protocol/README.md, "start". */
export type StartPoint =
  | { readonly type: "join" | "next" | "live" }
  | { readonly type: "back"; readonly ms: number };

/** What becomes of a watcher that falls too far behind: it goes on at a newer join point, or is closed. */
export type SlowPolicy = "skip" | "close";

/** Where a watcher's bytes go. */
export interface Outlet {
  /**
   * Sends `length` bytes of `bytes` from `offset` on. Returns how many were taken: fewer than `length` means
   * that a call of `drained` will follow; negative, that the peer is gone. Must not keep `bytes`.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** The last call: what was owed was written, as far as `end` promises it. `begun`: something was written. */
  finish(end: End, begun: boolean): void;
}

export interface WatcherOptions {
  readonly start: StartPoint;
  /** The channel password it offers. */
  readonly password: string;
  /** What happens when it falls too far behind. */
  readonly slowPolicy: SlowPolicy;
  /** How long it waits for a channel that is not live, milliseconds. */
  readonly waitMs: number;
  /** Written before its first byte of the stream. */
  readonly greeting: Uint8Array;
}

/** Something that is sent before the bytes at a cursor. */
interface Prefix {
  readonly bytes: Uint8Array;
  /** Whether it has to be sent even if the watcher is placed elsewhere meanwhile. */
  readonly isOwed: boolean;
}

/** The same object for all, since each is looked at for every write: the CPU's cache has it. */
const noPrefix: readonly Prefix[] = [];

/** What a watcher's channel does for it. */
interface Owner {
  drained(watcher: Watcher): void;
  leave(watcher: Watcher): void;
  /** Counts the buffers that have yet to be sent to watchers before bytes of the ring. */
  readonly prefixes: Prefixes;
}

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

export class Watcher {
  readonly options: WatcherOptions;
  readonly outlet: Outlet;
  readonly #owner: Owner;
  state: "pending" | "flowing" | "gone" = "pending";
  /** The next byte it is to get. */
  cursor = 0;
  /** Where it stops going straight on. */
  stopOffset = Number.POSITIVE_INFINITY;
  /** The broadcast that the bytes at its cursor are part of; undefined before its first. */
  broadcast: Broadcast | undefined;
  /** Whether it did not get the broadcast at its cursor from the first byte, and so needs patches. */
  isPatched = false;
  /** The patch that its cursor is in or comes to next; not for sure while there is none. */
  #patch: Patch | undefined;
  /** The same while it is kept for it alone. */
  #keptPatch: Patch | undefined;
  /** Where the head was when it came, for `start=next`. */
  arrivedAt = 0;
  /** Since when it has been pending, or, flowing in an ended stream, has taken nothing. Milliseconds. */
  sinceMs = 0;
  /** How far behind it may be for no fault of its own: it asked to start there. Milliseconds. */
  allowedLagMs = 0;
  /** What it had been sent at the last sweep of an ended stream. */
  sweptBytes = -1;
  blocked = false;
  /** Bytes taken by the socket, all told. */
  sentBytes = 0;
  /** Bytes of its stream that it was skipped over. */
  skippedBytes = 0;
  /** What goes out before the bytes at the cursor, in order; how much of the first is sent. */
  #prefix: readonly Prefix[] = noPrefix;
  #prefixSent = 0;
  /** Its place among the flowing watchers of its channel, and the segments kept aside for it: its channel's business. */
  index = -1;
  held: number[] | undefined;

  constructor(owner: Owner, outlet: Outlet, options: WatcherOptions) {
    this.#owner = owner;
    this.outlet = outlet;
    this.options = options;
    if (options.greeting.length > 0) this.#addPrefix([options.greeting], true);
  }

  /** Whether its peer has got anything yet. */
  get begun(): boolean {
    return this.sentBytes > 0;
  }

  /** Whether it has got anything of the stream, a header included: then it is in mid-stream. */
  get started(): boolean {
    return this.sentBytes > this.options.greeting.length;
  }

  /** The socket can take bytes again. */
  drained(): void {
    if (this.state !== "gone") this.#owner.drained(this);
  }

  /** The peer is gone, or nobody wants its bytes any more. */
  leave(): void {
    if (this.state !== "gone") this.#owner.leave(this);
  }

  /**
   * Puts the cursor at `offset`, with `prefix` to be sent before. Of the prefix of a place before that, what is half sent is
   * finished first, and nothing that `isOwed` is left out: what leads from one broadcast to the next is, a header is not.
   */
  place(offset: number, prefix: readonly Uint8Array[], isOwed: boolean): void {
    this.cursor = offset;
    this.stopOffset = Number.POSITIVE_INFINITY;
    this.dropHeader();
    this.#addPrefix(prefix, isOwed);
  }

  #addPrefix(buffers: readonly Uint8Array[], isOwed: boolean): void {
    const added = buffers.filter(({ length }) => length > 0).map((bytes) => ({ bytes, isOwed }));
    for (const { bytes } of added) this.#owner.prefixes.add(bytes);
    if (added.length > 0) this.#prefix = [...this.#prefix, ...added];
  }

  /** Leaves out what it was to be sent before the bytes at its cursor, but for what is half sent or owed. */
  dropHeader(): void {
    const kept: Prefix[] = [];
    for (const [i, part] of this.#prefix.entries()) {
      if (part.isOwed || (i === 0 && this.#prefixSent > 0)) kept.push(part);
      else this.#owner.prefixes.drop(part.bytes);
    }
    this.#prefix = kept.length === 0 ? noPrefix : kept;
  }

  /** Bytes that it has yet to be sent before those at its cursor. */
  get prefixBytes(): number {
    return this.#prefix.reduce((sum, { bytes }) => sum + bytes.length, -this.#prefixSent);
  }

  /** It is gone: lets go of all that it was to be sent. */
  release(): void {
    if (this.broadcast !== undefined) this.broadcast.watchers--;
    this.broadcast = undefined;
    for (const { bytes } of this.#prefix) this.#owner.prefixes.drop(bytes);
    this.#prefix = noPrefix;
    this.#prefixSent = 0;
    this.#dropPatch();
  }

  /** Looks for the patch that is next for it. */
  holdPatch(): void {
    if (!this.isPatched || (this.#patch !== undefined && this.#patch.end > this.cursor)) return;
    this.#dropPatch();
    this.#patch = this.broadcast?.cutPoints.patches.next(this.cursor);
  }

  /** Its next patch is about to be forgotten: it keeps that. */
  keepPatch(): void {
    this.holdPatch();
    if (this.#patch === undefined || this.#keptPatch !== undefined) return;
    this.#keptPatch = this.#patch;
    this.#owner.prefixes.add(this.#patch.bytes);
  }

  get keepsPatch(): boolean {
    return this.#keptPatch !== undefined;
  }

  #dropPatch(): void {
    if (this.#keptPatch !== undefined) this.#owner.prefixes.drop(this.#keptPatch.bytes);
    this.#keptPatch = undefined;
    this.#patch = undefined;
  }

  /** Sends what there is for it until its socket is full, it has arrived somewhere, or it has had its share. */
  pump(ring: Ring): Pumped {
    const turnBytes = this.sentBytes + shareBytes;
    while (this.#prefix.length > 0) {
      if (this.sentBytes >= turnBytes) return "behind";
      const stopped = this.#sendPrefix(turnBytes - this.sentBytes);
      if (stopped !== undefined) return stopped;
    }
    const cutPoints = this.isPatched ? this.broadcast?.cutPoints : undefined;
    if (cutPoints !== undefined && this.cursor < cutPoints.patches.completeFrom) return "lapped";
    const unpatchedFrom = cutPoints?.unpatchedFrom ?? Number.POSITIVE_INFINITY;
    const end = Math.min(ring.head, this.stopOffset, unpatchedFrom);
    while (this.cursor < end) {
      if (this.sentBytes >= turnBytes) return "behind";
      this.holdPatch();
      const before = this.sentBytes;
      const stopped = this.#sendFrom(ring, end);
      this.cursor += this.sentBytes - before;
      if (stopped !== undefined) return stopped;
    }
    // What is not known of a broadcast that is over never will be.
    if (end === unpatchedFrom && this.broadcast?.next !== undefined) this.stopOffset = this.cursor;
    return this.cursor === this.stopOffset ? "stopped" : "caughtUp";
  }

  /** Sends at most so much of the first buffer that comes before the bytes at the cursor. */
  #sendPrefix(mostBytes: number): "blocked" | "gone" | undefined {
    const [{ bytes }] = this.#prefix;
    const before = this.sentBytes;
    const stopped = this.#send(bytes, this.#prefixSent, Math.min(mostBytes, bytes.length - this.#prefixSent));
    // It may have been ended by that, and have let go of all.
    if (this.#prefix.length === 0) return "gone";
    this.#prefixSent += this.sentBytes - before;
    if (this.#prefixSent < bytes.length) return stopped;
    this.#prefix = this.#prefix.length === 1 ? noPrefix : this.#prefix.slice(1);
    this.#prefixSent = 0;
    this.#owner.prefixes.drop(bytes);
    return stopped;
  }

  /** Sends from the cursor what lies in a row up to `end`, in the ring or in a patch. */
  #sendFrom(ring: Ring, end: number): "blocked" | "gone" | undefined {
    const { cursor } = this;
    const patch = this.#patch;
    let to = end;
    if (patch !== undefined && patch.end > cursor) {
      if (patch.offset <= cursor) {
        return this.#send(patch.bytes, cursor - patch.offset, Math.min(end, patch.end) - cursor);
      }
      to = Math.min(end, patch.offset);
    }
    const segment = ring.segmentOf(cursor);
    const buffer = ring.buffer(segment);
    if (buffer === undefined) throw new FstreamError("internal", `cursor ${cursor} is outside its ring`);
    const at = cursor - segment * ring.segmentBytes;
    return this.#send(buffer, at, Math.min(to - cursor, ring.segmentBytes - at));
  }

  /** Undefined if the socket took it all; else why it did not. */
  #send(bytes: Uint8Array, from: number, length: number): "blocked" | "gone" | undefined {
    const taken = this.outlet.write(bytes, from, length);
    // A write can end the connection, and with it everything here, before it comes back.
    if (taken < 0 || this.state === "gone") return "gone";
    this.sentBytes += taken;
    if (taken === length) return undefined;
    this.blocked = true;
    return "blocked";
  }
}
