// One-time tokens: what a password buys over TLS, so that the media can travel plain. A user has one at a time,
// a newer one ends it, and presenting it ends it too, since it has been seen on a plain connection then,
// whatever becomes of the request. A wrong token ends nothing: no peer can burn another's.
//
// Only digests are kept. Of those that ended lately it is remembered how, so that a refusal can say it; only
// the holder of such a token learns that. Asynchronous since tokens need not live in this process.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { FstreamError } from "../errors.ts";
import type { Grant } from "./authenticator.ts";

/** 192 bits; 32 characters of base64url, none of which the protocol or a URL has to escape. */
const tokenBytes = 24;
/** Tokens alive at a time, and tokens remembered after their end: a few tens of megabytes at most. */
const maxTokens = 100_000;

export interface TokensOptions {
  /** How long a token lasts that is issued from now on. */
  readonly tokenLifetimeMs: number;
  /** That many random bytes; fit for secrets. */
  readonly random?: (bytes: number) => Uint8Array;
  /** Tokens alive at a time, and remembered after their end. */
  readonly max?: number;
}

interface Live {
  readonly digest: Buffer;
  readonly grant: Grant;
  readonly endsMs: number;
}

type End = "used" | "replaced" | "expired";

const refusals: Readonly<Record<End, { message: string; hint: string }>> = {
  used: {
    message: "token already used",
    hint: "each token works once: get a new one for each broadcast",
  },
  replaced: {
    message: "token replaced by a newer one",
    hint: "only a user's newest token is valid",
  },
  expired: { message: "token expired", hint: "get a new token and use it right away" },
};

/** The tokens of this process. */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #nowMs: () => number;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #max: number;
  readonly #live = new Map<string, Live>(); // by user, in the order in which they were issued
  readonly #ended = new Map<string, End>(); // by user and digest, the one that ended first is first

  /** `nowMs` is a clock that only goes forward. */
  constructor(options: TokensOptions, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
    this.#random = options.random ?? randomBytes;
    this.#max = options.max ?? maxTokens;
  }

  /**
   * A new token for the user of `grant`, in place of any older one; `expiresInSeconds` is rounded down. Rejects
   * with FstreamError `limit` if there are too many.
   */
  async issue(grant: Grant): Promise<{ token: string; expiresInSeconds: number }> {
    this.#sweep();
    if (this.#live.has(grant.user)) this.#end(grant.user, "replaced");
    if (this.#live.size >= this.#max) throw new FstreamError("limit", "too many tokens at once");
    const token = Buffer.from(this.#random(tokenBytes)).toString("base64url");
    const nowMs = this.#nowMs();
    // What the grant allows may be over sooner.
    const endsMs = Math.min(nowMs + this.#options.tokenLifetimeMs, grant.endsMs ?? Number.POSITIVE_INFINITY);
    this.#live.set(grant.user, { digest: digestOf(token), grant, endsMs });
    return { token, expiresInSeconds: Math.max(0, Math.floor((endsMs - nowMs) / 1000)) };
  }

  /**
   * What the token of `user` allows; the token is used up by that. Rejects with FstreamError `unauthorized`,
   * saying what became of a token that was right once.
   */
  async redeem(user: string, token: string): Promise<Grant> {
    this.#sweep();
    this.#endIfOver(user);
    const digest = digestOf(token);
    const live = this.#live.get(user);
    if (timingSafeEqual(digest, live?.digest ?? Buffer.alloc(digest.length)) && live !== undefined) {
      this.#end(user, "used");
      return live.grant;
    }
    const end = this.#ended.get(endedKey(user, digest));
    if (end === undefined) throw new FstreamError("unauthorized", "wrong user or token");
    throw new FstreamError("unauthorized", refusals[end].message, { hint: refusals[end].hint });
  }

  /** Most lifetimes are the same, so that those that are over stand first. */
  #sweep(): void {
    for (const user of this.#live.keys()) if (!this.#endIfOver(user)) break;
  }

  #endIfOver(user: string): boolean {
    const isOver = (this.#live.get(user)?.endsMs ?? 0) <= this.#nowMs();
    if (isOver) this.#end(user, "expired");
    return isOver;
  }

  #end(user: string, how: End): void {
    const live = this.#live.get(user);
    if (live === undefined) return;
    this.#live.delete(user);
    this.#ended.set(endedKey(user, live.digest), how);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= this.#max) break;
      this.#ended.delete(oldest);
    }
  }
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}

function endedKey(user: string, digest: Buffer): string {
  return `${digest.toString("base64url")} ${user}`;
}
