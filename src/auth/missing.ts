// What is said to one that gives nothing to log in with.

import { FstreamError } from "../errors.ts";
import type { AuthRequest } from "./authtypes.ts";

/** The refusal of a request for `action` that comes without what it has to have. `cause`: for the log. */
export function loginMissing(action: AuthRequest["action"], cause: { cause?: Error } = {}): FstreamError {
  return new FstreamError(
    "unauthorized",
    action === "watch"
      ? "watchers must log in here: watcher or watcher_password is missing"
      : "user_password or token is missing",
    cause,
  );
}
