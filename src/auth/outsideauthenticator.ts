// The authenticators "module", "command" and "http": each asks something of the operator's own, in its own way (an Asker), and
// all else is the same for them and stands here: how many are asked at a time, for how long, what is remembered of the
// answers, and what becomes of those that are none. Only a decision to allow lets anybody in.

import { createHmac, randomBytes } from "node:crypto";
import { FstreamError, named } from "../errors.ts";
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
   * The answer, which is to be a decision (decision.ts). Rejects with an Unanswered if there is none. What goes on after `signal` is
   * aborted is no one's.
   */
  ask(request: AuthRequest, signal: AbortSignal): Promise<unknown>;
  /** See Authenticator. */
  reload?(): Promise<void>;
  stop?(): void;
}

/** Why there is no answer, for the log. */
export class Unanswered extends Error {
  /** Whether asking again later may help. */
  readonly isTemporary: boolean;

  constructor(message: string, isTemporary: boolean) {
    super(message);
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
/** Of a reason, characters. */
const maxReasonLength = 200;

interface Remembered {
  readonly decision: DecisionDetails;
  readonly untilMs: number;
}

export class OutsideAuthenticator implements Authenticator {
  /** An address, or what stands in a query, may do. */
  readonly needsPassword = false;
  readonly #options: OutsideOptions;
  readonly #nowMs: () => number;
  readonly #queue: FairQueue;
  /** By what was asked; in the order in which they were made. */
  readonly #remembered = new Map<string, Remembered>();
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
    const { allow, reason, tellReason, channels, validSeconds, maxBitrate, maxWatchers } =
      await this.#decision(request);
    const said = reason?.slice(0, maxReasonLength).toWellFormed();
    if (!allow) {
      const login = loginOf(request);
      const who = login === undefined ? "a watcher without a name" : named(login);
      this.#options.log.repeated(
        `refused ${login ?? ""}`,
        `${request.action} by ${who} from ${request.address} refused: ${said ?? "no reason given"}`,
        "info",
      );
      if (tellReason === true && said !== undefined) throw new FstreamError("unauthorized", said);
      throw refusalOf(request);
    }
    if (request.action === "watch" && !matchesAny(channels, request.channel ?? ""))
      throw new FstreamError("forbidden", "this watcher may not watch this channel");
    return {
      user: loginOf(request) ?? "",
      channels,
      ...(validSeconds === undefined ? {} : { endsMs: this.#nowMs() + validSeconds * 1000 }),
      ...(maxBitrate === undefined ? {} : { maxBitrate }),
      ...(maxWatchers === undefined ? {} : { maxWatchers }),
    };
  }

  async reload(): Promise<void> {
    this.#remembered.clear();
    await this.#options.asker.reload?.();
  }

  stop(): void {
    this.#options.asker.stop?.();
  }

  async #decision(request: AuthRequest): Promise<DecisionDetails> {
    const key = this.#keyOf(request);
    const remembered = this.#remembered.get(key);
    if (remembered !== undefined && remembered.untilMs > this.#nowMs()) return remembered.decision;
    const decision = await this.#queue.run(networkOf(request.address), () => this.#ask(request));
    this.#remember(key, decision);
    return decision;
  }

  async #ask(request: AuthRequest): Promise<DecisionDetails> {
    const { asker, log, timeoutMs } = this.#options;
    const timeout = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Unanswered(`no answer within ${timeoutMs} ms`, true));
      timeout.abort();
    }, timeoutMs);
    try {
      const read = readDecision(await Promise.race([asker.ask(request, timeout.signal), late.promise]));
      if ("decision" in read) return read.decision;
      throw new Unanswered(read.problem, false);
    } catch (error) {
      const isTemporary = error instanceof Unanswered && error.isTemporary;
      const message = error instanceof Error ? error.message : String(error);
      log.repeated(`unanswered ${message}`, `can't authenticate: ${message}`, "error");
      // What is wrong is the operator's to know; the one who asked can only come back.
      if (isTemporary) throw new FstreamError("busy", "the server can't check logins at the moment");
      throw new FstreamError("internal", "the server can't check logins");
    } finally {
      clearTimeout(timer);
    }
  }

  #keyOf(request: AuthRequest): string {
    const asked = JSON.stringify({ ...request, id: "" });
    return createHmac("sha256", this.#key).update(asked, "utf8").digest("base64url");
  }

  #remember(key: string, decision: DecisionDetails): void {
    const { cacheSeconds = 0 } = decision;
    this.#remembered.delete(key);
    if (cacheSeconds === 0) return;
    this.#remembered.set(key, { decision, untilMs: this.#nowMs() + cacheSeconds * 1000 });
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= maxRemembered) break;
      this.#remembered.delete(oldest);
    }
  }
}

/** In words that do not tell what was wrong. */
function refusalOf({ action, password }: AuthRequest): FstreamError {
  if (password === undefined) return loginMissing(action);
  return new FstreamError("unauthorized", `wrong ${action === "watch" ? "watcher" : "user"} or password`);
}
