// The first stage of every connection: the request comes, whole and in time, or the connection goes.

import { FstreamError } from "../errors.ts";
import { HandshakeDecoder } from "../protocol/handshake.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import type { PresentedToken, Request } from "../protocol/request.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { ConnectionStage } from "./connection.ts";
import type { Services } from "./services.ts";

/** How long a server that stops still waits for a request that has begun to come, milliseconds. */
const requestGraceMs = 1000;

export interface HandshakeOutcome {
  /** The request, and the bytes of the stream that came with it. */
  request(request: Request, rest: Uint8Array): void;
  /** It is an HTTP request for `/watch/...`, or one that breaks HTTP's rules. */
  http(request: HttpHead | Unreadable): void;
  /** It broke the rules; `reply`: it asked for answers in words; `token`: it presented one. */
  refused(error: FstreamError, reply: boolean, token?: PresentedToken): void;
}

export class HandshakeStage implements ConnectionStage {
  readonly #decoder: HandshakeDecoder;
  readonly #outcome: HandshakeOutcome;
  readonly #clock: Clock;
  #deadline: Timer;

  constructor(services: Services, outcome: HandshakeOutcome) {
    const { options, clock } = services;
    this.#decoder = new HandshakeDecoder(options);
    this.#outcome = outcome;
    this.#clock = clock;
    this.#deadline = clock.after(options.handshakeTimeoutMs, () => {
      outcome.refused(new FstreamError("bad_request", "no whole request came in time"), false);
    });
  }

  data(bytes: Uint8Array): void {
    const result = this.#decoder.feed(bytes);
    switch (result.type) {
      case "more":
        return;
      case "request":
        this.#deadline.cancel();
        this.#outcome.request(result.request, result.rest);
        return;
      case "http":
        this.#deadline.cancel();
        this.#outcome.http(result.request);
        return;
      case "refused":
        this.#deadline.cancel();
        this.#outcome.refused(result.error, result.reply, result.token);
        return;
      default:
        result satisfies never;
    }
  }

  drained(): void {}

  ended(): void {
    this.#deadline.cancel();
    this.#outcome.refused(new FstreamError("bad_request", "the connection ended within its request"), false);
  }

  closed(): void {
    this.#deadline.cancel();
  }

  /** It may be about to ask how a stream ended, which is answered; all else is refused once the request is there. */
  stop(): void {
    this.#deadline.cancel();
    this.#deadline = this.#clock.after(requestGraceMs, () => {
      this.#outcome.refused(new FstreamError("shutting_down", "the server is shutting down"), false);
    });
  }
}
