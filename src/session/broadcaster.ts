// A connection that broadcasts: what comes goes to the relay as it comes, and nothing here ever makes it wait.
//
// Its beginning: at once, but where that takes another broadcast's place, with its first byte. An encoder that fails as it starts
// sends none, and must not end what is on.
//
// Its end: a FIN is an orderly one, if the client is still there. A killed process leaves a FIN as well, so a client that
// asked for replies is answered `ok,bytes=N`: acknowledged means orderly, a reset in return that the client was gone.

import type { BroadcastPermit } from "../access/access.ts";
import { asFstreamError, FstreamError } from "../errors.ts";
import { pageUrl } from "../protocol/pageurl.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { BroadcastRequest } from "../protocol/request.ts";
import type { Timer } from "../relay/clock.ts";
import { Broadcasting } from "./broadcasting.ts";
import type { CloseMode } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { Intake } from "./intake.ts";
import type { Services } from "./services.ts";

const nothing = new Uint8Array(0);
/** How long a broadcaster that sent its FIN may take to acknowledge the answer, milliseconds. */
const acknowledgeTimeoutMs = 5000;
/** A takeover waits for its first byte for so long at most, milliseconds: what is on may be a connection that is dead. */
const takeoverTimeoutMs = 2000;

export class BroadcasterSession implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: Services;
  readonly #request: BroadcastRequest;
  readonly #leave: (finalBytes: Uint8Array, mode: CloseMode) => void;
  readonly #broadcasting: Broadcasting;
  readonly #intake: Intake;
  #acknowledging: Timer | undefined;
  /** Of a broadcast that has not begun yet. */
  #awaited: { readonly permit: BroadcastPermit; readonly timer: Timer } | undefined;

  /** `leave` ends the stage: with these final bytes, in that mode. */
  constructor(
    connection: Connection,
    services: Services,
    request: BroadcastRequest,
    leave: (finalBytes: Uint8Array, mode: CloseMode) => void,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#request = request;
    this.#leave = leave;
    this.#broadcasting = new Broadcasting(connection.address, services, request, (error) =>
      this.#dismissed(error),
    );
    this.#intake = new Intake(connection, services, {
      take: (bytes) => {
        if (bytes.length > 0) this.#takeOver();
        this.#broadcasting.append(bytes);
        return bytes.length;
      },
      fill: (receive) => this.#broadcasting.fill(receive),
    });
  }

  /** `early`: what came of the stream before. Throws FstreamError if the channel can't be had. */
  begin(permit: BroadcastPermit, early: readonly Uint8Array[]): void {
    if (permit.isTakeover && early.every(({ length }) => length === 0)) this.#await(permit);
    else this.#start(permit);
    if (this.#request.reply) this.#say(this.#ok());
    for (const bytes of early) this.#intake.event(bytes);
  }

  #start(permit: BroadcastPermit): void {
    this.#broadcasting.begin(permit);
    const { descriptor } = this.#connection;
    if (descriptor !== undefined) this.#intake.allowPolling(descriptor);
  }

  #await(permit: BroadcastPermit): void {
    permit.check();
    const timer = this.#services.clock.after(takeoverTimeoutMs, () => this.#takeOver());
    this.#awaited = { permit, timer };
  }

  /** Begins what has waited for its first byte. */
  #takeOver(): void {
    if (this.#awaited === undefined) return;
    const { permit, timer } = this.#awaited;
    this.#awaited = undefined;
    timer.cancel();
    try {
      this.#start(permit);
    } catch (error) {
      this.#dismissed(asFstreamError(error));
    }
  }

  #ok(): Uint8Array {
    const { publicUrl } = this.#services.options;
    const { user, channel } = this.#request;
    return encodeOk(publicUrl === undefined ? [] : [["url", pageUrl(publicUrl, user, channel)]]);
  }

  data(bytes: Uint8Array): void {
    this.#intake.event(bytes);
  }

  drained(): void {}

  ended(): void {
    this.#intake.ended(() => this.#ended());
  }

  #ended(): void {
    if (!this.#request.reply) {
      this.#over("fin");
      return;
    }
    this.#say(encodeOk([["bytes", String(this.#broadcasting.bytes)]]));
    const { acknowledgements } = this.#services;
    this.#acknowledging = acknowledgements.wait(this.#connection, acknowledgeTimeoutMs, (acknowledged) =>
      this.#over(acknowledged ? "fin" : "reset"),
    );
  }

  closed(error: Error | undefined): void {
    this.#intake.stop();
    this.#awaited?.timer.cancel();
    this.#acknowledging?.cancel();
    this.#broadcasting.disconnected(error);
  }

  /** What has begun is ended by the relay. */
  stop(): void {
    if (this.#awaited !== undefined)
      this.#dismissed(new FstreamError("shutting_down", "the server is shutting down"));
  }

  #dismissed(error: FstreamError): void {
    if (error.code === "disconnected") this.#leave(nothing, "reset");
    else this.#leave(this.#request.reply ? encodeError(error) : nothing, "fin");
  }

  #over(mode: CloseMode): void {
    if (mode === "fin") this.#broadcasting.end();
    else this.#broadcasting.abort(new FstreamError("disconnected", "the end was not acknowledged"));
    this.#leave(nothing, mode);
  }

  /** A frame is small, and nothing else is sent in this direction, so the socket takes it whole. */
  #say(frame: Uint8Array): void {
    this.#connection.write(frame, 0, frame.length);
  }
}
