// The next step after a refusal: the server's error, with a hint where one is known. The server does not know our flags; this
// is the place that does.

import { type Code, FstreamError } from "../errors.ts";
import type { Request } from "../protocol/request.ts";

type Verb = Request["intent"];

/** `host` is the server's, as in an address. */
type Hint = (verb: Verb, host: string) => string;

const newToken = "get a new token: each works once and expires soon";

const lowerBitrate =
  "lower the encoder's bit rate (ffmpeg: -b:v, -maxrate and -bufsize); a file needs ffmpeg -re";

const later: Hint = (verb) => (verb === "token" ? "try again later" : "try again later, or use --retry");

const hints: Partial<Record<Code, Hint>> = {
  forbidden: (verb, host) =>
    verb === "token"
      ? `use https://${host}:61921 (the usual port); a proxy that has TLS must be in the server's trusted_proxies`
      : verb === "watch"
        ? "give the channel's password with --channel-password-file, --channel-password or fserv_arg_channel_password"
        : "try another --channel",
  replaced: () => "a channel takes one broadcast at a time: use another --channel for the second",
  not_live: () => "use --wait to wait for it",
  slow: later,
  busy: later,
  limit: later,
  shutting_down: later,
};

/** Where there is no next step, whatever the code. */
const final = /operator has ended the broadcast/;

const checkLogin: Hint = (verb) =>
  verb === "watch"
    ? "check --watcher and --watcher-password-file (fserv_arg_watcher and fserv_arg_watcher_password)"
    : "check --user and --user-password (fserv_arg_user and fserv_arg_user_password)";

/** Which limit it was, in the same way as below. */
const limitHints: readonly (readonly [RegExp, Hint])[] = [
  [/bit ?rate|bits? (a|per) second|bits?\/s/, () => lowerBitrate],
];

/** What exactly was `unauthorized` only our server's message tells. One that an authenticator gives says itself what to do. */
const unauthorizedHints: readonly (readonly [RegExp, Hint])[] = [
  [/wrong user or password|password.* missing|^the server answered with/, checkLogin],
  [/wrong user or token/, () => `check --user, or ${newToken}`],
  [/^(the )?token /, () => newToken],
  [/^watchers must log in /, () => "give --watcher NAME and --watcher-password-file FILE"],
  [/ may not watch /, () => "try another --watcher"],
  [/^the login has expired/, () => "logins are valid for a limited time; log in again"],
  [
    /on a plain connection/,
    (verb, host) =>
      verb === "broadcast"
        ? `use --token-from https://${host}:61921, or the address fstreams://${host}:61922 (the usual ports)`
        : `use the address ${verb === "watch" ? "" : `https://${host}:61921 or `}fstreams://${host}:61922 (the usual ports)`,
  ],
];

/** Of a token that was fetched for the broadcast (`--token-from`): no password was sent here. */
const fetchedToken: Hint = () =>
  "another encoder may be fetching tokens for this user, or --token-from points to another server";

/** `error` from the server at `place`, with a hint for the user of `verb`, whose token may have been fetched for it. */
export function withHint(
  error: FstreamError,
  verb: Verb,
  place: string,
  usesFetchedToken = false,
): FstreamError {
  const specific =
    error.code === "unauthorized"
      ? unauthorizedHint(error, usesFetchedToken)
      : error.code === "limit"
        ? hintFor(error, limitHints)
        : undefined;
  const hint = (specific ?? hints[error.code])?.(verb, place.replace(/:\d+$/, ""));
  if (hint === undefined || error.hint !== undefined || final.test(error.message)) return error;
  return new FstreamError(error.code, error.message, { hint, cause: error.cause });
}

function unauthorizedHint(error: FstreamError, usesFetchedToken: boolean): Hint | undefined {
  return usesFetchedToken ? fetchedToken : hintFor(error, unauthorizedHints);
}

function hintFor({ message }: FstreamError, hints: readonly (readonly [RegExp, Hint])[]): Hint | undefined {
  return hints.find(([words]) => words.test(message))?.[1];
}
