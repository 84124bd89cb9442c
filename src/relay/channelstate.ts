// Where a channel stands. channel.ts draws how one state leads to another.

import type { Broadcast, End } from "./broadcast.ts";
import type { Beginning } from "./counters.ts";

export type ChannelState =
  | { readonly type: "awaited" }
  | { readonly type: "live"; readonly broadcast: Broadcast }
  /** The broadcaster is gone and may come back until `untilMs`; else it ends as `end` says. */
  | { readonly type: "held"; readonly broadcast: Broadcast; readonly untilMs: number; readonly end: End }
  | { readonly type: "ended"; readonly broadcast: Broadcast | undefined; readonly end: End };

/** What a broadcast is, by the state in which it finds its channel. */
export const beginnings: Readonly<Record<ChannelState["type"], Beginning>> = {
  awaited: "new",
  ended: "new",
  held: "return",
  live: "takeover",
};
