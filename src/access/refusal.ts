// A refusal in the log, in the same form over TCP and HTTP.

import { networkOf } from "../auth/network.ts";
import { type FstreamError, systemReason } from "../errors.ts";
import type { Log } from "../log.ts";

/** Logs that a peer did not get what it asked for; repeated ones of a network are counted. */
export function logRefusal(log: Log, what: string, address: string, error: FstreamError): void {
  const key = `${error.code} ${networkOf(address)}`;
  if (error.code === "internal") log.repeated(key, `${what} from ${address}: ${detailOf(error)}`, "error");
  else log.repeated(key, `${what} from ${address} refused: ${error.message} (${error.code})`);
}

/** What failed and why, or where a bug is. */
function detailOf(error: FstreamError): string {
  const { cause, message } = error;
  const reason = systemReason(cause);
  if (reason !== undefined) return `${message}: ${reason}`;
  const { stack } = cause instanceof Error ? cause : error;
  return (stack ?? message).replaceAll(/\n\s*/g, " | ");
}
