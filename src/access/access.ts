// Decides what a peer may do: get a token, broadcast, watch. Every way in (TCP, TLS, HTTP) asks here, so that all are held to
// the same rules, and no work is done for a request before it has passed those that cost nothing.
//
//   token:      room -> login ------------------------------------> token
//   broadcast:  room -> login, or token -> channel -> permit -----> relay
//   watch:      room -> (login) -> channel password -> permit -> place -> relay
//   admin:      admin token
//
// A token that was presented is used up, whatever becomes of the request: it may have been seen on its way. Whatever is
// refused is an FstreamError; the relay has limits of its own (channels, watchers, memory), and refuses in the same way.

import type { AdminToken } from "../auth/admintoken.ts";
import {
  type Authenticator,
  type AuthRequest,
  type Grant,
  mayBroadcast,
  mayWatch,
} from "../auth/authenticator.ts";
import { loginMissing } from "../auth/missing.ts";
import { userNameProblem } from "../auth/name.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { Tokens } from "../auth/tokens.ts";
import { FstreamError, named } from "../errors.ts";
import type { Broadcaster } from "../relay/broadcast.ts";
import type { BroadcastHandle, Relay } from "../relay/relay.ts";
import type { SlowPolicy } from "../relay/watcher.ts";
import { AccessCounters, counted } from "./counters.ts";
import type { ConnectionLimits, Purpose } from "./limits.ts";
import type { Rewinds } from "./rewinds.ts";
import type { WaitingPlaces } from "./waitingplaces.ts";
import { type WatchAsked, WatchPermit } from "./watchpermit.ts";

/** A client, as far as it matters here. */
export interface Peer {
  /** Its IP address; IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  /** The trusted proxy that it comes through: its connection is that one's. */
  readonly proxy?: string;
  /** Whether what it sends is encrypted on its way. */
  readonly secure: boolean;
  /** What it speaks; left out: fstream's own protocol. */
  readonly protocol?: "http" | "https" | "ws" | "wss";
  /** What else it says in its request, as the query of a URL. */
  readonly query?: string;
  readonly userAgent?: string | undefined;
}

/** What a broadcaster asks for. */
export interface BroadcastAsked {
  readonly user: string;
  readonly channel: string;
  /** If there is one it alone counts, and not the password. */
  readonly token: string | undefined;
  readonly userPassword: string;
  /** Chunk size in bytes; 0: none. */
  readonly bufsize: number;
}

/** A right to broadcast that has been checked. */
export interface BroadcastPermit {
  /** Throws FstreamError if the channel can't be had as things are: for one who will begin later. */
  check(): void;
  /** Whether it would take the place of another broadcast that is on. */
  readonly isTakeover: boolean;
  /** The IP address of who broadcasts on the channel at the moment, where that is known. */
  readonly broadcasterAddress: string | undefined;
  /** Throws FstreamError if the channel can't be had. */
  begin(broadcaster: Broadcaster): BroadcastHandle;
  /** When the broadcast is to end, on the clock of `performance.now()`; undefined: never. */
  readonly endsMs: number | undefined;
}

export interface AccessOptions {
  /** Whether passwords and tokens for them may travel unencrypted. */
  readonly plainPasswords: boolean;
  /** Whether watchers have to log in. */
  readonly authenticateWatchers: boolean;
  /** A `bufsize` is at most half of that. */
  readonly backlogBytes: number;
  /** What happens to watchers that fall too far behind, if they do not say. */
  readonly slowWatcher: SlowPolicy;
  /** The longest that a watcher may wait for a channel, milliseconds. */
  readonly maxWaitMs: number;
}

