// How the streams of watchers ended, for those that ask (protocol/README.md, "end"). A watcher that asked for replies has
// an id, and so can learn on another connection whether it got everything: neither a FIN nor TLS, as far as Bun shows it,
// tells a stream that is over from one that was cut on its way, or whose server was killed.
//
// Only ends that the server brought about are kept, for `keptMs` at the most. They are bounded in number, and for each
// network, so that a peer with many pushes out its own alone; the oldest go first.

import { FstreamError, isWireCode } from "../errors.ts";
import type { End } from "../relay/broadcast.ts";
import type { Clock } from "../relay/clock.ts";

/** 128 bits: an id can't be guessed. */
const idBytes = 16;
/** A client can't see the end before its own reader has taken what came before it, which may be slow. Milliseconds. */
const keptMs = 10 * 60_000;
/** A client that asks does so as soon as it sees the end. One that has not asked by then will not. Milliseconds. */
const promptMs = 1000;

export interface EndRecordsOptions {
  /** Ends kept at a time. */
  readonly max: number;
  /** Ends kept at a time of the watchers of one network. */
  readonly maxPerNetwork: number;
  /** The network that an address counts for; undefined where it is exempt from the bound for each. */
  readonly networkOf: (address: string) => string | undefined;
  /** That many random bytes; fit for secrets. */
  readonly random: (bytes: number) => Uint8Array;
}

/** How much a watcher got, and why that was all. */
export interface Ended {
  /** Bytes written to it after its `ok`: headers and patches count. */
  readonly bytes: number;
  /** Bytes of the stream that it was skipped over. */
  readonly skipped: number;
  readonly end: End;
}

interface Kept extends Ended {
  readonly network: string | undefined;
  readonly atMs: number;
  asked: boolean;
}

export class EndRecords {
  readonly #options: EndRecordsOptions;
  readonly #clock: Clock;
  /** The one that ended first is first. */
  readonly #kept = new Map<string, Kept>();
  readonly #byNetwork = new Map<string, Set<string>>();
  /** While the server stops: those that have yet to ask. */
  readonly #awaited = new Set<string>();
  #whenAsked: (() => void) | undefined;

  constructor(options: EndRecordsOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** An id for a watcher that begins. */
  newId(): string {
    return Buffer.from(this.#options.random(idBytes)).toString("hex");
  }

  /** The stream of the watcher with this id, at this address, is over. */
  keep(id: string, address: string, ended: Ended): void {
    this.#forgetOld();
    const network = this.#options.networkOf(address);
    this.#kept.set(id, { ...ended, network, atMs: this.#clock.nowMs(), asked: false });
    if (network !== undefined) {
      const ofNetwork = this.#byNetwork.get(network) ?? new Set();
      this.#byNetwork.set(network, ofNetwork.add(id));
      if (ofNetwork.size > this.#options.maxPerNetwork) this.#forget(ofNetwork.values().next().value);
    }
    if (this.#kept.size > this.#options.max) this.#forget(this.#kept.keys().next().value);
  }

  /**
   * The fields of the answer to a question with this id. Throws `not_live` if there is no such end: none was given that
   * id, it was long ago, or as the server sees it the stream still flows.
   */
  ask(id: string): [key: string, value: string][] {
    this.#forgetOld();
    const kept = this.#kept.get(id);
    if (kept === undefined) {
      throw new FstreamError("not_live", "no stream with this id has ended recently");
    }
    kept.asked = true;
    if (this.#awaited.delete(id) && this.#awaited.size === 0) this.#whenAsked?.();
    return [
      ["bytes", String(kept.bytes)],
      ["skipped", String(kept.skipped)],
      ["reason", reasonOf(kept.end)],
    ];
  }

  /**
   * Resolves once every watcher whose stream has just ended has asked, or has had the time for it: for a server that stops.
   */
  async asked(): Promise<void> {
    const sinceMs = this.#clock.nowMs() - promptMs;
    for (const [id, { asked, atMs }] of this.#kept) {
      if (!asked && atMs > sinceMs) this.#awaited.add(id);
    }
    if (this.#awaited.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenAsked = resolve;
    const timer = this.#clock.after(promptMs, resolve);
    await promise;
    timer.cancel();
  }

  #forgetOld(): void {
    const sinceMs = this.#clock.nowMs() - keptMs;
    for (const [id, { atMs }] of this.#kept) {
      if (atMs > sinceMs) break;
      this.#forget(id);
    }
  }

  #forget(id: string | undefined): void {
    const kept = id === undefined ? undefined : this.#kept.get(id);
    if (id === undefined || kept === undefined) return;
    this.#kept.delete(id);
    if (kept.network === undefined) return;
    const ofNetwork = this.#byNetwork.get(kept.network);
    ofNetwork?.delete(id);
    if (ofNetwork?.size === 0) this.#byNetwork.delete(kept.network);
  }
}

/** `ended` for an orderly end, else a code; a broadcaster that is gone has none of its own. */
function reasonOf(end: End): string {
  if (end.type === "orderly") return "ended";
  return isWireCode(end.error.code) ? end.error.code : "not_live";
}
