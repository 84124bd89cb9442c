// A watcher that asked in HTTP/1 (protocol/README.md, "Watching over HTTP"): a response head, then the raw stream until the
// connection closes (RFC 9112, section 6.3): an orderly end is a FIN, a stream that was cut short ends with a reset.

import type { Peer } from "../access/access.ts";
import { FstreamError, meaning } from "../errors.ts";
import type { HttpHead, Unreadable } from "../protocol/httphead.ts";
import { type HttpWatch, otherQueryOf, pathOf, queryOf, watchPath } from "../protocol/httpwatch.ts";
import { encodeHead, encodeText } from "./httpresponse.ts";
import { shownByClose, type WatchAnswers } from "./watcher.ts";

/** When to try again what is refused for now (RFC 9110, section 10.2.3), seconds. */
const retrySeconds = 5;

export class HttpWatchAnswers implements WatchAnswers {
  // The Content-Type has to be known.
  readonly awaitsDetection = true;
  readonly ending = shownByClose;
  readonly id = undefined;
  readonly #head: HttpHead;
  readonly #watchersLogIn: boolean;
  readonly #isPublic: boolean;

  /** `watchersLogIn`: so that nothing is public. */
  constructor(head: HttpHead, { channelPassword }: HttpWatch, watchersLogIn: boolean) {
    this.#head = head;
    this.#watchersLogIn = watchersLogIn;
    this.#isPublic = channelPassword === "" && !watchersLogIn;
  }

  greeting(info: { readonly mediaType: string } | undefined): Uint8Array {
    return this.head(200, info, {});
  }

  protected head(
    status: number,
    info: { readonly mediaType: string } | undefined,
    fields: Readonly<Record<string, string>>,
  ): Uint8Array {
    return encodeHead(status, {
      ...fields,
      "Content-Type": info?.mediaType ?? "application/octet-stream",
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      // nginx would gather it otherwise
      "X-Accel-Buffering": "no",
      // what has a password is for the pages of this server alone
      ...(this.#isPublic ? { "Access-Control-Allow-Origin": "*" } : {}),
    });
  }

  refusal(error: FstreamError): Uint8Array {
    return watchRefusal(this.#head, error, this.#watchersLogIn);
  }
}

/**
 * The refusal of a watcher, where watchers log in or not. Players ask for a channel's password, or give the one of their URL
 * (`http://any:PASSWORD@...`), only once they are asked for it by a 401 (RFC 9110, section 15.5.2). A request of a page's script is
 * not to open the browser's own dialog, and one of a page elsewhere not to try users' passwords.
 */
export function watchRefusal(
  head: Pick<HttpHead, "method" | "target" | "headers">,
  error: FstreamError,
  watchersLogIn: boolean,
): Uint8Array {
  const byPage = isByPage(head);
  const isAsked =
    error.code === "unauthorized" ||
    (error.code === "forbidden" && !watchersLogIn && !queryOf(head.target).has("channel_password"));
  const status = isAsked ? (byPage ? 403 : 401) : undefined;
  return httpRefusal(head, error, {
    ...(status === undefined ? {} : { status }),
    isReadable: !watchersLogIn,
  });
}

/** Whether something in a page makes the request: browsers say so (Fetch Metadata Request Headers). */
function isByPage({ headers }: Pick<HttpHead, "headers">): boolean {
  return (headers.get("sec-fetch-dest") ?? "document") !== "document";
}

/** Refuses what something in a page of another site asks for: it could have its visitors try passwords. Throws FstreamError `forbidden`. */
export function refuseOtherSites(head: Pick<HttpHead, "headers">): void {
  if (isByPage(head) && head.headers.get("sec-fetch-site") === "cross-site")
    throw new FstreamError("forbidden", "only pages of this server can log in");
}

/** The answer to a request that is refused: why, in words, and the code in `X-Fstream-Code`. */
export function httpRefusal(
  { method, target }: Pick<HttpHead, "method" | "target">,
  error: FstreamError,
  how: RefusalOptions = {},
): Uint8Array {
  const { status, message, fields } = refusalOf(pathOf(target), error, how);
  return encodeText(status, message, fields, method === "HEAD");
}

/** A client that speaks HTTP, for access. */
export function httpPeer(
  { address, secure }: { readonly address: string; readonly secure: boolean },
  { target, headers }: Pick<HttpHead, "target" | "headers">,
): Peer {
  return {
    address,
    secure,
    protocol: secure ? "https" : "http",
    query: otherQueryOf(target),
    userAgent: headers.get("user-agent") ?? undefined,
  };
}

export interface HttpRefusal {
  readonly status: number;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

interface RefusalOptions {
  /** Left out: that of the code. */
  readonly status?: number;
  /** False: a page elsewhere is not to see it. */
  readonly isReadable?: boolean;
}

/** How an error is answered over HTTP, to a request for `path`. */
export function refusalOf(
  path: string,
  error: FstreamError,
  { status = meaning(error.code).http, isReadable = true }: RefusalOptions = {},
): HttpRefusal {
  const fields: Record<string, string> = {
    "Cache-Control": "no-store",
    "X-Fstream-Code": error.code,
  };
  // So that a page elsewhere can say why; not where users' passwords are tried.
  if (isReadable && (path.startsWith(watchPath) || path.startsWith("/api/"))) {
    fields["Access-Control-Allow-Origin"] = "*";
    fields["Access-Control-Expose-Headers"] = "X-Fstream-Code, Retry-After";
  }
  if (status === 401) fields["WWW-Authenticate"] = 'Basic realm="fstream", charset="UTF-8"';
  if (status === 429 || status === 503) fields["Retry-After"] = String(retrySeconds);
  return { status, message: error.code === "internal" ? "internal server error" : error.message, fields };
}

/** The answer to what is no request. */
export function unreadable({ status, message }: Unreadable): Uint8Array {
  return encodeText(status, message, { "Cache-Control": "no-store" }, false);
}
