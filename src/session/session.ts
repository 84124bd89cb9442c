// One connection, from its first byte to its last. What it is at any time is a ConnectionStage; this hands the socket's
// events to it, and steps from one to the next:
//
//   handshake --> login --> broadcaster --> closing         (broadcast)
//             '-> watcher ----------------> closing         (watch; a login first where a password is asked for)
//             '-> login --> closing with the token          (token)
//             '-> closing with how a stream ended           (end)
//             '-> closing with an error                     (a request that breaks the rules)
//
// What a peer may do is decided by access/; what is said of it here is only how it is answered.

import type { BroadcastPermit } from "../access/access.ts";
import { logRefusal } from "../access/refusal.ts";
import type { WatchPermit } from "../access/watchpermit.ts";
import { asFstreamError, type FstreamError, named } from "../errors.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type { BroadcastRequest, Request, TokenRequest, WatchRequest } from "../protocol/request.ts";
import { BroadcasterSession } from "./broadcaster.ts";
import { type CloseMode, ClosingStage } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { HandshakeStage } from "./handshake.ts";
import { LoginStage } from "./login.ts";
import type { Services } from "./services.ts";
import { WatcherSession } from "./watcher.ts";

/** How long a refused peer may take to accept its refusal, milliseconds. */
const refusalTimeoutMs = 2000;
const nothing = new Uint8Array(0);

export class Session implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: Services;
  #stage: ConnectionStage;
  #peerEnded = false;
  #closed = false;

  constructor(connection: Connection, services: Services) {
    this.#connection = connection;
    this.#services = services;
    this.#stage = new HandshakeStage(services, {
      request: (request, rest) => this.#begin(request, rest),
      refused: (error, reply, token) => {
        if (token !== undefined) {
          services.access.spend(token.user, token.token).catch((failure: unknown) => {
            logRefusal(services.log, "token", connection.address, asFstreamError(failure));
          });
        }
        this.#refuse(error, reply);
      },
    });
  }

  data(bytes: Uint8Array): void {
    this.#stage.data(bytes);
  }

  drained(): void {
    this.#stage.drained();
  }

  ended(): void {
    this.#peerEnded = true;
    this.#stage.ended();
  }

  closed(error: Error | undefined): void {
    this.#closed = true;
    this.#stage.closed(error);
  }

  stop(): void {
    this.#stage.stop();
  }

  #begin(request: Request, rest: Uint8Array): void {
    const { access, ends } = this.#services;
    try {
      switch (request.intent) {
        case "watch": {
          const permit = access.watch(this.#connection, request);
          if (permit instanceof Promise) this.#login(request, permit, (later) => this.#watch(request, later));
          else this.#watch(request, permit);
          return;
        }
        case "broadcast": {
          const permit = access.broadcast(this.#connection, request);
          const first = rest.slice();
          this.#login(request, permit, (granted, early) =>
            this.#broadcast(request, granted, [first, ...early]),
          );
          return;
        }
        case "token": {
          const token = access.token(this.#connection, request.user, request.userPassword);
          this.#login(request, token, (issued) => this.#close(tokenAnswer(request, issued)));
          return;
        }
        case "end":
          // Not counted among those that a limit refuses: a refusal would cost as much as the answer.
          this.#close(encodeOk(ends.ask(request.id)));
          return;
        default:
          request satisfies never;
      }
    } catch (error) {
      this.#refuse(asFstreamError(error), request.reply, request);
    }
  }

  #watch(request: WatchRequest, permit: WatchPermit): void {
    const watcher = new WatcherSession(
      this.#connection,
      this.#services,
      request,
      (finalBytes, mode, timeoutMs) => this.#leave(watcher, finalBytes, mode, timeoutMs),
    );
    this.#enter(watcher, () => watcher.begin(permit));
  }

  /** `early`: what came of the stream with the request and since. */
  #broadcast(request: BroadcastRequest, permit: BroadcastPermit, early: readonly Uint8Array[]): void {
    const broadcaster = new BroadcasterSession(
      this.#connection,
      this.#services,
      request,
      (finalBytes, mode) => this.#leave(broadcaster, finalBytes, mode, refusalTimeoutMs),
    );
    this.#enter(broadcaster, () => broadcaster.begin(permit, early));
  }

  /** Waits for what the login gives, and goes on with it. */
  #login<T>(
    request: Request,
    pending: Promise<T>,
    granted: (result: T, early: readonly Uint8Array[]) => void,
  ) {
    const login = new LoginStage<T>(this.#connection, {
      granted,
      refused: (error) => this.#refuse(error, request.reply, request),
      over: () => {
        if (!this.#closed) this.#connection.resume();
      },
    });
    this.#enter(login, () => login.begin(pending));
  }

  #refuse(error: FstreamError, reply: boolean, request?: Request): void {
    const { address } = this.#connection;
    logRefusal(this.#services.log, request === undefined ? "request" : titleOf(request), address, error);
    this.#close(reply ? encodeError(error) : nothing);
  }

  #close(finalBytes: Uint8Array): void {
    this.#leave(this.#stage, finalBytes, "fin", refusalTimeoutMs);
  }

  #leave(from: ConnectionStage, finalBytes: Uint8Array, mode: CloseMode, timeoutMs: number): void {
    if (this.#closed || this.#stage !== from) return;
    from.closed(undefined);
    const closing = new ClosingStage(this.#connection, this.#services, finalBytes, mode, timeoutMs);
    this.#enter(closing, () => closing.begin());
  }

  #enter(stage: ConnectionStage, begin: () => void): void {
    this.#stage = stage;
    begin();
    if (this.#peerEnded && this.#stage === stage) stage.ended();
  }
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

/** What was asked for, as the log has it. */
function titleOf(request: Request): string {
  return request.intent === "end"
    ? "a watcher's question how its stream ended,"
    : `${request.intent} of ${named(request.user)}`;
}
