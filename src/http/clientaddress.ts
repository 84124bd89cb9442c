// A client's address: as plain text, whether it is this machine's or a trusted proxy's, and the client's own behind a trusted
// proxy.

import { BlockList, isIP, isIPv6 } from "node:net";
import { plainAddress } from "../auth/network.ts";
import type { HttpHead } from "../protocol/httphead.ts";

/** Trusted proxies in a row. */
const maxHops = 50;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function isLoopback(address: string): boolean {
  return contains(loopback, plainAddress(address));
}

/** Whether an address belongs to one of `blocks`, each an address or a CIDR block. */
export function addressMatcher(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const block of blocks) {
    const [address, bits] = block.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => contains(list, plainAddress(address));
}

function contains(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/**
 * The address of the client of an HTTP request: the peer's, or if that is a trusted proxy the last address of X-Forwarded-For that is not
 * one itself.
 */
export function clientAddress(peer: string, headers: Headers, trusted: (address: string) => boolean): string {
  let client = plainAddress(peer);
  if (!trusted(client)) return client;
  // Read from its end, and no further than needed: all before that is what a client says of itself.
  let left = headers.get("x-forwarded-for") ?? "";
  for (let hops = 0; hops < maxHops && trusted(client); hops++) {
    const comma = left.lastIndexOf(",");
    const hop = hopAddress(left.slice(comma + 1));
    if (isIP(hop) === 0) break;
    client = hop;
    left = left.slice(0, Math.max(0, comma));
  }
  return client;
}

/** An entry of X-Forwarded-For as an address: some proxies write a port behind it, and brackets around IPv6. */
function hopAddress(hop: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(hop.trim()) ?? [];
  return plainAddress(bracketed ?? dotted ?? hop.trim());
}

/** What proxies and content delivery networks add to what they pass on, besides `X-Forwarded-...`. */
const forwardingFields = new Set([
  "forwarded",
  "via",
  "cdn-loop",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-ray",
  "client-ip",
  "fastly-client-ip",
  "fly-client-ip",
  "true-client-ip",
  "x-appengine-user-ip",
  "x-azure-clientip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-envoy-external-address",
  "x-original-forwarded-for",
  "x-original-host",
  "x-proxyuser-ip",
  "x-real-ip",
]);

/** Whether a request says itself that it came through a proxy. One that came through one need not say so. */
export function isForwarded(headers: Headers): boolean {
  return headers.keys().some((name) => forwardingFields.has(name) || name.startsWith("x-forwarded-"));
}

/**
 * Whether an HTTP request comes from this very machine: from a loopback address, to a loopback name, and not
 * through a proxy, which would make the whole Internet local. A proxy that adds nothing, and passes on the Host that its client
 * chose, can't be told from this machine: it has to be known by other means. HTTP/1.0 is what nginx speaks where it is not told
 * otherwise.
 */
export function isLocalRequest(
  peer: string,
  { headers, minorVersion }: Pick<HttpHead, "headers" | "minorVersion">,
): boolean {
  return (
    isLoopback(peer) && minorVersion > 0 && !isForwarded(headers) && isLoopbackName(headers.get("host") ?? "")
  );
}

/** Whether a host, as in a Host header field, is this machine by a name that no name server decides. */
export function isLoopbackName(host: string): boolean {
  const name = hostName(host);
  return name === "localhost" || isLoopback(name);
}

/** Whether a host, as in a Host header field, is an address. */
export function isAddress(host: string): boolean {
  return isIP(hostName(host)) !== 0;
}

/** Without its port, and the brackets of IPv6. */
function hostName(host: string): string {
  return host
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase();
}
