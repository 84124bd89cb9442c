// One connection, from its first byte to its last. What it is at any time is a Stage; this hands the socket's
// events to it, and steps from one to the next:
//
//   handshake --> login --> broadcaster --> farewell          (broadcast)
//             '-> watcher ----------------> farewell          (watch; a login first where a password is asked for)
//             '-> login --> farewell with the token           (token)
//             '-> farewell with how a stream ended            (end)
//             '-> farewell with an error                      (whatever breaks the rules)
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
import { Broadcasting } from "./broadcaster.ts";
import type { Connection, Services, Stage } from "./connection.ts";
import { Farewell, type Way } from "./farewell.ts";
import { Handshake } from "./handshake.ts";
import { Watching } from "./watcher.ts";

/** How long a server that stops still waits for a request that has begun to come, milliseconds. */
const requestPatienceMs = 1000;
/** How long a refused peer may take to take its refusal, milliseconds. */
const refusalPatienceMs = 2000;
const nothing = new Uint8Array(0);

export class Session {
  readonly #connection: Connection;
  readonly #services: Services;
  #stage: Stage;
  #peerEnded = false;
  #closed = false;

  constructor(connection: Connection, services: Services) {
    this.#connection = connection;
    this.#services = services;
    this.#stage = new Handshake(services, {
      request: (request, rest) => this.#begin(request, rest),
      refused: (error, reply, token) => {
        // It has been seen on the wire: nobody may use it any more.
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

  /** The server stops. Who is watching or broadcasting hears it from the relay. */
  stop(): void {
    const error = new FstreamError("shutting_down", "the server is shutting down");
    const stage = this.#stage;
    // It may be about to ask how a stream ended, which is answered; all else is refused in words.
    if (stage instanceof Handshake) {
      this.#services.clock.after(requestPatienceMs, () =>
        this.#leave(stage, nothing, "fin", refusalPatienceMs),
      );
    }
    if (this.#stage instanceof LoggingIn) {
      this.#connection.resume();
      this.#farewell(this.#stage.reply ? encodeError(error) : nothing);
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
          this.#login(request, this.#issue(request), (words) => this.#farewell(words));
          return;
        case "end":
          // Not counted among those that a limit refuses: a refusal would cost as much as the answer.
          this.#farewell(encodeOk(this.#services.ends.ask(request.id)));
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
    const watching = new Watching(this.#connection, this.#services, request, {
      leave: (words, way, patienceMs) => this.#leave(watching, words, way, patienceMs),
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
    const broadcasting = new Broadcasting(this.#connection, this.#services, request, (words, way) =>
      this.#leave(broadcasting, words, way, refusalPatienceMs),
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
    const stage = new LoggingIn(request.reply);
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
      // Somebody may have seen it on the way: it is used up, whatever becomes of the request.
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
    this.#farewell(reply ? encodeError(error) : nothing);
  }

  #logRefusal(error: FstreamError, request?: Request): void {
    const { log } = this.#services;
    const { address } = this.#connection;
    const what = request === undefined ? "request" : whatOf(request);
    const key = `${error.code} ${networkOf(address)}`;
    if (error.code === "internal") log.repeated(key, `${what} from ${address}: ${detailOf(error)}`, "error");
    else log.repeated(key, `${what} from ${address} refused: ${error.message} (${error.code})`);
  }

  #farewell(words: Uint8Array): void {
    this.#leave(this.#stage, words, "fin", refusalPatienceMs);
  }

  #leave(from: Stage, words: Uint8Array, way: Way, patienceMs: number): void {
    if (this.#closed || this.#stage !== from) return;
    from.closed(undefined);
    const farewell = new Farewell(this.#connection, this.#services, words, way, patienceMs);
    this.#stage = farewell;
    farewell.begin();
    if (this.#peerEnded) farewell.ended();
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

/** While somebody else looks up who the peer is. */
class LoggingIn implements Stage {
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
