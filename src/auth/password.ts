// Passwords: whether a given one is right, in a time that tells nothing, and how they are hashed. Plain ones
// are compared by their keyed digests; hashes are argon2id (RFC 9106) in the PHC string format. One hash
// takes 64 MiB and a tenth of a second of a thread of the pool, so two at a time are worked on at the most, never on all of the
// pool's threads, since users' files are read there too; the others wait in a fair queue.
//
// So that a user's hundred encoders that come back at once wait for one hash and not for a hundred, a hash and a password
// that matched are remembered, as a digest keyed for this process. Wrong passwords are not: each costs a hash, and its time.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import { FstreamError } from "../errors.ts";
import { FairQueue, waitLimit } from "./fairqueue.ts";
import { remember } from "./reputation.ts";

/** What a user's password is compared with. */
export type Secret =
  | { readonly kind: "plain"; readonly password: string }
  | { readonly kind: "hash"; readonly hash: string };

/** Bun's pool has a thread for each CPU, and two where there is only one. */
const poolThreads = Math.max(2, availableParallelism());
/** Hashes that are worked on at a time. */
export const hashesAtOnce = Math.min(2, poolThreads - 1);
const maxWaiting = 64;
/** Right passwords remembered at a time; the one that was used longest ago is forgotten. */
const maxRemembered = 4096;
/** A hash asks for memory itself: far above the usual 64 MiB it would be a way to exhaust it. */
const maxMemoryKiB = 1024 * 1024;
const maxPasses = 100;

/** Digests under a key of their own, so that their timing is useless to who does not have it. */
function keyedDigest(): (text: string) => Buffer {
  const key = randomBytes(32);
  return (text) => createHmac("sha256", key).update(text, "utf8").digest();
}

/** A comparison of texts in a time that tells nothing of either: their keyed digests are equally long. */
export function constantTimeEquals(): (a: string, b: string) => boolean {
  const digest = keyedDigest();
  return (a, b) => timingSafeEqual(digest(a), digest(b));
}

export interface Login {
  readonly password: string;
  /** The key of the queue for hashes (fairqueue.ts). */
  readonly lane: string;
  /**
   * Whether a right password is remembered, and known again at once. False where a match counts for nothing: its time would tell
   * so.
   */
  readonly remembers: boolean;
}

/** Compares passwords with secrets; one for a process, since it bounds what it spends. */
export class Passwords {
  readonly #equals = constantTimeEquals();
  readonly #digest = keyedDigest();
  /** Digests of hashes and the passwords that matched them; the one used last is last. */
  readonly #matched = new Map<string, true>();
  readonly #queue: FairQueue;

  /** `pressureOf` a lane decides which logins are dropped when too many hashes are asked for (fairqueue.ts). */
  constructor(pressureOf?: (lane: string) => () => number) {
    const pressure = pressureOf === undefined ? {} : { pressureOf };
    this.#queue = new FairQueue({ atOnce: hashesAtOnce, maxWaiting, timeout: waitLimit, ...pressure });
  }

  /**
   * Whether the password is the one of `secret`; an empty one never is. Rejects with FstreamError `busy` if too many hashes
   * are asked for, `internal` if one can't be computed; a malformed hash is only wrong.
   */
  async matches(secret: Secret, { password, lane, remembers }: Login): Promise<boolean> {
    if (password === "") return false;
    if (secret.kind === "plain") return this.#equals(secret.password, password);
    const { hash } = secret;
    if (!isPasswordHash(hash)) return false;
    if (!remembers) return await this.#queue.run(lane, () => verify(password, hash));
    const login = this.#digest(`${hash}\n${password}`).toString("base64");
    if (this.#isRemembered(login)) return true;
    return await this.#queue.run(lane, async () => {
      // The same login may have been right while this one waited.
      if (this.#isRemembered(login)) return true;
      const right = await verify(password, hash);
      if (right) remember(this.#matched, login, true, maxRemembered);
      return right;
    });
  }

  #isRemembered(login: string): boolean {
    if (!this.#matched.has(login)) return false;
    remember(this.#matched, login, true, maxRemembered);
    return true;
  }
}

async function verify(password: string, hash: string): Promise<boolean> {
  try {
    return await Bun.password.verify(password, hash, "argon2id");
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === "PASSWORD_INVALID_ENCODING" || code === "PASSWORD_WEAK_PARAMETERS") return false;
    throw new FstreamError("internal", "the password can't be checked", { cause });
  }
}

/** Whether `text` is an argon2id hash in PHC format that asks for a reasonable amount of work. */
export function isPasswordHash(text: string): boolean {
  const found = /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,3})\$([^$]{11,})\$([^$]{22,})$/.exec(
    text,
  );
  if (found === null) return false;
  const [memory, passes, lanes] = found.slice(1, 4).map(Number);
  if (lanes < 1 || memory < 8 * lanes || memory > maxMemoryKiB || passes < 1 || passes > maxPasses)
    return false;
  return isBase64(found[4]) && isBase64(found[5]);
}

/** Whether `text` is base64 without padding, as an encoder would write it. */
function isBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64").replace(/=+$/, "") === text;
}

/** The argon2id hash of a password that is not empty, with a fresh salt. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: "argon2id" });
}
