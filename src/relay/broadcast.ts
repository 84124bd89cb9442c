// One broadcast: what one broadcaster sends to one channel, from its first byte to its last.

import { FstreamError } from "../errors.ts";
import type { CutPoints } from "./cutpoints.ts";

/** How a stream ended: everything was sent, or it was aborted for a reason. */
export type End = { readonly type: "orderly" } | { readonly type: "aborted"; readonly error: FstreamError };

/** The end for a watcher that can't follow. */
export function slow(message: string): End {
  return { type: "aborted", error: new FstreamError("slow", message) };
}

/** The end for a watcher whose channel ended before there was anything for it. */
export function endedBeforeStart(end: End): End {
  if (end.type === "aborted" && end.error.code === "shutting_down") return end;
  const error = new FstreamError("not_live", "the broadcast ended before there was anything to play");
  return { type: "aborted", error };
}

/** A broadcaster, as far as the relay cares. */
export interface Broadcaster {
  readonly channelPassword: string;
  /** Chunk size in bytes, 0: none. */
  readonly bufsize: number;
  /** Its IP address; left out: not known. */
  readonly address?: string;
  /** It is not the channel's broadcaster any more, and must stop: `replaced`, `shutting_down`, silent too long, above its bit rate. */
  dismissed(error: FstreamError): void;
}

/** What a broadcast may have, in place of what the settings say; 0: no limit. */
export interface BroadcastLimits {
  /** Bits a second, on average. */
  readonly maxBitrate?: number | undefined;
  /** Watchers at once. */
  readonly maxWatchers?: number | undefined;
}

export interface Broadcast {
  readonly broadcaster: Broadcaster;
  /** The offset of its first byte in the channel's ring. */
  readonly start: number;
  readonly cutPoints: CutPoints;
  /** The offset behind its last byte, once another has begun; and that which its watchers go on with. */
  end?: number;
  next?: Broadcast;
  /** How many watchers have their cursor in it. */
  watchers: number;
}

/** A watcher that has not come to the end of its broadcast when so many more have begun is closed. */
const maxBroadcastsBehind = 8;

/** Whether so many broadcasts have begun since `broadcast` that what is kept of them for its watchers would add up. */
export function isFarBehind(broadcast: Broadcast | undefined): boolean {
  let behind = 0;
  for (let next = broadcast?.next; next !== undefined; next = next.next) behind++;
  return behind > maxBroadcastsBehind;
}

/**
 * Whether one that watched `from`, which is a container, has nothing to go on with in `broadcast`, which was over before it
 * was known what it is: an encoder may come and go many times before it stays.
 */
export function leadsNowhere(from: Broadcast | undefined, broadcast: Broadcast): boolean {
  const isFromContainer = from !== undefined && from !== broadcast && from.cutPoints.container !== "";
  return isFromContainer && broadcast.cutPoints.isUnknown;
}
