// What earlier logins tell of a network: "known" after a recent right login, else "doubtful" after recent wrong ones, else
// "unknown". It decides which logins come first while they wait for each other (fairqueue.ts), and nothing else: none is refused or
// slowed down for it. So a flood of wrong logins from many networks, few from each, keeps out neither known networks nor, once
// each of its own has failed, unknown ones.

import { type Allowance, Failures } from "./failures.ts";
import { networksOf } from "./network.ts";

export type Reputation = "known" | "unknown" | "doubtful";

/** Longer than most broadcasts: their lines break, and they come back. Milliseconds. */
const knownMs = 24 * 3600 * 1000;
/** Wrong logins below these, which time pays back, leave a network unknown: the narrowest first, as of networksOf. */
const allowances: readonly Allowance[] = [
  { free: 1, mostDebt: 0, forgetMs: 600_000 },
  { free: 4, mostDebt: 12, forgetMs: 40_000 },
  { free: 16, mostDebt: 48, forgetMs: 10_000 },
];

export class Reputations {
  readonly #nowMs: () => number;
  readonly #maxRemembered: number;
  /** The time of the last right login; the latest is last. */
  readonly #known = new Map<string, number>();
  /** For each width of networks; the one that failed last is last. */
  readonly #failures = allowances.map(() => new Map<string, Failures>());

  /** A clock that only goes forward; the networks remembered at a time, of each kind and width. */
  constructor(nowMs: () => number, maxRemembered: number) {
    this.#nowMs = nowMs;
    this.#maxRemembered = maxRemembered;
  }

  /** Of an address, or of the network of one. */
  of(address: string): Reputation {
    const nowMs = this.#nowMs();
    const networks = networksOf(address);
    const knownSinceMs = this.#known.get(networks[0]);
    if (knownSinceMs !== undefined && nowMs - knownSinceMs < knownMs) return "known";
    const doubtful = networks.some(
      (network, width) => (this.#failures[width].get(network)?.count(nowMs) ?? 0) >= allowances[width].free,
    );
    return doubtful ? "doubtful" : "unknown";
  }

  succeeded(address: string): void {
    remember(this.#known, networksOf(address)[0], this.#nowMs(), this.#maxRemembered);
  }

  failed(address: string): void {
    const nowMs = this.#nowMs();
    for (const [width, network] of networksOf(address).entries()) {
      const among = this.#failures[width];
      const failures = among.get(network) ?? new Failures(allowances[width], nowMs);
      const added = failures.add(nowMs);
      remember(among, network, failures, this.#maxRemembered);
      // One network alone does not make the one around it doubtful.
      if (!added) break;
    }
  }
}

/** Puts an entry last, and forgets the first ones beyond `most`. */
export function remember<T>(among: Map<string, T>, key: string, value: T, most: number): void {
  among.delete(key);
  among.set(key, value);
  for (const oldest of among.keys()) {
    if (among.size <= most) break;
    among.delete(oldest);
  }
}
