// One connection, from its first byte to its last. What it is at any time is a ConnectionStage; this hands the socket's
// events to it, and steps from one to the next:
//
//   handshake --> login --> broadcaster --> closing          (broadcast)
//             '-> watcher ----------------> closing          (watch; a login first where a password is asked for)
//             '-> login --> closing with the token           (token)
//             '-> closing with how a stream ended            (end)
//             '-> closing with an error                      (a request that breaks the rules)
//
// While a login is looked up the socket is not read: nothing is kept of what comes, and nothing is lost.

import { type Grant, mayBroadcast } from "../auth/authenticator.ts";
import { userNameProblem } from "../auth/name.ts";
import { networkOf } from "../auth/network.ts";
import { asFstreamError, FstreamError, named, systemReason } from "../errors.ts";
import { encodeError, encodeOk } from "../protocol/reply.ts";
import type {
  BroadcastRequest,
  Credential,
  Request,
  TokenRequest,
  WatchRequest,
} from "../protocol/request.ts";
import { BroadcasterSession } from "./broadcaster.ts";
import { type CloseMode, ClosingStage } from "./closing.ts";
import type { Connection, ConnectionStage, Services } from "./connection.ts";
import { HandshakeStage } from "./handshake.ts";
import { WatcherSession } from "./watcher.ts";

/** How long a server that stops still waits for a request that has begun to come, milliseconds. */
const requestGraceMs = 1000;
/** How long a refused peer may take to accept its refusal, milliseconds. */
const refusalTimeoutMs = 2000;
const nothing = new Uint8Array(0);

export class Session {
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
        // It has been seen on the wire: it may not be used any more.
        if (token !== undefined) void services.tokens.redeem(token.user, token.token).catch(() => {});
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

  /** The server stops. Watchers and broadcasters are ended by the relay. */
  stop(): void {
    const error = new FstreamError("shutting_down", "the server is shutting down");
    const stage = this.#stage;
    // It may be about to ask how a stream ended, which is answered; all else is refused in words.
    if (stage instanceof HandshakeStage) {
      this.#services.clock.after(requestGraceMs, () => this.#leave(stage, nothing, "fin", refusalTimeoutMs));
    }
    if (this.#stage instanceof LoginStage) {
      this.#connection.resume();
      this.#close(this.#stage.reply ? encodeError(error) : nothing);
    }
  }

