// Slows down guessing at passwords, of users and of channels, and nothing else. Each network (an IPv4 address, an IPv6 /64,
// and with higher limits the /56 and the /48 around it) may fail a few times for free; a failure beyond that is a debt,
// and every attempt from there is answered after a delay that doubles with the debt. Time alone pays it back: a right
// password does not, or an account would be a licence to guess at others.
//
// An attempt counts as a failure until it has succeeded, so that guessing in parallel gains nothing. Where only attempts
// that are under way are in the way, and not failures, one that succeeds lets the next go on at once: a network without
// failures waits for nothing but its own attempts.
//
// What is guessed at (a user, a channel) counts its failures too, from wherever they come: while there are many, a network
// has none there for free. Its first attempt is never delayed, so that guessing elsewhere locks no user out.

import { FstreamError } from "../errors.ts";
import { type Authenticator, loginOf } from "./authenticator.ts";
import { type Allowance, Failures } from "./failures.ts";
import { networksOf } from "./network.ts";
import { Reputations, remember } from "./reputation.ts";

export interface ThrottleOptions {
  /** A clock that only goes forward. */
  readonly nowMs: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Networks of each width remembered at a time, and subjects; beyond it the one that failed longest ago is forgotten. */
  readonly maxRemembered?: number;
}

/** The first delay, and the longest, milliseconds. */
const firstDelayMs = 250;
const longestDelayMs = 5000;
/** More failures beyond the free ones than that would only take longer to pay back. */
const mostDebt = 1 + Math.ceil(Math.log2(longestDelayMs / firstDelayMs));

interface NetworkAllowance extends Allowance {
  /** Attempts that may be in their delay at once when there are more failures than that: what parallel guessing gains. */
  readonly maxDelayed: number;
  /** Attempts that may wait for others under way. */
  readonly maxWaiting: number;
}

/**
 * For the networks of an address, the narrowest first. One network alone can't use up what the one around it has: it adds to
 * that only what it remembers itself.
 */
const allowances: readonly NetworkAllowance[] = [
  { mostDebt, free: 10, forgetMs: 10_000, maxDelayed: 16, maxWaiting: 64 },
  { mostDebt, free: 40, forgetMs: 2500, maxDelayed: 32, maxWaiting: 128 },
  { mostDebt, free: 160, forgetMs: 625, maxDelayed: 64, maxWaiting: 256 },
];
/** For a subject: beyond these failures no network has any there for free. */
const subjectAllowance: Allowance = { mostDebt, free: 100, forgetMs: 1000 };
/** Attempts that wait, of all networks together. */
const maxWaitingInAll = 4096;

/** What is known of one network. */
interface Tally {
  readonly network: string;
  readonly failures: Failures;
  /** Attempts that are looked at. */
  running: number;
  /** Attempts that are to be looked at after their delay, or when there is room before. */
  readonly waiting: Set<Attempt>;
}

interface Attempt {
  readonly address: string;
  readonly subject: string;
  /** Of its networks, in the order of `allowances`. */
  readonly tallies: readonly Tally[];
  /** Ends its wait. */
  start?: () => void;
  /** Ends its wait, without a look at it. */
  drop?: (error: FstreamError) => void;
}

