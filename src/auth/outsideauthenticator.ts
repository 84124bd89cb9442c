// The authenticators "module", "command" and "http": each asks something of the operator's own, in its own way (an Asker), and
// all else is the same for them and stands here: how many are asked at a time, for how long, what is remembered of the
// answers, and what becomes of those that are none. Only a decision to allow lets anybody in.

import { createHmac, randomBytes } from "node:crypto";
import { FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Authenticator, type AuthRequest, type Grant, loginOf, matchesAny } from "./authenticator.ts";
import type { DecisionDetails } from "./authtypes.ts";
import { readDecision } from "./decision.ts";
import { FairQueue, waitLimit } from "./fairqueue.ts";
import { loginMissing } from "./missing.ts";
import { networkOf } from "./network.ts";

/** What is asked. */
export interface Asker {
  /**
   * The answer, which is to be a decision (decision.ts). Rejects with an Unanswered if there is none. Once `signal` is aborted nobody
   * waits for it any more, and nothing of it is to go on.
   */
  ask(request: AuthRequest, signal: AbortSignal): Promise<unknown>;
  /** See Authenticator. */
  reload?(): Promise<void>;
  stop?(): void;
}

/** Why there is no answer. */
export class Unanswered extends FstreamError {
  /** Whether asking again later may help. */
  readonly isTemporary: boolean;

  constructor(message: string, isTemporary: boolean) {
    super("failed", message);
    this.isTemporary = isTemporary;
  }
}

export interface OutsideOptions {
  readonly asker: Asker;
  readonly log: Log;
  /** How long an answer may take, milliseconds. */
  readonly timeoutMs: number;
  /** How many are asked at a time. */
  readonly maxParallel: number;
  /** Which requests are dropped when there are too many: see throttle.ts. */
  readonly pressureOf?: (address: string) => () => number;
  /** A clock that only goes forward; `performance.now()` if left out. */
  readonly nowMs?: () => number;
}

/** Requests that may wait for their turn. */
const maxWaiting = 256;
/** Decisions remembered at a time. */
const maxRemembered = 10_000;

interface Made {
  readonly decision: DecisionDetails;
  readonly madeMs: number;
}

interface Remembered extends Made {
  readonly untilMs: number;
}

export class OutsideAuthenticator implements Authenticator {
  /** An address, or what stands in a query, may do. */
  readonly needsPassword = false;
  readonly #options: OutsideOptions;
  readonly #nowMs: () => number;
  readonly #queue: FairQueue;
  readonly #stopped = new AbortController();
  /** By what was asked; in the order in which they were made. Another one after a reload. */
  #remembered = new Map<string, Remembered>();
  /** Passwords are not kept. */
  readonly #key = randomBytes(32);

  constructor(options: OutsideOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    const { maxParallel: atOnce, pressureOf } = options;
    const pressure = pressureOf === undefined ? {} : { pressureOf };
    this.#queue = new FairQueue({ atOnce, maxWaiting, timeout: waitLimit, ...pressure });
  }

  async authenticate(request: AuthRequest): Promise<Grant> {
    const { decision, madeMs } = await this.#decision(request);
    const { allow, reason, tellReason, channels, validSeconds, maxBitrate, maxWatchers } = decision;
    if (!allow) throw refusalOf(request, reason, tellReason === true);
    if (request.action === "watch" && !matchesAny(channels, request.channel ?? ""))
      throw new FstreamError("unauthorized", "this watcher may not watch this channel");
    return {
      user: loginOf(request) ?? "",
      channels,
      ...(validSeconds === undefined ? {} : { endsMs: madeMs + validSeconds * 1000 }),
      ...(maxBitrate === undefined ? {} : { maxBitrate }),
      ...(maxWatchers === undefined ? {} : { maxWatchers }),
    };
  }

  async reload(): Promise<void> {
    try {
      await this.#options.asker.reload?.();
    } finally {
      this.#remembered = new Map();
    }
  }

  /** What is being asked is asked no longer. */
  stop(): void {
    this.#stopped.abort();
    this.#options.asker.stop?.();
  }

