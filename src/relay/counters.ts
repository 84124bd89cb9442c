// What has happened in all channels of a relay since it began, for its operator. Only what is rare is
// counted here: bytes are counted where they pass (ingest.ts, audience.ts), for each channel, and are added to these
// when the channel is gone.

import type { Code } from "../errors.ts";
import type { End } from "./broadcast.ts";
import { Tally } from "./tally.ts";

/** Why a broadcast or a watcher's stream is over: `ended` in order, `left` by the watcher itself, or an error's code. */
export type EndReason = "ended" | "left" | Code;

/** How a broadcast begins: on a channel that has none, on one that is held, or in place of one that is on. */
export type Beginning = "new" | "return" | "takeover";

export class Counters {
  /** Watchers that have begun to get a stream. */
  joins = 0;
  skips = 0;
  skippedBytes = 0;
  readonly broadcasts = new Tally<Beginning>(["new", "return", "takeover"]);
  readonly broadcastEnds = new Tally<EndReason>(["ended", "disconnected", "replaced"]);
  /** Of watchers that had joined. */
  readonly watcherEnds = new Tally<EndReason>(["ended", "left", "slow"]);
  /** Of channels that are gone. */
  pastBytesIn = 0;
  pastBytesOut = 0;

  skipped(bytes: number): void {
    this.skips++;
    this.skippedBytes += bytes;
  }

  /** A channel is gone, with all of its watchers. */
  gone({ bytesIn, bytesOut }: { readonly bytesIn: number; readonly bytesOut: number }): void {
    this.pastBytesIn += bytesIn;
    this.pastBytesOut += bytesOut;
  }
}

export function reasonOfEnd(end: End): EndReason {
  return end.type === "orderly" ? "ended" : end.error.code;
}
