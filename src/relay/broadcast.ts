// One broadcast: what one broadcaster sends to one channel, from its first byte to its last.

import type { FstreamError } from "../errors.ts";
import type { Cuts } from "./cuts.ts";

/** How a stream ended: everything was sent, or it was cut short for a reason. */
export type End = { readonly type: "orderly" } | { readonly type: "cut"; readonly error: FstreamError };

/** Who broadcasts, as far as the relay cares. */
export interface Broadcaster {
  readonly channelPassword: string;
  /** Chunk size in bytes, 0: none. */
  readonly bufsize: number;
  /** It is not the channel's broadcaster any more, and must stop: `replaced`, `shutting_down`, or silent too long. */
  dismissed(error: FstreamError): void;
}

export interface Broadcast {
  readonly broadcaster: Broadcaster;
  /** The offset of its first byte in the channel's ring. */
  readonly start: number;
  readonly cuts: Cuts;
  /** The one that came after it; it ends where that starts. */
  next?: Broadcast;
}

/** Where a channel stands, for those who watch it. channel.ts draws how one leads to the other. */
export type Stage =
  | { readonly type: "awaited" }
  | { readonly type: "live"; readonly broadcast: Broadcast }
  /** The broadcaster is gone and may come back until `untilMs`; else it ends as `end` says. */
  | { readonly type: "held"; readonly broadcast: Broadcast; readonly untilMs: number; readonly end: End }
  | { readonly type: "ended"; readonly broadcast: Broadcast | undefined; readonly end: End };