  async #decision(request: AuthRequest): Promise<Made> {
    const key = this.#keyOf(request);
    const remembered = this.#remembered;
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > this.#nowMs()) return known;
    const decision = await this.#inTurn(request);
    const made = { decision, madeMs: this.#nowMs() };
    this.#remember(remembered, key, made);
    return made;
  }

  /** What is asked keeps its place until nothing is done for it any more, which may be after its time. */
  #inTurn(request: AuthRequest): Promise<DecisionDetails> {
    return new Promise((resolve, reject) => {
      const turn = async () => {
        const { asked, decision } = this.#ask(request);
        decision.then(resolve, reject);
        await asked.catch(() => undefined); // which the decision has said
      };
      this.#queue.run(networkOf(request.address), turn).catch(reject);
    });
  }

  #ask(request: AuthRequest): {
    readonly asked: Promise<unknown>;
    readonly decision: Promise<DecisionDetails>;
  } {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopped.signal]);
    const asked = this.#options.asker.ask(request, signal);
    return { asked, decision: this.#decide(request, asked, over) };
  }

  async #decide(
    request: AuthRequest,
    asked: Promise<unknown>,
    over: AbortController,
  ): Promise<DecisionDetails> {
    const { log, timeoutMs } = this.#options;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Unanswered(`no answer within ${timeoutMs} ms`, true));
      over.abort();
    }, timeoutMs);
    try {
      const read = readDecision(await Promise.race([asked, late.promise]));
      if ("decision" in read) return read.decision;
      throw new Unanswered(`the answer is ${read.problem}`, false);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error; // a bug
      const cause = new FstreamError("failed", withoutSecrets(error.message, request));
      log.repeated(`unanswered ${cause.message}`, `can't authenticate: ${cause.message}`, "error");
      // What is wrong is the operator's to know; the one who asked can only come back.
      throw error.isTemporary
        ? new FstreamError("busy", "the server can't check logins at the moment", { cause })
        : new FstreamError("internal", "the server can't check logins", { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  #keyOf(request: AuthRequest): string {
    const asked = JSON.stringify({ ...request, id: "" });
    return createHmac("sha256", this.#key).update(asked, "utf8").digest("base64url");
  }

  #remember(remembered: Map<string, Remembered>, key: string, made: Made): void {
    const { cacheSeconds = 0, validSeconds = cacheSeconds } = made.decision;
    remembered.delete(key);
    const seconds = Math.min(cacheSeconds, validSeconds);
    if (seconds === 0) return;
    remembered.set(key, { ...made, untilMs: made.madeMs + seconds * 1000 });
    for (const oldest of remembered.keys()) {
      if (remembered.size <= maxRemembered) break;
      remembered.delete(oldest);
    }
  }
}

/** In words that do not tell what was wrong, unless the decision says so; the log gets the reason in any case. */
function refusalOf(request: AuthRequest, reason: string | undefined, tellReason: boolean): FstreamError {
  if (reason !== undefined && tellReason) return new FstreamError("unauthorized", reason);
  const cause =
    reason === undefined ? {} : { cause: new FstreamError("failed", withoutSecrets(reason, request)) };
  const { action, password } = request;
  if (password === undefined) return loginMissing(action, cause);
  return new FstreamError("unauthorized", "wrong user or password", cause);
}

/** A shorter password is part of ordinary words and paths, which would give it away if they were masked: only in quotes it is. Characters. */
const leastPasswordLength = 4;
/** Values of a query that are as long may be secrets: tokens of the operator's own. Characters. */
const leastSecretLength = 8;

/** For the log: what the operator's own says may quote what it was given. */
export function withoutSecrets(text: string, { password = "", query = "" }: AuthRequest): string {
  const values = [...new URLSearchParams(query).values()].filter(({ length }) => length >= leastSecretLength);
  const whole = [password, query].filter(({ length }) => length >= leastPasswordLength);
  const secrets = [...whole, ...values].flatMap((secret) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
  ]);
  let rest = text;
  for (const secret of secrets) rest = rest.replaceAll(secret, "***");
  if (password !== "") rest = rest.replaceAll(JSON.stringify(password), '"***"');
  return rest;
}
