// A connection that watches: the relay writes to it. What it sends is dropped, and its FIN means only that it
// has no more to say. How its stream ended is kept before the connection shows that it has: see endrecords.ts.

import { reportRefusal } from "../access/refusal.ts";
import type { Place, Waiter } from "../access/waitingplaces.ts";
import type { WatchPermit } from "../access/watchpermit.ts";
import { asFstreamError, channelLabel, type FstreamError } from "../errors.ts";
import type { End } from "../relay/broadcast.ts";
import type { Timer } from "../relay/clock.ts";
import type { Greeter, Outlet, Watcher, WatcherOptions } from "../relay/watcher.ts";
import type { CloseMode } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { atExpiry } from "./expiry.ts";
import type { Services } from "./services.ts";

const nothing = new Uint8Array(0);

/** What a watcher watches, and where it is. */
export interface Watched {
  readonly user: string;
  readonly channel: string;
  readonly watcher: string | undefined;
  /** Its IP address, as access has it. */
  readonly address: string;
}

/** The last bytes to a peer, and how its connection closes behind them. */
export interface Ending {
  readonly finalBytes: Uint8Array;
  readonly mode: CloseMode;
}

/** The end for a peer that tells a FIN from a reset: an orderly one is a FIN. */
export function shownByClose({ type }: End): Ending {
  return { finalBytes: nothing, mode: type === "orderly" ? "fin" : "reset" };
}

/** How a watcher is answered in the protocol that it speaks. */
export interface WatchAnswers extends Greeter, Pick<WatcherOptions, "awaitsDetection"> {
  /** The answer to one that gets nothing of a stream. */
  refusal(error: FstreamError): Uint8Array;
  /** How one that has got something of its stream is shown that it is over. */
  ending(end: End): Ending;
  /** For asking how the stream ended; undefined where that can't be asked. */
  readonly id: string | undefined;
}

/** What has a connection's stages follow each other. */
export interface StageOwner {
  /** Ends a stage: the final bytes are written, and the connection is closed in that mode, within that time. */
  leave(stage: ConnectionStage, finalBytes: Uint8Array, mode: CloseMode, timeoutMs: number): void;
}

export class WatcherSession implements ConnectionStage, Outlet, Greeter, Waiter {
  // What each write needs comes first: it is in one line of the CPU's cache then.
  readonly #connection: Connection;
  /** While it waits for a channel to go live. */
  #place: Place | undefined;
  #watcher: Watcher | undefined;
  readonly #services: Services;
  readonly #watched: Watched;
  readonly #answers: WatchAnswers;
  readonly #stages: StageOwner;
  #permit: WatchPermit | undefined;
  #expiry: Timer | undefined;
  #sinceMs = 0;
  #peerEnded = false;
  #closed = false;
  #greetingBytes = 0;

  constructor(
    connection: Connection,
    services: Services,
    watched: Watched,
    answers: WatchAnswers,
    stages: StageOwner,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#watched = watched;
    this.#answers = answers;
    this.#stages = stages;
  }

  /** Throws FstreamError if there is nothing to watch, or no place to wait. */
  begin(permit: WatchPermit): void {
    this.#permit = permit;
    this.#sinceMs = this.#services.clock.nowMs();
    this.#begin(permit, 0);
    this.#expiry = atExpiry(this.#services.clock, permit.endsMs, (error) => this.#expired(error));
    if (this.#closed) this.#expiry?.cancel();
  }

  #expired(error: FstreamError): void {
    const { user, channel, address } = this.#watched;
    const label = channelLabel(user, channel);
    const message = `watcher ${address} of ${label} disconnected: ${error.message}`;
    this.#services.log.event(`expired ${user}`, message, { channel: label, address });
    this.#watcher?.leave();
    const sentBytes = this.#watcher?.sentBytes ?? 0;
    this.#over({ type: "aborted", error }, sentBytes, sentBytes > this.#greetingBytes);
  }

  #begin(permit: WatchPermit, waitedMs: number): void {
    const { watcher, place } = permit.begin(this, this.#answers.awaitsDetection, waitedMs);
    this.#watcher = watcher;
    this.#place = place;
    if (this.#peerEnded) place?.offer();
    // The first write may have ended the connection.
    if (this.#closed) watcher.leave();
    const { user, channel, address } = this.#watched;
    const label = channelLabel(user, channel);
    this.#services.log.debug(`${address} watches ${label}`, { channel: label, address });
  }

  greeting(info: Parameters<Greeter["greeting"]>[0]): Uint8Array {
    const bytes = this.#answers.greeting(info);
    this.#greetingBytes = bytes.length;
    return bytes;
  }

  displaced(error: FstreamError): void {
    this.#refuse(error);
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
    this.#expiry?.cancel();
    this.#place?.leave();
    this.#watcher?.leave();
  }

  stop(): void {}

  // The relay's side.

  get descriptor(): number | undefined {
    return this.#connection.descriptor;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#place !== undefined) {
      this.#place.leave();
      this.#place = undefined;
    }
    return this.#connection.write(bytes, offset, length);
  }

  finish(end: End, sentBytes: number): void {
    const begun = sentBytes > 0;
    if (begun || !this.#waitsOn(end)) this.#over(end, sentBytes, begun);
  }

  /** `begun`: it is in the middle of a stream. */
  #over(end: End, sentBytes: number, begun: boolean): void {
    this.#expiry?.cancel();
    const { user, channel, address } = this.#watched;
    const { options, log } = this.#services;
    this.#keepEnd(end, sentBytes);
    const error = end.type === "aborted" ? end.error : undefined;
    const isSlow = error?.code === "slow";
    if (isSlow) {
      const label = channelLabel(user, channel);
      const message = `watcher ${address} of ${label} disconnected: ${error.message}`;
      log.repeated(`slow ${user}`, message, "warn", { channel: label, address });
    }
    // One that watched already has guessed at nothing: the broadcaster has changed the password.
    if (!begun && error?.code === "forbidden") return this.#refuse(error);
    if (!begun && error !== undefined)
      return this.#stages.leave(this, this.#answers.refusal(error), "fin", options.drainTimeoutMs);
    const { finalBytes, mode } = this.#answers.ending(end);
    // A watcher that is too slow is owed nothing more.
    this.#stages.leave(this, finalBytes, mode, isSlow && mode === "reset" ? 0 : options.drainTimeoutMs);
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
    const { options } = this.#services;
    this.#permit?.refused(error);
    this.#report(error);
    this.#stages.leave(this, this.#answers.refusal(error), "fin", options.drainTimeoutMs);
  }

  #report(error: FstreamError): void {
    const { user, channel, watcher, address } = this.#watched;
    reportRefusal(this.#services, { intent: "watch", user, channel, watcher }, address, error);
  }

  #keepEnd(end: End, sentBytes: number): void {
    const bytes = sentBytes - this.#greetingBytes;
    const { id } = this.#answers;
    if (id === undefined || bytes < 0 || sentBytes === 0) return;
    const skipped = this.#watcher?.skippedBytes ?? 0;
    this.#services.ends.keep(id, this.#watched.address, { bytes, skipped, end });
  }
}