  #begin(request: Request, rest: Uint8Array): void {
    try {
      const problem = request.intent === "end" ? undefined : userNameProblem(request.user);
      if (problem !== undefined) throw new FstreamError("bad_request", `user ${problem}`);
      switch (request.intent) {
        case "watch": {
          this.#services.admit(request.intent, this.#connection);
          if (this.#services.relay.find(request.user, request.channel)?.guarded !== true)
            this.#watch(request);
          else this.#login(request, this.#guess(request), () => this.#watch(request));
          return;
        }
        case "broadcast": {
          const first = rest.slice();
          this.#login(request, this.#logIn(request, request.credential), (grant, early) =>
            this.#broadcast(request, grant, [first, ...early]),
          );
          return;
        }
        case "token":
          this.#login(request, this.#issue(request), (answer) => this.#close(answer));
          return;
        case "end":
          // Not counted among those that a limit refuses: a refusal would cost as much as the answer.
          this.#close(encodeOk(this.#services.ends.ask(request.id)));
          return;
        default:
          request satisfies never;
      }
    } catch (error) {
      this.#refuse(asFstreamError(error), request.reply, request);
    }
  }

  /** Whether the channel's password was given, as slowly as guessing may go. */
  #guess({ user, channel, channelPassword }: WatchRequest): Promise<void> {
    const { guesses, relay } = this.#services;
    return guesses.run(this.#connection.address, subjectOf(user, channel), () => {
      if (relay.find(user, channel)?.admits(channelPassword) !== false) return;
      throw new FstreamError("forbidden", "wrong channel password");
    });
  }

  #watch(request: WatchRequest): void {
    const watching = new WatcherSession(this.#connection, this.#services, request, {
      leave: (finalBytes, mode, timeoutMs) => this.#leave(watching, finalBytes, mode, timeoutMs),
      refused: (error) => {
        const { guesses } = this.#services;
        if (error.code === "forbidden")
          guesses.failed(this.#connection.address, subjectOf(request.user, request.channel));
        this.#logRefusal(error, request);
      },
    });
    this.#stage = watching;
    watching.begin();
  }

  /** `early`: what came of the stream with the request and since. */
  #broadcast(request: BroadcastRequest, grant: Grant, early: readonly Uint8Array[]): void {
    if (!mayBroadcast(grant, request.channel)) {
      const channel = `channel ${named(request.channel)}`;
      throw new FstreamError("forbidden", `${named(request.user)} may not broadcast on ${channel}`);
    }
    const broadcasting = new BroadcasterSession(
      this.#connection,
      this.#services,
      request,
      (finalBytes, mode) => this.#leave(broadcasting, finalBytes, mode, refusalTimeoutMs),
    );
    this.#stage = broadcasting;
    broadcasting.begin(early);
  }

  /** Waits for what the login gives with the socket paused, and goes on with it. */
  #login<T>(
    request: Request,
    pending: Promise<T>,
    then: (result: T, early: readonly Uint8Array[]) => void,
  ): void {
    const stage = new LoginStage(request.reply);
    this.#stage = stage;
    this.#connection.pause();
    const goOn = (act: () => void) => {
      if (this.#closed || this.#stage !== stage) return;
      try {
        act();
      } catch (error) {
        this.#refuse(asFstreamError(error), request.reply, request);
      }
      // Only now: a paused socket tells nothing, so no stage has missed anything.
      if (!this.#closed) this.#connection.resume();
      if (this.#peerEnded) this.#stage.ended();
    };
    pending.then(
      (result) => goOn(() => then(result, stage.early)),
      (error: unknown) =>
        goOn(() => {
          throw error;
        }),
    );
  }

  async #logIn(request: BroadcastRequest | TokenRequest, credential: Credential): Promise<Grant> {
    const { plainPasswords } = this.#services.options;
    if (credential.type === "token") {
      // It may have been seen on the way: it is used up, whatever becomes of the request.
      const grant = await this.#services.tokens.redeem(request.user, credential.token);
      this.#refuseTooMuch(request);
      return grant;
    }
    this.#refuseTooMuch(request);
    if (!plainPasswords && !this.#connection.secure) {
      throw new FstreamError("unauthorized", "this server takes no passwords on a plain connection");
    }
    if (credential.password === "")
      throw new FstreamError("unauthorized", "neither user_password nor token was given");
    const { address } = this.#connection;
    return this.#services.authenticator.authenticate({
      user: request.user,
      password: credential.password,
      address,
    });
  }

  /** What there is no room for, or never would be. */
  #refuseTooMuch(request: BroadcastRequest | TokenRequest): void {
    this.#services.admit(request.intent, this.#connection);
    const { options } = this.#services;
    if (request.intent === "broadcast" && request.bufsize > options.backlogBytes / 2) {
      const message = `bufsize is at most half the backlog here: ${Math.floor(options.backlogBytes / 2)}`;
      throw new FstreamError("bad_request", message);
    }
  }

  async #issue(request: TokenRequest): Promise<Uint8Array> {
    const grant = await this.#logIn(request, { type: "password", password: request.userPassword });
    const { token, expiresInSeconds } = await this.#services.tokens.issue(grant);
    if (!request.reply) return new TextEncoder().encode(token);
    return encodeOk([
      ["token", token],
      ["expires", String(expiresInSeconds)],
    ]);
  }

  #refuse(error: FstreamError, reply: boolean, request?: Request): void {
    this.#logRefusal(error, request);
    this.#close(reply ? encodeError(error) : nothing);
  }

  #logRefusal(error: FstreamError, request?: Request): void {
    const { log } = this.#services;
    const { address } = this.#connection;
    const what = request === undefined ? "request" : whatOf(request);
    const key = `${error.code} ${networkOf(address)}`;
    if (error.code === "internal") log.repeated(key, `${what} from ${address}: ${detailOf(error)}`, "error");
    else log.repeated(key, `${what} from ${address} refused: ${error.message} (${error.code})`);
  }

  #close(finalBytes: Uint8Array): void {
    this.#leave(this.#stage, finalBytes, "fin", refusalTimeoutMs);
  }

  #leave(from: ConnectionStage, finalBytes: Uint8Array, mode: CloseMode, timeoutMs: number): void {
    if (this.#closed || this.#stage !== from) return;
    from.closed(undefined);
    const closing = new ClosingStage(this.#connection, this.#services, finalBytes, mode, timeoutMs);
    this.#stage = closing;
    closing.begin();
    if (this.#peerEnded) closing.ended();
  }
}

/** What a channel password is guessed for (throttle.ts). Names have no control characters in them. */
function subjectOf(user: string, channel: string): string {
  return `${user}\n${channel}`;
}

/** For the log: what was asked for. */
function whatOf(request: Request): string {
  return request.intent === "end" ? "end of a stream" : `${request.intent} of ${named(request.user)}`;
}

/** For the log: what failed and why, or where a bug is. */
function detailOf(error: FstreamError): string {
  const { cause, message } = error;
  const reason = systemReason(cause);
  if (reason !== undefined) return `${message}: ${reason}`;
  const { stack } = cause instanceof Error ? cause : error;
  return (stack ?? message).replaceAll(/\n\s*/g, " | ");
}

/** While a login is looked up. */
class LoginStage implements ConnectionStage {
  /** What came although the socket is paused: at most what was on its way already. */
  readonly early: Uint8Array[] = [];
  /** Whether the client asked for answers in words. */
  readonly reply: boolean;

  constructor(reply: boolean) {
    this.reply = reply;
  }

  data(bytes: Uint8Array): void {
    this.early.push(bytes.slice());
  }

  drained(): void {}

  ended(): void {}

  closed(): void {}
}
