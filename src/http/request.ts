// A request as handlers have it: its head, its target taken apart, and the client that it comes from.

import type { Peer } from "../access/access.ts";
import type { Subject } from "../access/refusal.ts";
import type { HttpHead } from "../protocol/httphead.ts";
import { pathOf } from "../protocol/httpwatch.ts";
import type { Connection } from "../session/connection.ts";
import { clientAddress, isLocalRequest } from "./clientaddress.ts";

export interface HttpRequest extends HttpHead {
  /** Of the target: percent-encoded. Its parameters are read where they are needed (`queryOf`). */
  readonly path: string;
  /** All of it where it is read before the answer, else empty. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The client, behind trusted proxies. `secure`: the request came over TLS all the way, as far as is known. */
  readonly client: Peer;
  /** Whether it comes from this very machine, and not through a proxy. */
  readonly isLocal: boolean;
  /** Whether it came through a trusted proxy. */
  readonly isProxied: boolean;
  /** What it asks for, once that is known. */
  subject: Subject;
}

export function requestOf(
  head: HttpHead,
  { address, secure }: Pick<Connection, "address" | "secure">,
  trusted: (address: string) => boolean,
): HttpRequest {
  const { headers } = head;
  const isProxied = trusted(address);
  return {
    ...head,
    path: pathOf(head.target),
    body: new Uint8Array(0),
    isLocal: isLocalRequest(address, headers),
    isProxied,
    subject: { intent: "request" },
    client: {
      address: clientAddress(address, headers, trusted),
      proxy: address,
      secure: isProxied ? headers.get("x-forwarded-proto") === "https" : secure,
    },
  };
}
