// A broadcast, as what feeds it sees it: a connection of the protocol, an HTTP request, or several of those one after the
// other. It counts the bytes, keeps the log, and ends once; what comes after that is dropped. How its end is answered is up to its owner.

import type { BroadcastPermit } from "../access/access.ts";
import { channelLabel, FstreamError, reasonOf } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import type { Broadcaster } from "../relay/broadcast.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { BroadcastHandle } from "../relay/relay.ts";
import type { Receive } from "../relay/ring.ts";
import { atExpiry, refuseExpired } from "./expiry.ts";

/** What a broadcaster asked for, as far as it matters once it has a permit. */
export interface BroadcastingRequest {
  readonly user: string;
  readonly channel: string;
  readonly channelPassword: string;
  readonly bufsize: number;
}

export class Broadcasting implements Broadcaster {
  readonly channelPassword: string;
  readonly bufsize: number;
  readonly address: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #user: string;
  readonly #label: string;
  #handle: BroadcastHandle | undefined;
  #expiry: Timer | undefined;
  #bytes = 0;
  /** Called once if the relay ends it: `replaced`, `shutting_down`, silent too long, above its bit rate. */
  whenDismissed: (error: FstreamError) => void;

  /** `address`: the broadcaster's, for the log. */
  constructor(
    address: string,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
    request: BroadcastingRequest,
    whenDismissed: (error: FstreamError) => void,
  ) {
    this.channelPassword = request.channelPassword;
    this.bufsize = request.bufsize;
    this.address = address;
    this.#clock = clock;
    this.#log = log;
    this.#user = request.user;
    this.#label = channelLabel(request.user, request.channel);
    this.whenDismissed = whenDismissed;
  }

  /** To be called once. Throws FstreamError if the channel can't be had. */
  begin(permit: BroadcastPermit): void {
    refuseExpired(this.#clock, permit.endsMs);
    const before = permit.broadcasterAddress;
    this.#handle = permit.begin(this);
    this.renew(permit);
    const how = before === undefined ? "started" : `took over from ${before}`;
    this.#say("begin", `broadcast from ${this.address} ${how}`);
  }

  /** It goes on with another permit for the same. */
  renew({ endsMs }: BroadcastPermit): void {
    this.#expiry?.cancel();
    this.#expiry = atExpiry(this.#clock, endsMs, (error) => this.#expired(error));
  }

  /** Whether it has begun and not ended. */
  get isOn(): boolean {
    return this.#handle !== undefined;
  }

  /** Bytes that were taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Watchers of its channel; 0 if it is over. */
  get watchers(): number {
    return this.#handle?.watchers ?? 0;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#handle === undefined) return;
    this.#bytes += bytes.length;
    this.#handle.append(bytes);
  }

  /** Has `receive` write the next bytes to where they are to be; gives how many, 0 if it is over. */
  fill(receive: Receive): number {
    const bytes = this.#handle?.fill(receive) ?? 0;
    this.#bytes += bytes;
    return bytes;
  }

  /** All of it has come. */
  end(): void {
    const handle = this.#over(`broadcast ended after ${this.#bytes} bytes`);
    handle?.end({ type: "orderly" });
  }

  /** It broke off: its watchers are held for its return. */
  abort(error: FstreamError): void {
    const handle = this.#over(`broadcast interrupted after ${this.#bytes} bytes: ${error.message}`);
    handle?.end({ type: "aborted", error });
  }

  /** Its connection is gone; `error`: with a reset or a timeout. */
  disconnected(error: Error | undefined): void {
    const reason = error === undefined ? "the connection was reset" : reasonOf(error);
    this.abort(new FstreamError("disconnected", reason));
  }

  dismissed(error: FstreamError): void {
    const detail = error.cause instanceof FstreamError ? ` (${error.cause.message})` : "";
    this.#over(`broadcast from ${this.address} ended: ${error.message}${detail}`, error.code);
    this.whenDismissed(error);
  }

  #expired(error: FstreamError): void {
    const handle = this.#handle;
    this.dismissed(error);
    handle?.end({ type: "aborted", error });
  }

  #over(how: string, code?: FstreamError["code"]): BroadcastHandle | undefined {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#expiry?.cancel();
    if (handle !== undefined) this.#say("end", how, { bytes: this.#bytes }, code);
    return handle;
  }

  #say(kind: string, message: string, fields: Fields = {}, code?: FstreamError["code"]): void {
    const about = { channel: this.#label, address: this.address, ...fields };
    const line = `${this.#label}: ${message}`;
    // The one that takes over says so.
    if (code === "replaced") this.#log.debug(line, about);
    else if (code === "limit") this.#log.repeated(`exceeded ${this.#user}`, line, "warn", about);
    else this.#log.event(`${kind} ${this.#user}`, line, about);
  }
}
