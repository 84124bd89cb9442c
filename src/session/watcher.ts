// A connection that watches: the relay writes to it. What it sends is dropped, and its FIN means only that it
// has no more to say. How its stream ended is kept before the connection shows that it has: see endrecords.ts.

import { logRefusal } from "../access/refusal.ts";
import type { Place } from "../access/waitingplaces.ts";
import type { WatchPermit } from "../access/watchpermit.ts";
import { asFstreamError, channelLabel, type FstreamError, named } from "../errors.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { WatchRequest } from "../protocol/request.ts";
import type { End } from "../relay/broadcast.ts";
import type { Outlet, Watcher } from "../relay/watcher.ts";
import type { CloseMode } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import type { Services } from "./services.ts";

const nothing = new Uint8Array(0);

/** Ends a stage: the final bytes are written, and the connection is closed in that mode, within that time. */
export type Leave = (finalBytes: Uint8Array, mode: CloseMode, timeoutMs: number) => void;

export class WatcherSession implements ConnectionStage, Outlet {
  // What each write needs comes first: it is in one line of the CPU's cache then.
  readonly #connection: Connection;
  /** While it waits for a channel to go live. */
  #place: Place | undefined;
  /** Bytes that the socket has taken, the greeting's included. */
  #written = 0;
  #watcher: Watcher | undefined;
  readonly #services: Services;
  readonly #request: WatchRequest;
  readonly #leave: Leave;
  #permit: WatchPermit | undefined;
  #sinceMs = 0;
  #peerEnded = false;
  #closed = false;
  /** For asking how the stream ended; undefined for a client that does not ask for replies. */
  readonly #id: string | undefined;
  readonly #greeting: Uint8Array;

  constructor(connection: Connection, services: Services, request: WatchRequest, leave: Leave) {
    this.#connection = connection;
    this.#services = services;
    this.#request = request;
    this.#leave = leave;
    this.#id = request.reply ? services.ends.newId() : undefined;
    this.#greeting = this.#id === undefined ? nothing : encodeOk([["id", this.#id]]);
  }

  /** Throws FstreamError if there is nothing to watch, or no place to wait. */
  begin(permit: WatchPermit): void {
    this.#permit = permit;
    this.#sinceMs = this.#services.clock.nowMs();
    this.#begin(permit, 0);
  }

  #begin(permit: WatchPermit, waitedMs: number): void {
    const displaced = (error: FstreamError) => this.#refuse(error);
    const { watcher, place } = permit.begin(this, this.#greeting, displaced, waitedMs);
    this.#watcher = watcher;
    this.#place = place;
    if (this.#peerEnded) place?.offer();
    // The first write may have ended the connection.
    if (this.#closed) watcher.leave();
    const { user, channel } = this.#request;
    this.#services.log.debug(`${this.#connection.address} watches ${channelLabel(user, channel)}`);
  }

  // The socket's side.

  data(): void {}

  drained(): void {
    this.#watcher?.drained();
  }

  /** Most that do so have gone: it waits on, as long as no other needs its place. */
  ended(): void {
    this.#peerEnded = true;
    this.#place?.offer();
  }

  closed(): void {
    this.#closed = true;
    this.#place?.leave();
    this.#watcher?.leave();
  }

  stop(): void {}

  // The relay's side.

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#place !== undefined) {
      this.#place.leave();
      this.#place = undefined;
    }
    const taken = this.#connection.write(bytes, offset, length);
    if (taken > 0) this.#written += taken;
    return taken;
  }

  finish(end: End, begun: boolean): void {
    if (!begun && this.#waitsOn(end)) return;
    const { user, channel, reply } = this.#request;
    const { options, log } = this.#services;
    this.#keepEnd(end);
    if (end.type === "orderly") {
      this.#leave(nothing, "fin", options.drainTimeoutMs);
      return;
    }
    const { error } = end;
    if (error.code === "slow") {
      log.repeated(
        `slow ${user}`,
        `watcher ${this.#connection.address} of ${channelLabel(user, channel)}: ${error.message}`,
      );
    }
    // One that watched already has guessed at nothing: the broadcaster has changed the password.
    if (!begun && error.code === "forbidden") this.#refuse(error);
    else if (!begun && reply) this.#leave(encodeError(error), "fin", options.drainTimeoutMs);
    else if (!reply) this.#leave(nothing, "fin", options.drainTimeoutMs);
    // A watcher that is too slow is owed nothing more.
    else this.#leave(nothing, "reset", error.code === "slow" ? 0 : options.drainTimeoutMs);
  }

  /** Whether there was nothing for it yet, as after a hold in vain, and it asked to wait for longer: it then does. */
  #waitsOn(end: End): boolean {
    const permit = this.#permit;
    const waitedMs = this.#services.clock.nowMs() - this.#sinceMs;
    if (end.type === "orderly" || end.error.code !== "not_live" || permit === undefined) return false;
    if (waitedMs >= permit.waitMs) return false;
    // The channel that has ended is in the relay's list until this returns.
    this.#services.clock.after(0, () => {
      if (this.#closed) return;
      this.#place?.leave();
      try {
        this.#begin(permit, waitedMs);
      } catch (error) {
        this.#refuse(asFstreamError(error));
      }
    });
    return true;
  }

  /** It waited for the channel, and may do so no longer. */
  #refuse(error: FstreamError): void {
    const { user, reply } = this.#request;
    const { log, options } = this.#services;
    this.#permit?.refused(error);
    logRefusal(log, `watch of ${named(user)}`, this.#connection.address, error);
    this.#leave(reply ? encodeError(error) : nothing, "fin", options.drainTimeoutMs);
  }

  #keepEnd(end: End): void {
    const bytes = this.#written - this.#greeting.length;
    if (this.#id === undefined || bytes < 0 || this.#written === 0) return;
    const skipped = this.#watcher?.skippedBytes ?? 0;
    this.#services.ends.keep(this.#id, this.#connection.address, { bytes, skipped, end });
  }
}
