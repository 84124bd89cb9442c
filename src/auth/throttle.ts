// Slows down whoever guesses passwords, and nobody else. Each network (an IPv4 address, an IPv6 /64) may fail
// a few times for free; a failure beyond that is a debt, and every attempt from there is answered after a delay
// that doubles with the debt. Time alone pays it back: a right login does not, or somebody with one account
// could guess at the others' for ever.
//
// Each attempt waits on a timer of its own. There is no queue: nobody waits for anybody else's delay.

import { FstreamError } from "../errors.ts";
import type { Authenticator, Grant, Login } from "./authenticator.ts";
import { networkOf } from "./network.ts";

export interface ThrottleOptions {
  /** A clock that only goes forward. */
  readonly nowMs: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Failures before there is any delay. */
  readonly free?: number;
  /** After how long one failure is forgotten, milliseconds. */
  readonly forgetMs?: number;
  /** The first delay, and the longest, milliseconds. */
  readonly firstDelayMs?: number;
  readonly longestDelayMs?: number;
  /** Attempts from one network that may be in their delay at once: what parallel guessing gains. */
  readonly maxDelayed?: number;
  /** Networks remembered at a time; beyond it the one that failed longest ago is forgotten. */
  readonly maxNetworks?: number;
}

interface Failures {
  /** How many failures are remembered, as of `sinceMs`. */
  count: number;
  sinceMs: number;
  delayed: number;
}

/** `inner`, with failed logins slowed down. Rejects with `limit` if too many attempts wait already. */
export function throttled(inner: Authenticator, options: ThrottleOptions): Authenticator {
  const { nowMs, sleep } = options;
  const { free = 10, forgetMs = 10_000, maxDelayed = 16, maxNetworks = 10_000 } = options;
  const { firstDelayMs = 250, longestDelayMs = 5000 } = options;
  const most = free + 1 + Math.ceil(Math.log2(longestDelayMs / firstDelayMs)); // more would only take longer to pay
  const networks = new Map<string, Failures>(); // the one that failed last is last

  const current = (network: string): Failures | undefined => {
    const failures = networks.get(network);
    if (failures === undefined) return undefined;
    const forgotten = Math.floor((nowMs() - failures.sinceMs) / forgetMs);
    failures.count = Math.max(0, failures.count - forgotten);
    failures.sinceMs += forgotten * forgetMs;
    if (failures.count > 0 || failures.delayed > 0) return failures;
    networks.delete(network);
    return undefined;
  };

  const delay = async (network: string) => {
    const failures = current(network);
    if (failures === undefined || failures.count <= free) return;
    if (failures.delayed >= maxDelayed)
      throw new FstreamError("limit", "too many failed logins from this address");
    failures.delayed++;
    try {
      await sleep(Math.min(longestDelayMs, firstDelayMs * 2 ** (failures.count - free - 1)));
    } finally {
      failures.delayed--;
    }
  };

  const failed = (network: string) => {
    const failures = current(network) ?? { count: 0, sinceMs: nowMs(), delayed: 0 };
    failures.count = Math.min(most, failures.count + 1);
    networks.delete(network);
    networks.set(network, failures);
    for (const oldest of networks.keys()) {
      if (networks.size <= maxNetworks) break;
      networks.delete(oldest);
    }
  };

  const authenticate = async (login: Login): Promise<Grant> => {
    const network = networkOf(login.address);
    await delay(network);
    try {
      return await inner.authenticate(login);
    } catch (error) {
      if (error instanceof FstreamError && error.code === "unauthorized") failed(network);
      throw error;
    }
  };
  return { authenticate };
}
