// A request as handlers have it: its head, its target taken apart, and the client that it comes from.

import type { Peer } from "../access/access.ts";
import type { Subject } from "../access/refusal.ts";
import type { HttpHead } from "../protocol/httphead.ts";
import { pathOf } from "../protocol/httpwatch.ts";
import type { Connection } from "../session/connection.ts";
import { httpPeer } from "../session/httpwatch.ts";
import { clientAddress, isForwarded, isLocalRequest } from "./clientaddress.ts";

export interface HttpRequest extends HttpHead {
  /** Of the target: percent-encoded. Its parameters are read where they are needed (`queryOf`). */
  readonly path: string;
  /** All of it where it is read before the answer, else empty. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The client, behind trusted proxies. `secure`: the request came over TLS all the way, as far as is known. */
  readonly client: Peer;
  /** Whether it comes from this very machine, and not through a proxy: never where `public_url` is set. */
  readonly isLocal: boolean;
  /** Whether its peer is a trusted proxy. */
  readonly isProxied: boolean;
  /** What it asks for, once that is known. */
  subject: Subject;
}

/** What decides where a request comes from: whether an address is a trusted proxy's, and whether there may be others. */
interface Surroundings {
  readonly trusted: (address: string) => boolean;
  readonly options: { readonly publicUrl: string | undefined };
}

export function requestOf(
  head: HttpHead,
  { address, secure }: Pick<Connection, "address" | "secure">,
  { trusted, options }: Surroundings,
): HttpRequest {
  const { headers } = head;
  const isProxied = trusted(address);
  return {
    ...head,
    path: pathOf(head.target),
    body: new Uint8Array(0),
    // Where people reach it by another name there is a proxy, or may be one, and not each adds something.
    isLocal: !isProxied && options.publicUrl === undefined && isLocalRequest(address, head),
    isProxied,
    subject: { intent: "request" },
    client: {
      ...httpPeer(
        {
          address: clientAddress(address, headers, trusted),
          secure: isProxied && isForwarded(headers) ? headers.get("x-forwarded-proto") === "https" : secure,
        },
        head,
      ),
      proxy: address,
    },
  };
}
