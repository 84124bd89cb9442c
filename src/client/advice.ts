// The next step for somebody whom the server refused: what it said, with a hint where one is known. The server
// does not know our flags; this is the place that does.

import { type Code, FstreamError } from "../errors.ts";
import type { Request } from "../protocol/request.ts";

type Verb = Request["intent"];

type Hint = (verb: Verb) => string;

const later: Hint = (verb) =>
  verb === "token" ? "try again later" : "try again later, or let --retry do it";

const hints: Partial<Record<Code, Hint>> = {
  unauthorized: (verb) =>
    `check --user and --user-password (or the variables fserv_arg_user and fserv_arg_user_password)${
      verb === "broadcast" ? "; a token serves once, and not for long" : ""
    }`,
  forbidden: (verb) =>
    verb === "watch"
      ? "a channel's password is given with --channel-password or fserv_arg_channel_password"
      : "another --channel may be allowed",
  replaced: () => "another broadcast of the same user and channel has taken its place",
  not_live: () => "--wait waits until it is",
  slow: later,
  busy: later,
  limit: later,
  shutting_down: later,
};

/** `error` from the server, with a hint for who called `verb`. */
export function advised(error: FstreamError, verb: Verb): FstreamError {
  const hint = hints[error.code]?.(verb);
  if (hint === undefined || error.hint !== undefined) return error;
  return new FstreamError(error.code, error.message, { hint, cause: error.cause });
}
