// A refusal, logged and counted in the same form over TCP and HTTP.

import { networkOf } from "../auth/network.ts";
import { channelLabel, FstreamError, named, systemReason } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AccessCounters, Intent } from "./counters.ts";

/** What a peer has asked for. */
export interface Subject {
  readonly intent: Intent;
  /** Whose, where that is known. */
  readonly user?: string;
  /** With the user: on which channel, where that is known. */
  readonly channel?: string | undefined;
  /** Who watches, where a name was given. */
  readonly watcher?: string | undefined;
}

/** Reasons are told apart by so many characters: few enough that none is the peer's to choose. */
const reasonLength = 8;
/** Codes whose reasons have lines of their own. */
const reasoned: readonly string[] = ["unauthorized", "forbidden", "limit"];

/**
 * Logs and counts that a peer did not get what it asked for; repeated ones of a network are summed up in the log, each reason by
 * itself.
 */
export function reportRefusal(
  { log, access }: { readonly log: Log; readonly access: { readonly counters: AccessCounters } },
  subject: Subject,
  address: string,
  error: FstreamError,
): void {
  access.counters.refusals.add(`${subject.intent} ${error.code}`);
  const key = `${error.code} ${networkOf(address)} ${reasonKey(error)}`;
  const what = titleOf(subject);
  const fields = {
    ...(subject.user === undefined ? {} : { user: named(subject.user) }),
    ...(subject.user === undefined || subject.channel === undefined
      ? {}
      : { channel: channelLabel(subject.user, subject.channel) }),
    address,
    code: error.code,
  };
  if (error.code === "internal")
    log.repeated(key, `${what} from ${address}: ${detailOf(error)}`, "error", fields);
  else {
    const message = `${what} from ${address} refused: ${error.message} (${error.code})${behind(error)}`;
    const isNotLive = error.code === "not_live";
    // A watcher that has left asks in vain, as does a client that looks for a server at this port: nothing is wrong here.
    if (subject.intent === "end" && isNotLive) log.repeated(`end ${key}`, message, "debug", fields);
    // Players ask until it is live.
    else log.repeated(key, message, isNotLive ? "info" : "warn", fields);
  }
}

/** Which of the code's reasons it is. */
function reasonKey({ code, message }: FstreamError): string {
  return reasoned.includes(code) ? message.slice(0, reasonLength) : "";
}

/** What the peer does not get to know. */
function behind({ cause }: FstreamError): string {
  return cause instanceof FstreamError ? `: ${cause.message}` : "";
}

function titleOf({ intent, user, channel, watcher }: Subject): string {
  if (intent === "end") return "query about a stream's end";
  if (intent === "admin") return "API request";
  const whose =
    user === undefined || channel === undefined ? user && named(user) : channelLabel(user, channel);
  const what = whose === undefined ? intent : `${intent} of ${whose}`;
  return watcher === undefined ? what : `${what} by ${named(watcher)}`;
}

/** What failed and why, or where a bug is. */
function detailOf(error: FstreamError): string {
  const { cause, message } = error;
  const reason = cause instanceof FstreamError ? cause.message : systemReason(cause);
  if (reason !== undefined) return `${message}: ${reason}`;
  const { stack } = cause instanceof Error ? cause : error;
  return (stack ?? message).replaceAll(/\n\s*/g, " | ");
}
