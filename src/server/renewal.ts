// The certificate that TLS listeners show, renewed while they run: it is read again when asked for (SIGHUP), and when its
// files have changed. Each connection gets the pair that there is when it comes, so that those that are open stay as they are.
//
//   - What can't be used is refused, with the reason in the log, and the pair before it stays: a mismatch, a file that can't be read
//     or is half-written, a certificate that has expired or is not valid yet.
//   - Files are looked at by stat(2), behind symbolic links: this also sees links that are swapped (certbot, a Kubernetes volume)
//     and network file systems, which a watch of the file does not.
//   - They are read once two looks have found them the same: who writes them may write one after the other.

import { type BigIntStats, promises } from "node:fs";
import { FstreamError, systemReason } from "../errors.ts";
import { dateOf, type KeyPair, validityProblem } from "../keypair.ts";
import type { Log } from "../log.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { CertificateSource } from "./certificate.ts";

/** How often the files are looked at, milliseconds. */
const lookEveryMs = 2000;

export class Renewal {
  readonly #source: CertificateSource;
  readonly #log: Log;
  readonly #clock: Pick<Clock, "after">;
  readonly #wallMs: () => number;
  #pair: KeyPair;
  /** What the files were like when they were last read, and when they were last looked at. */
  #read: string;
  #seen: string;
  /** A pair that was refused because it is not valid yet will be, from then on. Milliseconds since 1970. */
  #validFromMs = Number.POSITIVE_INFINITY;
  #refused = false;
  #expiryLogged = false;
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #stopped = false;

  /**
   * Reads the pair, and looks at its files every two seconds from then on. Rejects with FstreamError `failed` if it can't be
   * used; one that is not valid now is only warned of, as there is no other. `wallMs` gives the time since 1970.
   */
  static async begin(
    source: CertificateSource,
    clock: Pick<Clock, "after">,
    log: Log,
    wallMs = Date.now,
  ): Promise<Renewal> {
    const read = await stateOf(source.files);
    const renewal = new Renewal(source, await source.read(), read, { clock, log, wallMs });
    const problem = validityProblem(renewal.pair, wallMs());
    if (problem !== undefined) renewal.#warnOfExpiry(problem);
    renewal.#lookLater();
    return renewal;
  }

  private constructor(
    source: CertificateSource,
    pair: KeyPair,
    read: string,
    { clock, log, wallMs }: { clock: Pick<Clock, "after">; log: Log; wallMs: () => number },
  ) {
    this.#source = source;
    this.#pair = pair;
    this.#read = read;
    this.#seen = read;
    this.#clock = clock;
    this.#log = log;
    this.#wallMs = wallMs;
  }

  /** What a connection that comes now is to be shown. */
  get pair(): KeyPair {
    return this.#pair;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Reads the files now, and says in the log what came of it. */
  read(): Promise<void> {
    return this.#inTurn(async () => this.#take(await stateOf(this.#source.files), true));
  }

  /** Looks at the files once: reads them if they have changed and are no longer changing. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#look());
  }

  /** What is read first must not take the place of what is read after it. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#source.files);
    const isSettled = state === this.#seen;
    this.#seen = state;
    const isDue = state !== this.#read || this.#wallMs() >= this.#validFromMs;
    if (isSettled && isDue) await this.#take(state, false);
    const problem = validityProblem(this.#pair, this.#wallMs());
    if (problem !== undefined) this.#warnOfExpiry(problem);
  }

  async #take(state: string, isAsked: boolean): Promise<void> {
    let pair: KeyPair;
    this.#read = state;
    this.#validFromMs = Number.POSITIVE_INFINITY;
    try {
      pair = await this.#source.read();
      this.#refuseInvalid(pair);
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      // Files that changed while they were read are looked at again; of what was between the two nothing needs to be said.
      if (!isAsked && (await stateOf(this.#source.files)) !== state) return;
      this.#refused = true;
      this.#log.warn(`new certificate rejected, keeping the previous one: ${error.message}`);
      return;
    }
    const isSame = pair.cert === this.#pair.cert && pair.key === this.#pair.key;
    if (isSame && (isAsked || this.#refused)) this.#log.info("the certificate is unchanged");
    this.#refused = false;
    if (isSame) return;
    this.#pair = pair;
    this.#expiryLogged = false;
    this.#log.info(
      `new certificate in use, valid until ${dateOf(pair.validToMs)}, fingerprint ${pair.fingerprint}`,
    );
  }

  #refuseInvalid(pair: KeyPair): void {
    const nowMs = this.#wallMs();
    const problem = validityProblem(pair, nowMs);
    if (problem === undefined) return;
    if (nowMs < pair.validFromMs) this.#validFromMs = pair.validFromMs;
    throw new FstreamError("failed", problem);
  }

  #warnOfExpiry(problem: string): void {
    if (!this.#expiryLogged) this.#log.warn(`clients will not accept the certificate: ${problem}`);
    this.#expiryLogged = true;
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.after(lookEveryMs, () => {
      this.look()
        .catch((error: unknown) =>
          this.#log.repeated("failed", (error as Error).stack ?? String(error), "error"),
        )
        .finally(() => this.#lookLater());
    });
  }
}

/** What files are like: equal texts mean that none of them has changed. */
async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(
    files.map((file) =>
      promises.stat(file, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats) => [dev, ino, size, mtimeNs, ctimeNs].join(" "),
        (error: unknown) => systemReason(error) ?? String(error),
      ),
    ),
  );
  return states.join("\n");
}