export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #maxRemembered: number;
  /** For each width of networks those that have failed or have attempts under way; the one that failed last is last. */
  readonly #networks = allowances.map(() => new Map<string, Tally>());
  readonly #subjects = new Map<string, Failures>();
  readonly #reputations: Reputations;
  #waiting = 0;

  constructor(options: ThrottleOptions) {
    this.#options = options;
    this.#maxRemembered = options.maxRemembered ?? 10_000;
    this.#reputations = new Reputations(options.nowMs, this.#maxRemembered);
  }

  /**
   * What `work` gives, which is an attempt from `address` at `subject`: begun after a delay if there is a debt. It has failed
   * if it ends with FstreamError `unauthorized` or `forbidden`. Rejects with `limit` or `busy` if too many wait.
   */
  run<T>(address: string, subject: string, work: () => T | Promise<T>): Promise<T> {
    return this.#run(address, subject, work, true);
  }

  /** The same for what is no guess at anything: it counts while it is under way, and is no failure, whatever comes of it. */
  share<T>(address: string, work: () => T | Promise<T>): Promise<T> {
    return this.#run(address, "", work, false);
  }

  async #run<T>(address: string, subject: string, work: () => T | Promise<T>, isGuess: boolean): Promise<T> {
    const attempt = { address, subject, tallies: this.#talliesOf(address) };
    if (this.#mayStart(attempt)) for (const tally of attempt.tallies) tally.running++;
    else await this.#wait(attempt);
    let failed = false;
    try {
      const result = work();
      // What is known at once is counted at once.
      const value = result instanceof Promise ? await result : result;
      if (isGuess) this.#reputations.succeeded(address);
      return value;
    } catch (error) {
      failed = isGuess && isFailure(error);
      throw error;
    } finally {
      this.#end(attempt, failed);
    }
  }

  /** An attempt that has failed without a `run`. */
  failed(address: string, subject: string): void {
    const attempt = { address, subject, tallies: this.#talliesOf(address) };
    this.#count(attempt);
    this.#forgetIdle(attempt.tallies);
  }

  /**
   * Tells how much the networks of `address` have under way and have failed at, for as long as it has attempts under way. For
   * its only attempt that is 1, or 0 if it is known, or 2 if it is doubtful (reputation.ts); more for others.
   */
  pressureOf(address: string): () => number {
    const tallies = this.#talliesOf(address);
    const reputation = this.#reputations.of(address);
    return () => {
      const nowMs = this.#options.nowMs();
      const each = tallies.map(
        (tally, width) => (debtOf(tally, nowMs) * allowances[0].free) / allowances[width].free,
      );
      const pressure = Math.max(...each);
      if (reputation === "doubtful") return Math.max(2, pressure);
      return reputation === "known" && pressure <= 1 ? 0 : pressure;
    };
  }

  #talliesOf(address: string): Tally[] {
    const nowMs = this.#options.nowMs();
    return networksOf(address).map((network, width) => {
      const known = this.#networks[width].get(network);
      if (known !== undefined) return known;
      const failures = new Failures(allowances[width], nowMs);
      const tally: Tally = { network, failures, running: 0, waiting: new Set() };
      this.#networks[width].set(network, tally);
      return tally;
    });
  }

  /** What an attempt's network of that width may fail at for free. */
  #freeOf({ subject }: Attempt, width: number, nowMs: number): number {
    const { free } = allowances[width];
    if (width > 0) return free;
    return (this.#subjects.get(subject)?.count(nowMs) ?? 0) > subjectAllowance.free ? 0 : free;
  }

  #mayStart(attempt: Attempt): boolean {
    const nowMs = this.#options.nowMs();
    return attempt.tallies.every(
      ({ failures, running }, width) =>
        failures.count(nowMs) + running <= this.#freeOf(attempt, width, nowMs),
    );
  }

  async #wait(attempt: Attempt): Promise<void> {
    const nowMs = this.#options.nowMs();
    let debt = 0;
    for (const [width, tally] of attempt.tallies.entries()) {
      const free = this.#freeOf(attempt, width, nowMs);
      debt = Math.max(debt, debtOf(tally, nowMs) - free);
      const indebted = tally.failures.count(nowMs) > free;
      const { maxDelayed, maxWaiting } = allowances[width];
      if (tally.waiting.size < (indebted ? maxDelayed : maxWaiting)) continue;
      this.#forgetIdle(attempt.tallies);
      if (indebted) throw tooManyWrong();
      throw new FstreamError("busy", "too many logins at once from this address");
    }
    if (this.#waiting >= maxWaitingInAll) {
      this.#forgetIdle(attempt.tallies);
      throw new FstreamError("busy", "too many logins at once");
    }
    this.#waiting++;
    for (const { waiting } of attempt.tallies) waiting.add(attempt);
    await new Promise<void>((resolve, reject) => {
      const over = () => {
        delete attempt.start;
        delete attempt.drop;
        this.#waiting--;
        for (const { waiting } of attempt.tallies) waiting.delete(attempt);
      };
      attempt.start = () => {
        if (attempt.start === undefined) return;
        over();
        for (const tally of attempt.tallies) tally.running++;
        resolve();
      };
      attempt.drop = (error) => {
        over();
        this.#forgetIdle(attempt.tallies);
        reject(error);
      };
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (debt - 1));
      void this.#options.sleep(delayMs).then(attempt.start);
    });
  }

  #end(attempt: Attempt, failed: boolean): void {
    for (const tally of attempt.tallies) tally.running--;
    if (failed) {
      this.#count(attempt);
      this.#dropTooMany(attempt.tallies);
    }
    for (const { waiting } of attempt.tallies)
      for (const next of waiting) if (this.#mayStart(next)) next.start?.();
    this.#forgetIdle(attempt.tallies);
  }

  /** Of a network that has come to have failures too many, no more wait than would have been let in now: the newest go. */
  #dropTooMany(tallies: readonly Tally[]): void {
    const nowMs = this.#options.nowMs();
    for (const [width, { failures, waiting }] of tallies.entries()) {
      const { free, maxDelayed } = allowances[width];
      if (failures.count(nowMs) <= free) continue;
      for (const surplus of [...waiting].slice(maxDelayed)) surplus.drop?.(tooManyWrong());
    }
  }

  #count({ address, subject, tallies }: Attempt): void {
    const nowMs = this.#options.nowMs();
    this.#reputations.failed(address);
    const failures = this.#subjects.get(subject) ?? new Failures(subjectAllowance, nowMs);
    failures.add(nowMs);
    remember(this.#subjects, subject, failures, this.#maxRemembered);
    for (const [width, tally] of tallies.entries()) {
      const added = tally.failures.add(nowMs);
      remember(this.#networks[width], tally.network, tally, this.#maxRemembered);
      if (!added) break;
    }
  }

  #forgetIdle(tallies: readonly Tally[]): void {
    const nowMs = this.#options.nowMs();
    for (const [width, tally] of tallies.entries())
      if (debtOf(tally, nowMs) === 0 && this.#networks[width].get(tally.network) === tally)
        this.#networks[width].delete(tally.network);
  }
}

function tooManyWrong(): FstreamError {
  return new FstreamError("limit", "too many wrong passwords from this address");
}

/** Failures, and attempts that may yet be some. */
function debtOf({ failures, running, waiting }: Tally, nowMs: number): number {
  return failures.count(nowMs) + running + waiting.size;
}

function isFailure(error: unknown): boolean {
  return error instanceof FstreamError && (error.code === "unauthorized" || error.code === "forbidden");
}

/**
 * `inner`, with logins as attempts at their users. One that brings nothing is no guess; where it need not be a password there may be a
 * secret in the query.
 */
export function throttled(inner: Authenticator, throttle: Throttle): Authenticator {
  return {
    get needsPassword() {
      return inner.needsPassword;
    },
    authenticate: (request) => {
      const { password, query } = request;
      if (password === undefined && inner.needsPassword) return inner.authenticate(request);
      if (password === undefined && query === undefined)
        return throttle.share(request.address, () => inner.authenticate(request));
      return throttle.run(request.address, loginOf(request) ?? "", () => inner.authenticate(request));
    },
    revocation: async (user, channel) => await inner.revocation?.(user, channel),
    reload: async () => await inner.reload?.(),
    stop: () => inner.stop?.(),
  };
}
