// A connection that broadcasts: what comes goes to the relay as it comes, and nothing here ever makes it wait.
//
// Its end: a FIN is an orderly one, if the client is still there. A killed process leaves a FIN as well, so a client that
// asked for replies is answered `ok,bytes=N`: acknowledged means orderly, a reset in return that the client was gone.

import type { BroadcastPermit } from "../access/access.ts";
import { channelLabel, FstreamError, reasonOf } from "../errors.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { BroadcastRequest } from "../protocol/request.ts";
import type { Broadcaster } from "../relay/broadcast.ts";
import type { Timer } from "../relay/clock.ts";
import type { BroadcastHandle } from "../relay/relay.ts";
import type { Receive } from "../relay/ring.ts";
import type { CloseMode } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { floodBytes, Intake } from "./intake.ts";
import type { Services } from "./services.ts";

const nothing = new Uint8Array(0);
/** How long a broadcaster that sent its FIN may take to acknowledge the answer, milliseconds. */
const acknowledgeTimeoutMs = 5000;

export class BroadcasterSession implements ConnectionStage, Broadcaster {
  readonly channelPassword: string;
  readonly bufsize: number;
  readonly #connection: Connection;
  readonly #services: Services;
  readonly #request: BroadcastRequest;
  readonly #leave: (finalBytes: Uint8Array, mode: CloseMode) => void;
  readonly #name: string;
  #broadcast: BroadcastHandle | undefined;
  #bytes = 0;
  #acknowledging: Timer | undefined;
  readonly #intake: Intake;

  /** `leave` ends the stage: with these final bytes, in that mode. */
  constructor(
    connection: Connection,
    services: Services,
    request: BroadcastRequest,
    leave: (finalBytes: Uint8Array, mode: CloseMode) => void,
  ) {
    this.channelPassword = request.channelPassword;
    this.bufsize = request.bufsize;
    this.#connection = connection;
    this.#services = services;
    this.#request = request;
    this.#leave = leave;
    this.#name = channelLabel(request.user, request.channel);
    this.#intake = new Intake(connection, services.clock, (receive) => this.#fill(receive));
  }

  /** `early`: what came of the stream before. Throws FstreamError if the channel can't be had. */
  begin(permit: BroadcastPermit, early: readonly Uint8Array[]): void {
    const { log } = this.#services;
    this.#broadcast = permit.begin(this);
    log.event(
      `begin ${this.#request.user}`,
      `${this.#name}: a broadcast from ${this.#connection.address} begins`,
    );
    if (this.#request.reply) this.#say(encodeOk());
    for (const bytes of early) this.#take(bytes);
  }

  data(bytes: Uint8Array): void {
    const { clock } = this.#services;
    const startMs = clock.nowMs();
    this.#take(bytes);
    if (this.#broadcast === undefined) return;
    if (bytes.length >= floodBytes) this.#intake.look();
    this.#intake.rest(clock.nowMs() - startMs);
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    this.#broadcast?.append(bytes);
  }

  #fill(receive: Receive): number {
    const bytes = this.#broadcast?.fill(receive) ?? 0;
    this.#bytes += bytes;
    return bytes;
  }

  drained(): void {}

  ended(): void {
    if (!this.#request.reply) {
      this.#over("fin");
      return;
    }
    this.#say(encodeOk([["bytes", String(this.#bytes)]]));
    const { acknowledgements } = this.#services;
    this.#acknowledging = acknowledgements.wait(this.#connection, acknowledgeTimeoutMs, (acknowledged) =>
      this.#over(acknowledged ? "fin" : "reset"),
    );
  }

  closed(error: Error | undefined): void {
    this.#intake.stop();
    this.#acknowledging?.cancel();
    if (this.#broadcast === undefined) return;
    const reason = error === undefined ? "the connection was reset" : reasonOf(error);
    this.#end(new FstreamError("disconnected", reason));
  }

  stop(): void {}

  dismissed(error: FstreamError): void {
    this.#broadcast = undefined;
    this.#log(`the broadcast from ${this.#connection.address} ends: ${error.message}`);
    if (error.code === "disconnected") this.#leave(nothing, "reset");
    else this.#leave(this.#request.reply ? encodeError(error) : nothing, "fin");
  }

  #over(mode: CloseMode): void {
    if (mode === "fin") {
      this.#log(`the broadcast ends after ${this.#bytes} bytes`);
      this.#broadcast?.end({ type: "orderly" });
      this.#broadcast = undefined;
    } else {
      this.#end(new FstreamError("disconnected", "the end was not acknowledged"));
    }
    this.#leave(nothing, mode);
  }

  #end(error: FstreamError): void {
    this.#log(`the broadcast breaks off after ${this.#bytes} bytes: ${error.message}`);
    this.#broadcast?.end({ type: "aborted", error });
    this.#broadcast = undefined;
  }

  #log(end: string): void {
    this.#services.log.event(`end ${this.#request.user}`, `${this.#name}: ${end}`);
  }

  /** A frame is small, and nothing else is sent in this direction, so the socket takes it whole. */
  #say(frame: Uint8Array): void {
    this.#connection.write(frame, 0, frame.length);
  }
}
