// What has been asked for and what came of it, since the server began, for its operator.

import { asFstreamError, type Code } from "../errors.ts";
import { Tally } from "../relay/tally.ts";

export type Outcome = "accepted" | Code;

/** What a refused peer asked for: `request` where that makes no sense, or is nothing of the others. */
export type Intent = "watch" | "broadcast" | "token" | "end" | "admin" | "request";

export class AccessCounters {
  /** By what came of them. A login is a password that was looked at, or waited in vain to be. */
  readonly logins = new Tally<Outcome>(["accepted", "unauthorized", "busy", "limit"]);
  readonly tokenUses = new Tally<Outcome>(["accepted", "unauthorized"]);
  tokensIssued = 0;
  /** By what was asked for, and the code. */
  readonly refusals = new Tally<`${Intent} ${Code}`>();
}

/** What `work` gives; how it ends is counted. */
export async function counted<T>(tally: Tally<Outcome>, work: () => Promise<T>): Promise<T> {
  try {
    const value = await work();
    tally.add("accepted");
    return value;
  } catch (error) {
    tally.add(asFstreamError(error).code);
    throw error;
  }
}
