// In which situation a player is, and what it says of it.

import type { StreamInfo } from "./feed.ts";

export type State =
  | { readonly type: "connecting" | "playing" | "interrupted" | "ended" | "unreachable" | "asleep" }
  | { readonly type: "not_live" }
  | { readonly type: "password"; readonly isWrong: boolean }
  /** `reason`: why the login before would not do. */
  | { readonly type: "login"; readonly reason: string | undefined }
  | { readonly type: "refused"; readonly message: string }
  | { readonly type: "unplayable"; readonly codec: string | undefined; readonly container: string };

export interface PlaybackListener {
  changed(state: State): void;
  /** The stream begins: what it is. The last picture of the one before is still there. */
  begins(info: StreamInfo): void;
  /** Whether there is sound in it. */
  hasSound(yes: boolean): void;
  /** The browser plays only without sound (`muted`), or nothing before somebody has touched the page (`blocked`). */
  restricted(how: "muted" | "blocked"): void;
}
