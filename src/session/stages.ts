// A connection that is one stage after the other: this hands the socket's events to the one that is on, and takes what several
// kinds of connections have in common: waiting for a login, watching, closing.

import type { Peer } from "../access/access.ts";
import { reportRefusal, type Subject } from "../access/refusal.ts";
import { isAnonymous, type WatchAsked, type WatchPermit } from "../access/watchpermit.ts";
import { asFstreamError, type FstreamError } from "../errors.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import type { HttpWatch } from "../protocol/httpwatch.ts";
import type { PresentedToken } from "../protocol/request.ts";
import { type CloseMode, ClosingStage, type FinalBytes } from "./closing.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { HttpWatchAnswers, refuseOtherSites, unreadable } from "./httpwatch.ts";
import { LoginStage } from "./login.ts";
import { ProbeAnswers, ProbeSession } from "./probe.ts";
import type { Services } from "./services.ts";
import { type StageOwner, type WatchAnswers, type Watched, WatcherSession } from "./watcher.ts";

/** How long a peer that is refused, or whose request is answered, may take to accept the answer, milliseconds. */
export const answerTimeoutMs = 2000;

/** What is asked for, and how a refusal of it is answered. */
export interface Asked {
  readonly subject: Subject;
  /** Its client, as access has it. */
  readonly address: string;
  readonly refusal: (error: FstreamError) => Uint8Array;
  /**
   * Whether no password is given, by a client that may do so once it is asked: many a player and page does. To be asked is no
   * refusal then, for the log.
   */
  readonly isAnonymous?: boolean;
}

export abstract class Stages implements ConnectionStage, StageOwner {
  protected readonly connection: Connection;
  protected readonly services: Services;
  #stage: ConnectionStage | undefined;
  #peerEnded = false;
  #closed = false;

  constructor(connection: Connection, services: Services) {
    this.connection = connection;
    this.services = services;
  }

  data(bytes: Uint8Array): void {
    this.#stage?.data(bytes);
  }

  drained(): void {
    this.#stage?.drained();
  }

  ended(): void {
    this.#peerEnded = true;
    this.#stage?.ended();
  }

  closed(error: Error | undefined): void {
    this.#closed = true;
    this.#stage?.closed(error);
  }

  stop(): void {
    this.#stage?.stop();
  }

  /** The stage that is on. */
  protected get stage(): ConnectionStage | undefined {
    return this.#stage;
  }

  /** Steps to the next stage, which `begin` begins. */
  protected enter(stage: ConnectionStage, begin: () => void): void {
    this.#stage = stage;
    begin();
    if (this.#peerEnded && this.#stage === stage) stage.ended();
  }

  /** Ends the connection, if `from` is still its stage: with the final bytes, in that mode. */
  leave(from: ConnectionStage | undefined, finalBytes: FinalBytes, mode: CloseMode, timeoutMs: number): void {
    if (this.#closed || this.#stage !== from) return;
    this.connection.keepPlace();
    from?.closed(undefined);
    const closing = new ClosingStage(this.connection, this.services, finalBytes, mode, timeoutMs);
    this.enter(closing, () => closing.begin());
  }

  /** Answers, and closes. The peer may take so long to accept the answer. */
  protected close(finalBytes: FinalBytes, timeoutMs = answerTimeoutMs): void {
    this.leave(this.#stage, finalBytes, "fin", timeoutMs);
  }

  protected refuse(error: FstreamError, { subject, address, refusal, isAnonymous = false }: Asked): void {
    const isQuestion = isAnonymous && (error.code === "unauthorized" || error.code === "forbidden");
    if (!isQuestion) reportRefusal(this.services, subject, address, error);
    this.close(refusal(error));
  }

  /** Answers what is no request of HTTP's. It is counted, and no news for the log. */
  protected refuseUnreadable(reason: Unreadable): void {
    this.services.access.counters.refusals.add("request bad_request");
    this.close(unreadable(reason));
  }

  /** Uses up a token that the client at `address` presented with a request which is refused anyway. */
  protected spend({ user, token }: PresentedToken, address: string): void {
    this.services.access.spend(user, token).catch((failure: unknown) => {
      reportRefusal(this.services, { intent: "token" }, address, asFstreamError(failure));
    });
  }

  /** Waits for what the login gives, and goes on with it. `early`: what came meanwhile. */
  protected login<T>(
    asked: Asked,
    pending: Promise<T>,
    granted: (result: T, early: Uint8Array) => void,
  ): void {
    const login = new LoginStage<T>(this.connection, {
      granted,
      refused: (error) => this.refuse(error, asked),
      over: () => {
        if (!this.#closed) this.connection.resume();
      },
    });
    this.enter(login, () => login.begin(pending));
  }

  /** What a watcher asks for, over HTTP. */
  protected watchAsked(wanted: WatchAsked, address: string, refusal: Asked["refusal"]): Asked {
    const { user, channel, watcher } = wanted;
    const subject = { intent: "watch", user, channel, watcher } as const;
    return { subject, address, refusal, isAnonymous: isAnonymous(wanted) };
  }

  /** Watches, after a login where the channel has a password. Throws FstreamError. */
  protected watch(peer: Peer, wanted: WatchAsked, answers: WatchAnswers, asked: Asked): void {
    const permit = this.services.access.watch(peer, wanted);
    const { user, channel, watcher } = wanted;
    const watched: Watched = { user, channel, watcher, address: peer.address };
    if (permit instanceof Promise)
      this.login(asked, permit, (granted) => this.#beginWatching(watched, answers, granted));
    else this.#beginWatching(watched, answers, permit);
  }

  /** What is kept as long as the watcher is there are these alone. */
  #beginWatching(watched: Watched, answers: WatchAnswers, permit: WatchPermit): void {
    const watcher =
      answers instanceof ProbeAnswers
        ? new ProbeSession(this.connection, this.services, watched, answers, this)
        : new WatcherSession(this.connection, this.services, watched, answers, this);
    this.enter(watcher, () => watcher.begin(permit));
  }

  /** The same for a request in HTTP. */
  protected watchHttp(peer: Peer, head: HttpHead, wanted: HttpWatch, asked: Asked): void {
    const { authenticateWatchers } = this.services.options;
    if (authenticateWatchers && !isAnonymous(wanted)) refuseOtherSites(head);
    const { probedBytes } = wanted;
    const answers =
      probedBytes === undefined
        ? new HttpWatchAnswers(head, wanted, authenticateWatchers)
        : new ProbeAnswers(head, wanted, authenticateWatchers, probedBytes);
    if (head.method !== "HEAD") return this.watch(peer, wanted, answers, asked);
    const answer = (permit: WatchPermit) => this.close(answers.greeting(permit.info()));
    const permit = this.services.access.watch(peer, wanted);
    if (permit instanceof Promise) this.login(asked, permit, answer);
    else answer(permit);
  }

  /** Does what may be refused at once. */
  protected guard(asked: Asked, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.refuse(asFstreamError(error), asked);
    }
  }
}
