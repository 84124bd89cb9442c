// The first stage of every connection: the request comes, whole and in time, or the connection goes.
//
// HTTP headers are a preamble of the protocol, so an HTTP request for anything but `/watch/` is known as one only when nothing, or
// nothing that makes sense, follows it. It is then answered in HTTP.

import { FstreamError } from "../errors.ts";
import { HandshakeDecoder } from "../protocol/handshake.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import type { PresentedToken, Request } from "../protocol/request.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { ConnectionStage } from "./connection.ts";
import type { Listening } from "./listening.ts";
import type { Services } from "./services.ts";

/** How long a server that stops still waits for a request that has begun to come, milliseconds. */
const requestGraceMs = 1000;
/** A client of the protocol that sends HTTP headers as its preamble sends its request with them, or right after. Milliseconds. */
const afterHttpMs = 3000;

/** The answer to an HTTP request that is not to watch. */
function otherHttp({ https, http }: Listening): Unreadable {
  const place = https ?? http;
  const message =
    place === undefined
      ? "this port only serves /watch/USER/CHANNEL, and this server has no HTTPS port"
      : "this port only serves /watch/USER/CHANNEL: pages, tokens and broadcasts over HTTP are on the " +
        `${https === undefined ? "HTTP" : "HTTPS"} port, ${place.port}`;
  return { type: "refused", status: 404, message };
}

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
  readonly #listening: Listening;
  #deadline: Timer;
  #afterHttp: Timer | undefined;

  constructor(services: Services, outcome: HandshakeOutcome) {
    const { options, clock, listening } = services;
    this.#decoder = new HandshakeDecoder(options);
    this.#outcome = outcome;
    this.#clock = clock;
    this.#listening = listening;
    this.#deadline = clock.after(options.handshakeTimeoutMs, () => {
      outcome.refused(new FstreamError("bad_request", "timed out waiting for the request"), false);
    });
  }

  data(bytes: Uint8Array): void {
    const result = this.#decoder.feed(bytes);
    switch (result.type) {
      case "more":
        this.#awaitRequest();
        return;
      case "request":
        this.#cancel();
        this.#outcome.request(result.request, result.rest);
        return;
      case "http":
        this.#cancel();
        this.#outcome.http(result.request);
        return;
      case "refused":
        this.#cancel();
        // What is no length is the body of a request.
        if (this.#decoder.isOtherHttp && result.beforeText === true)
          this.#outcome.http(otherHttp(this.#listening));
        else this.#outcome.refused(result.error, result.reply, result.token);
        return;
      default:
        result satisfies never;
    }
  }

  /** Behind HTTP headers a request may come for a moment. */
  #awaitRequest(): void {
    if (!this.#decoder.isOtherHttp || !this.#decoder.isBetween) return;
    this.#afterHttp ??= this.#clock.after(afterHttpMs, () => {
      if (this.#decoder.isBetween) this.#answerHttp();
    });
  }

  #answerHttp(): void {
    this.#cancel();
    this.#outcome.http(otherHttp(this.#listening));
  }

  #cancel(): void {
    this.#deadline.cancel();
    this.#afterHttp?.cancel();
  }

  drained(): void {}

  ended(): void {
    if (this.#decoder.isOtherHttp && this.#decoder.isBetween) return this.#answerHttp();
    this.#cancel();
    this.#outcome.refused(
      new FstreamError("bad_request", "the connection closed before the end of the request"),
      false,
    );
  }

  closed(): void {
    this.#cancel();
  }

  /** It may be about to ask how a stream ended, which is answered; all else is refused once the request is there. */
  stop(): void {
    this.#cancel();
    this.#deadline = this.#clock.after(requestGraceMs, () => {
      this.#outcome.refused(new FstreamError("shutting_down", "the server is shutting down"), false);
    });
  }
}
