// One connection of the protocol, from its first byte to its last:
//
//   handshake --> login --> broadcaster --> closing         (broadcast)
//             '-> watcher ----------------> closing         (watch; a login first where a password is asked for)
//             '-> login --> closing with the token          (token)
//             '-> closing with how a stream ended           (end)
//             '-> closing with an error                     (a request that breaks the rules)
//
// A watcher may have asked in HTTP (httpwatch.ts). What a peer may do is decided by access/; what is said of it here is only
// how it is answered.

import type { BroadcastPermit } from "../access/access.ts";
import { type Subject } from "../access/refusal.ts";
import { type FstreamError } from "../errors.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import { parseHttpWatch } from "../protocol/httpwatch.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { BroadcastRequest, Request, TokenRequest, WatchRequest } from "../protocol/request.ts";
import type { End } from "../relay/broadcast.ts";
import { BroadcasterSession } from "./broadcaster.ts";
import type { Connection } from "./connection.ts";
import { HandshakeStage } from "./handshake.ts";
import { httpPeer, httpRefusal, watchRefusal } from "./httpwatch.ts";
import type { Services } from "./services.ts";
import { type Asked, Stages } from "./stages.ts";
import { type Ending, shownByClose, type WatchAnswers } from "./watcher.ts";

/** How long a broadcaster that is dismissed may take to accept why, milliseconds. */
const dismissalTimeoutMs = 2000;
const nothing = new Uint8Array(0);

export class Session extends Stages {
  constructor(connection: Connection, services: Services) {
    super(connection, services);
    const handshake = new HandshakeStage(services, {
      request: (request, rest) => this.#begin(request, rest),
      http: (request) => this.#beginHttp(request),
      refused: (error, reply, token) => {
        if (token !== undefined) this.spend(token, connection.address);
        this.refuse(error, {
          subject: { intent: "request" },
          address: connection.address,
          refusal: refusalIn(reply),
        });
      },
    });
    this.enter(handshake, () => {});
  }

  #begin(request: Request, rest: Uint8Array): void {
    this.connection.keepPlace();
    const { access, ends } = this.services;
    const { address, secure } = this.connection;
    const peer = { address, secure, query: request.query };
    const asked: Asked = { subject: subjectOf(request), address, refusal: refusalIn(request.reply) };
    this.guard(asked, () => {
      switch (request.intent) {
        case "watch":
          this.watch(peer, request, new ReplyAnswers(request, this.services), asked);
          return;
        case "broadcast": {
          const permit = access.broadcast(peer, request);
          const first = rest.slice();
          this.login(asked, permit, (granted, early) => this.#broadcast(request, granted, [first, early]));
          return;
        }
        case "token": {
          const token = access.token(peer, request.user, request.userPassword);
          this.login(asked, token, (issued) => this.close(tokenAnswer(request, issued)));
          return;
        }
        case "end":
          // Not counted among those that a limit refuses: a refusal would cost as much as the answer.
          this.close(encodeOk(ends.ask(request.id)));
          return;
        default:
          request satisfies never;
      }
    });
  }

  #beginHttp(head: HttpHead | Unreadable): void {
    if ("type" in head) return this.refuseUnreadable(head);
    this.connection.keepPlace();
    const { address } = this.connection;
    const asked: Asked = {
      subject: { intent: "request" },
      address,
      refusal: (error) => httpRefusal(head, error),
    };
    this.guard(asked, () => {
      const { authenticateWatchers } = this.services.options;
      const wanted = parseHttpWatch(head, authenticateWatchers);
      const known = this.watchAsked(wanted, asked.address, (error) =>
        watchRefusal(head, error, authenticateWatchers),
      );
      this.guard(known, () => this.watchHttp(httpPeer(this.connection, head), head, wanted, known));
    });
  }

  /** `early`: what came of the stream with the request and since. */
  #broadcast(request: BroadcastRequest, permit: BroadcastPermit, early: readonly Uint8Array[]): void {
    const broadcaster = new BroadcasterSession(this.connection, this.services, request, (finalBytes, mode) =>
      this.leave(broadcaster, finalBytes, mode, dismissalTimeoutMs),
    );
    this.enter(broadcaster, () => broadcaster.begin(permit, early));
  }
}

/** How the original protocol answers, and with `reply=1` in frames. */
class ReplyAnswers implements WatchAnswers {
  readonly awaitsDetection = false;
  readonly id: string | undefined;

  constructor({ reply }: WatchRequest, { ends }: Services) {
    this.id = reply ? ends.newId() : undefined;
  }

  greeting(): Uint8Array {
    return this.id === undefined ? nothing : encodeOk([["id", this.id]]);
  }

  refusal(error: FstreamError): Uint8Array {
    return refusalIn(this.id !== undefined)(error);
  }

  ending(end: End): Ending {
    return this.id === undefined ? { finalBytes: nothing, mode: "fin" } : shownByClose(end);
  }
}

function refusalIn(reply: boolean): (error: FstreamError) => Uint8Array {
  return reply ? encodeError : bareRefusal;
}

function bareRefusal(): Uint8Array {
  return nothing;
}

/** With `reply=1` in a frame, else bare. */
function tokenAnswer(request: TokenRequest, issued: { token: string; expiresInSeconds: number }): Uint8Array {
  const { token, expiresInSeconds } = issued;
  if (!request.reply) return new TextEncoder().encode(token);
  return encodeOk([
    ["token", token],
    ["expires", String(expiresInSeconds)],
  ]);
}

function subjectOf(request: Request): Subject {
  if (request.intent === "end") return { intent: request.intent };
  const { intent, user } = request;
  return {
    intent,
    user,
    channel: intent === "token" ? undefined : request.channel,
    watcher: intent === "watch" ? request.watcher : undefined,
  };
}
