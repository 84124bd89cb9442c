// Where a channel stands. channel.ts draws how one state leads to another.

import type { Broadcast, End } from "./broadcast.ts";

export type ChannelState =
  | { readonly type: "awaited" }
  | { readonly type: "live"; readonly broadcast: Broadcast }
  /** The broadcaster is gone and may come back until `untilMs`; else it ends as `end` says. */
  | { readonly type: "held"; readonly broadcast: Broadcast; readonly untilMs: number; readonly end: End }
  | { readonly type: "ended"; readonly broadcast: Broadcast | undefined; readonly end: End };
