// What all HTTP connections of a server share.

import type { ConnectionLimits } from "../access/limits.ts";
import type { Services } from "../session/services.ts";
import type { Api } from "./api.ts";
import type { Parts } from "./parts.ts";

export interface HttpServices extends Services {
  /** Whether an address is a trusted proxy's: what it says of a request's client is believed. */
  readonly trusted: (address: string) => boolean;
  /** Connections of proxies count for their clients too. */
  readonly limits: Pick<ConnectionLimits, "enterClient" | "leaveClient">;
  /** Who may have a page in a frame, as a source list of a Content-Security-Policy. */
  readonly frameAncestors: string;
  /** Broadcasts that wait for their next part. */
  readonly parts: Parts;
  readonly api: Api;
}
