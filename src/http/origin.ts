// Which page makes a request, where a browser says so (RFC 6454). A page of another server could have its visitors try passwords
// here, and a browser adds to its requests those that it knows.

import { FstreamError } from "../errors.ts";
import { elementsOf } from "../protocol/httphead.ts";
import { isAddress, isLoopbackName } from "./clientaddress.ts";
import type { HttpRequest } from "./request.ts";

/** Refuses a request with a password that a page of another server makes. Throws FstreamError `forbidden`. */
export function refuseOtherPages(request: HttpRequest, publicUrl: string | undefined): void {
  if (isFromOwnPage(request, publicUrl)) return;
  const host = request.headers.get("host") ?? "";
  throw new FstreamError("forbidden", `only pages of this server (${host}) can log in`);
}

/**
 * Whether a request comes from a page of this server, or from no page. A proxy may ask in its own name: then the name that its
 * client asked for is told by itself, or by `public_url`. Where that is set no other name counts: anybody's can be made to lead here.
 */
export function isFromOwnPage({ headers, isProxied }: HttpRequest, publicUrl: string | undefined): boolean {
  const forwarded = isProxied ? elementsOf(headers.get("x-forwarded-host") ?? "") : [];
  const asked = [headers.get("host") ?? "", ...forwarded.map((host) => host.trim())];
  if (publicUrl === undefined) return isFromPageOf(asked, headers);
  const sure = asked.filter((host) => isLoopbackName(host) || isAddress(host));
  return isFromPageOf([new URL(publicUrl).host, ...sure], headers);
}

/**
 * Whether a request comes from a page of one of `hosts`, each as in a Host header field, or from no page at all: only browsers
 * send an Origin, and they always do (RFC 6455, section 10.2; the Fetch standard).
 */
export function isFromPageOf(hosts: readonly string[], headers: Headers): boolean {
  const origin = headers.get("origin");
  if (origin === null) return true;
  const page = URL.parse(origin);
  if (page === null || (page.protocol !== "https:" && page.protocol !== "http:")) return false;
  // Read as the page's own, so that the scheme's default port is none in both.
  return hosts.some((host) => URL.parse(`${page.protocol}//${host}`)?.host === page.host);
}
