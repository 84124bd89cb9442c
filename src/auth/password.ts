// Passwords: whether a given one is right, in a time that tells nothing, and how they are hashed. Plain ones
// are compared by their keyed digests; hashes are argon2id (RFC 9106) in the PHC string format. One hash
// takes 64 MiB and a tenth of a second of a thread of the pool, so two at a time are worked on at the most, never on all of the
// pool's threads, since users' files are read there too; the others wait in a fair queue.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import { FstreamError } from "../errors.ts";
import { FairQueue, waitLimit } from "./fairqueue.ts";

/** What a user's password is compared with. */
export type Secret =
  | { readonly kind: "plain"; readonly password: string }
  | { readonly kind: "hash"; readonly hash: string };

/** Bun's pool has a thread for each CPU, and two where there is only one. */
const poolThreads = Math.max(2, availableParallelism());
/** Hashes that are worked on at a time. */
export const hashesAtOnce = Math.min(2, poolThreads - 1);
const maxWaiting = 64;
/** A hash asks for memory itself: far above the usual 64 MiB it would be a way to exhaust it. */
const maxMemoryKiB = 1024 * 1024;
const maxPasses = 100;

/**
 * A comparison of texts in a time that tells nothing of either: their digests are equally long, and a secret key
 * makes their timing useless.
 */
export function constantTimeEquals(): (a: string, b: string) => boolean {
  const key = randomBytes(32);
  const digest = (text: string) => createHmac("sha256", key).update(text, "utf8").digest();
  return (a, b) => timingSafeEqual(digest(a), digest(b));
}

/** Compares passwords with secrets; one for a process, since it bounds what it spends. */
export class Passwords {
  readonly #equals = constantTimeEquals();
  readonly #queue: FairQueue;

  /** `pressureOf` a lane decides which logins are dropped when too many hashes are asked for (fairqueue.ts). */
  constructor(pressureOf?: (lane: string) => () => number) {
    const pressure = pressureOf === undefined ? {} : { pressureOf };
    this.#queue = new FairQueue({ atOnce: hashesAtOnce, maxWaiting, timeout: waitLimit, ...pressure });
  }

  /**
   * Whether `password` is the one of `secret`; an empty one never is. `lane` is the key of the
   * queue (fairqueue.ts). Rejects with FstreamError `busy` if too many hashes are asked for, `internal` if one can't be
   * computed; a malformed hash is only wrong.
   */
  async matches(secret: Secret, password: string, lane: string): Promise<boolean> {
    if (password === "") return false;
    if (secret.kind === "plain") return this.#equals(secret.password, password);
    if (!isPasswordHash(secret.hash)) return false;
    return await this.#queue.run(lane, () => verify(password, secret.hash));
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