export interface AccessServices {
  readonly relay: Relay;
  readonly authenticator: Authenticator;
  readonly tokens: Pick<Tokens, "issue" | "redeem">;
  readonly limits: Pick<ConnectionLimits, "admit">;
  /** Slows down guessing at channel passwords. */
  readonly guesses: Throttle;
  /** For watchers that wait for a channel. */
  readonly places: WaitingPlaces;
  /** How much of the backlogs watchers may begin with; left out: no limit. */
  readonly rewinds?: Rewinds;
  /** Undefined, or gives that: there is none. */
  readonly adminToken?: () => Pick<AdminToken, "matches"> | undefined;
}

const channelPasswordMissing = new FstreamError("forbidden", "this channel has a password");

export class Access {
  readonly counters = new AccessCounters();
  readonly #services: AccessServices;
  readonly #options: AccessOptions;
  #stopping = false;

  constructor(services: AccessServices, options: AccessOptions) {
    this.#services = services;
    this.#options = options;
  }

  /** From now on everything is refused with `shutting_down`. */
  stop(): void {
    this.#stopping = true;
  }

  /** A new token for the user. Throws, or rejects with, FstreamError. */
  token(peer: Peer, user: string, password: string): ReturnType<Tokens["issue"]> {
    refuseBadName(user);
    return this.#issue(peer, user, password);
  }

  /** A permit for the broadcast. Throws, or rejects with, FstreamError. */
  broadcast(peer: Peer, asked: BroadcastAsked): Promise<BroadcastPermit> {
    refuseBadName(asked.user);
    return this.#permitBroadcast(peer, asked);
  }

