// A connection that watches: the relay writes to it. What it sends is dropped, and its FIN means only that it
// has no more to say. How its stream ended is kept before the connection shows that it has: see ends.ts.

import { channelLabel, type FstreamError } from "../errors.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { WatchRequest } from "../protocol/request.ts";
import type { End } from "../relay/broadcast.ts";
import type { Outlet, Watcher } from "../relay/watcher.ts";
import type { CloseMode } from "./closing.ts";
import type { Connection, ConnectionStage, Services } from "./connection.ts";
import type { Place } from "./places.ts";

const nothing = new Uint8Array(0);

/** What its session does for it. */
export interface WatcherOutcome {
  /** Ends the stage: writes the final bytes, and closes in that mode, within that time. */
  leave(finalBytes: Uint8Array, mode: CloseMode, timeoutMs: number): void;
  /** It waited for the channel, and may do so no longer: is logged, and a wrong password counted. */
  refused(error: FstreamError): void;
}

export class WatcherSession implements ConnectionStage, Outlet {
  readonly #connection: Connection;
  readonly #services: Services;
  readonly #request: WatchRequest;
  readonly #outcome: WatcherOutcome;
  #watcher: Watcher | undefined;
  /** While it waits for a channel to go live. */
  #place: Place | undefined;
  #closed = false;
  /** For asking how the stream ended; undefined for a client that does not ask for replies. */
  readonly #id: string | undefined;
  readonly #greeting: Uint8Array;
  /** Bytes that the socket has taken, the greeting's included. */
  #written = 0;

  constructor(connection: Connection, services: Services, request: WatchRequest, outcome: WatcherOutcome) {
    this.#connection = connection;
    this.#services = services;
    this.#request = request;
    this.#outcome = outcome;
    this.#id = request.reply ? services.ends.newId() : undefined;
    this.#greeting = this.#id === undefined ? nothing : encodeOk([["id", this.#id]]);
  }

  /** Throws FstreamError if there is nothing to watch, or not for this one. */
  begin(): void {
    const { user, channel, channelPassword, start, waitSeconds, lag } = this.#request;
    const { options, relay, log } = this.#services;
    const waitMs = Math.min(waitSeconds * 1000, options.maxWaitMs);
    const found = relay.find(user, channel);
    if (waitMs > 0 && (found === undefined || found.state === "awaited")) this.#takePlace();
    const watcher = relay.watch(user, channel, this, {
      start,
      password: channelPassword,
      slowPolicy: lag ?? options.slowWatcher,
      waitMs,
      greeting: this.#greeting,
    });
    this.#watcher = watcher;
    // The first write may have ended the connection.
    if (this.#closed) watcher.leave();
    log.debug(`${this.#connection.address} watches ${channelLabel(user, channel)}`);
  }

  #takePlace(): void {
    const { address } = this.#connection;
    const { options, waiting } = this.#services;
    this.#place = waiting.take(address, (error) => {
      this.#outcome.refused(error);
      this.#outcome.leave(this.#request.reply ? encodeError(error) : nothing, "fin", options.drainTimeoutMs);
    });
  }

  // The socket's side.

  data(): void {}

  drained(): void {
    this.#watcher?.drained();
  }

  ended(): void {}

  closed(): void {
    this.#closed = true;
    this.#place?.leave();
    this.#watcher?.leave();
  }

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
    const { user, channel, reply } = this.#request;
    const { options, log } = this.#services;
    this.#keepEnd(end);
    if (end.type === "orderly") {
      this.#outcome.leave(nothing, "fin", options.drainTimeoutMs);
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
    if (error.code === "forbidden" && !begun) this.#outcome.refused(error);
    if (!reply) this.#outcome.leave(nothing, "fin", options.drainTimeoutMs);
    else if (!begun) this.#outcome.leave(encodeError(error), "fin", options.drainTimeoutMs);
    // A watcher that is too slow is owed nothing more.
    else this.#outcome.leave(nothing, "reset", error.code === "slow" ? 0 : options.drainTimeoutMs);
  }

  #keepEnd(end: End): void {
    const bytes = this.#written - this.#greeting.length;
    if (this.#id === undefined || bytes < 0 || this.#written === 0) return;
    const skipped = this.#watcher?.skippedBytes ?? 0;
    this.#services.ends.keep(this.#id, this.#connection.address, { bytes, skipped, end });
  }
}
