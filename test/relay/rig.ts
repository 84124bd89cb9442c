// A relay with a clock that stands still, and broadcasters and watchers in one line each.

import type { FstreamError } from "../../src/errors.ts";
import type { Attendance } from "../../src/relay/attendance.ts";
import type { End } from "../../src/relay/broadcast.ts";
import { Relay, type RelayOptions } from "../../src/relay/relay.ts";
import type { WatcherOptions } from "../../src/relay/watcher.ts";
import { defaults } from "../settings/defaults.ts";
import { FakeClock } from "./clock.ts";
import { FakeOutlet } from "./outlet.ts";
import { FakeBatch } from "./sendbatch.ts";

export const orderly: End = { type: "orderly" };

export const options: RelayOptions = {
  ...defaults.fstream,
  // 17 segments of 4 KiB.
  backlogBytes: 65_536,
  maxBacklogTotalBytes: 16 * 65_536,
  maxLagMs: 0,
};

/** The most that a ring of these options holds. */
export const ringBytes = 17 * 4096;

/** A broadcaster that sends what the test has it send. */
export class Sender {
  readonly channelPassword: string;
  readonly bufsize: number;
  dismissal: FstreamError | undefined;
  readonly #handle;

  constructor(relay: Relay, user: string, channel: string, bufsize: number, channelPassword: string) {
    this.bufsize = bufsize;
    this.channelPassword = channelPassword;
    this.#handle = relay.broadcast(user, channel, this);
  }

  send(bytes: Uint8Array): void {
    this.#handle.append(bytes);
  }

  /** Has the ring filled with `bytes`, without an append. */
  pour(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      at += this.#handle.fill((into, offset, length) => {
        const piece = bytes.subarray(at, at + length);
        into.set(piece, offset);
        return piece.length;
      });
    }
  }

  /** Ends in order. */
  finish(): void {
    this.#handle.end(orderly);
  }

  /** Ends as a reset connection does. */
  break(error: FstreamError): void {
    this.#handle.end({ type: "aborted", error });
  }

  dismissed(error: FstreamError): void {
    if (this.dismissal !== undefined) throw new Error("dismissed twice");
    this.dismissal = error;
  }
}

export class Rig {
  readonly clock = new FakeClock();
  readonly relay: Relay;
  /** Sends to watchers that are `isBatched`. */
  readonly batch = new FakeBatch();
  /** Bytes of each skip that was reported, and of each backlog that would do. */
  readonly skipped: number[] = [];
  readonly short: number[] = [];
  /** The container of each broadcast that was recognised. */
  readonly recognised: string[] = [];
  /** What was reported of watchers that came and went, and how often that there was no join point for long. */
  readonly attended: Attendance[] = [];
  joinless = 0;
  /** Why streams were not followed any longer, and the bugs that were reported. */
  readonly opaque: string[] = [];
  readonly failures: unknown[] = [];

  constructor(changes: Partial<RelayOptions> = {}) {
    this.relay = new Relay({ ...options, ...changes }, this.clock, (a, b) => a === b, {
      closed: () => {},
      attended: (_channel, attendance) => this.attended.push(attendance),
      joinless: () => this.joinless++,
      recognised: (channel) => this.recognised.push(channel.info?.container ?? ""),
      skipped: (_channel, bytes) => this.skipped.push(bytes),
      backlogShort: (_channel, neededBytes) => this.short.push(neededBytes),
      opaque: (_channel, reason) => this.opaque.push(reason),
      failed: (_channel, error) => this.failures.push(error),
    });
    this.relay.sendBatch = () => this.batch;
  }

  broadcast(what: { user?: string; channel?: string; bufsize?: number; password?: string } = {}): Sender {
    const { user = "fier", channel = "default", bufsize = 0, password = "" } = what;
    return new Sender(this.relay, user, channel, bufsize, password);
  }

  /** A watcher with that much room; it is sent no greeting unless one is given. */
  watch(
    what: Partial<Omit<WatcherOptions, "greeter">> & {
      user?: string;
      channel?: string;
      room?: number;
      greeting?: string;
      onWrite?: (outlet: FakeOutlet) => void;
      /** Its socket can be sent to beside `write`. */
      isBatched?: boolean;
    } = {},
  ): FakeOutlet {
    const outlet = new FakeOutlet();
    if (what.isBatched === true) this.batch.open(outlet);
    if (what.onWrite !== undefined) outlet.onWrite = what.onWrite;
    outlet.room = what.room ?? Number.POSITIVE_INFINITY;
    outlet.watcher = this.relay.watch(what.user ?? "fier", what.channel ?? "default", outlet, {
      start: what.start ?? { type: "join" },
      password: what.password ?? "",
      slowPolicy: what.slowPolicy ?? "skip",
      waitMs: what.waitMs ?? 0,
      greeter: { greeting: () => new TextEncoder().encode(what.greeting ?? "") },
      awaitsDetection: what.awaitsDetection ?? false,
      allowance: what.allowance,
    });
    return outlet;
  }

  /** The code that something is refused with; undefined if it is not. */
  refusal(act: () => unknown): string | undefined {
    try {
      act();
    } catch (error) {
      return (error as FstreamError).code;
    }
    return undefined;
  }

  /** How many channels are live, held or awaited. */
  get channels(): number {
    return [...this.relay.channels].length;
  }
}