  /**
   * A permit to watch; later where watchers log in, and where the channel has a password, which may be guessed at only so fast.
   * Throws, or rejects with, FstreamError.
   */
  watch(peer: Peer, asked: WatchAsked): WatchPermit | Promise<WatchPermit> {
    refuseBadName(asked.user);
    this.#refuseIfFull("watch", peer);
    return this.#options.authenticateWatchers
      ? this.#logInWatcher(peer, asked).then((grant) => {
          if (mayWatch(grant, asked.user, asked.channel)) return this.#permitWatch(peer, asked, grant);
          throw new FstreamError("unauthorized", `${named(grant.user)} may not watch this channel`);
        })
      : this.#permitWatch(peer, asked);
  }

  #logInWatcher(peer: Peer, { user, channel, watcher, watcherPassword }: WatchAsked): Promise<Grant> {
    if (watcher !== undefined) refuseBadName(watcher, "watcher");
    return this.#logIn(peer, "watch", watcherPassword, {
      user,
      channel,
      ...(watcher === undefined ? {} : { watcher }),
    });
  }

  #permitWatch(peer: Peer, asked: WatchAsked, grant?: Grant): WatchPermit | Promise<WatchPermit> {
    const { relay, guesses } = this.#services;
    const { user, channel, channelPassword } = asked;
    const permit = new WatchPermit(peer, asked, this.#services, this.#options, grant?.endsMs);
    if (relay.find(user, channel)?.guarded !== true) return permit;
    // None at all is no guess.
    if (channelPassword === "") throw channelPasswordMissing;
    return guesses.run(peer.address, permit.subject, () => {
      if (relay.find(user, channel)?.admits(channelPassword) !== false) return permit;
      throw new FstreamError("forbidden", "wrong channel password");
    });
  }

  /** Whether nobody broadcasts without a password or a token. */
  get needsPassword(): boolean {
    return this.#services.authenticator.needsPassword;
  }

  /** Whether `token` is the operator's: resolves, or rejects with FstreamError. It is for TLS alone. */
  async admin(peer: Peer, token: string): Promise<void> {
    const { guesses } = this.#services;
    const adminToken = this.#services.adminToken?.();
    if (adminToken === undefined) throw new FstreamError("unauthorized", "no admin token is configured");
    if (!peer.secure) throw new FstreamError("forbidden", "the admin token is only accepted over HTTPS");
    await guesses.run(peer.address, "the admin token", async () => {
      if (!(await adminToken.matches(token))) throw new FstreamError("unauthorized", "wrong admin token");
    });
  }

  /** Uses up a token that was presented with a request which is refused anyway. */
  async spend(user: string, token: string): Promise<void> {
    try {
      await this.#use(user, token);
    } catch (error) {
      // It was none: the refusal that is on its way says enough.
      if (!(error instanceof FstreamError)) throw error;
    }
  }

  async #issue(peer: Peer, user: string, password: string): ReturnType<Tokens["issue"]> {
    this.#refuseIfFull("token", peer);
    const token = await this.#services.tokens.issue(await this.#logIn(peer, "token", password, { user }));
    this.counters.tokensIssued++;
    return token;
  }

  /** A right token is never delayed, as none is found by trying; wrong ones are slowed down as wrong passwords are. */
  async #redeem({ address }: Peer, user: string, token: string): Promise<Grant> {
    try {
      return await this.#use(user, token);
    } catch (error) {
      return await this.#services.guesses.run(address, `token of ${user}`, () =>
        Promise.reject(error as Error),
      );
    }
  }

  #use(user: string, token: string): Promise<Grant> {
    return counted(this.counters.tokenUses, () => this.#services.tokens.redeem(user, token));
  }

  async #permitBroadcast(peer: Peer, asked: BroadcastAsked): Promise<BroadcastPermit> {
    const { user, channel } = asked;
    const grant = await this.#grantOf(peer, asked);
    if (!mayBroadcast(grant, channel)) {
      throw new FstreamError("forbidden", `${named(user)} may not broadcast on channel ${named(channel)}`);
    }
    const { relay } = this.#services;
    return {
      check: () => relay.refuseBroadcast(user, channel),
      get isTakeover() {
        return relay.isTakeover(user, channel);
      },
      get broadcasterAddress() {
        return relay.broadcasterAddress(user, channel);
      },
      begin: (broadcaster) => relay.broadcast(user, channel, broadcaster, grant),
      endsMs: grant.endsMs,
    };
  }

  async #grantOf(
    peer: Peer,
    { user, channel, token, userPassword, bufsize }: BroadcastAsked,
  ): Promise<Grant> {
    const spent = token === undefined ? undefined : await this.#redeem(peer, user, token);
    this.#refuseIfFull("broadcast", peer);
    this.#refuseLargeChunks(bufsize);
    return spent ?? this.#logIn(peer, "broadcast", userPassword, { user, channel });
  }

  async #logIn(
    peer: Peer,
    action: AuthRequest["action"],
    password: string,
    who: Pick<AuthRequest, "user" | "channel" | "watcher">,
  ): Promise<Grant> {
    if (password !== "" && !this.#options.plainPasswords && !peer.secure) {
      throw new FstreamError("unauthorized", "this server accepts no passwords on a plain connection");
    }
    if (password === "" && this.#services.authenticator.needsPassword) throw loginMissing(action);
    const { address, secure, protocol = secure ? "fstreams" : "fstream", query = "", userAgent } = peer;
    const request: AuthRequest = {
      action,
      ...who,
      ...(password === "" ? {} : { password }),
      address,
      protocol,
      id: crypto.randomUUID(),
      ...(query === "" ? {} : { query }),
      ...(userAgent === undefined ? {} : { userAgent }),
    };
    return counted(this.counters.logins, () => this.#services.authenticator.authenticate(request));
  }

  #refuseIfFull(purpose: Purpose, { address, proxy }: Peer): void {
    if (this.#stopping) throw new FstreamError("shutting_down", "the server is shutting down");
    this.#services.limits.admit(purpose, proxy ?? address);
  }

  #refuseLargeChunks(bufsize: number): void {
    const mostBytes = Math.floor(this.#options.backlogBytes / 2);
    if (bufsize > mostBytes)
      throw new FstreamError("bad_request", `bufsize can be at most half the backlog, ${mostBytes} bytes`);
  }
}

function refuseBadName(name: string, key = "user"): void {
  const problem = userNameProblem(name);
  if (problem !== undefined) throw new FstreamError("bad_request", `${key} ${problem}`);
}
