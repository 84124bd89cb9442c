// A client's address: as plain text, whether it is this machine's or a trusted proxy's, and the client's own behind a trusted
// proxy.

import { BlockList, isIP, isIPv6 } from "node:net";
import { plainAddress } from "../auth/network.ts";

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

/**
 * Whether an HTTP request comes from this very machine: from a loopback address, to a loopback name, and not
 * through a proxy, which would make the whole Internet local.
 */
export function isLocalRequest(peer: string, headers: Headers): boolean {
  if (!isLoopback(peer)) return false;
  for (const name of headers.keys()) {
    if (name === "forwarded" || name === "via" || name.startsWith("x-forwarded-")) return false;
  }
  const host = (headers.get("host") ?? "").replace(/:\d+$/, "").toLowerCase();
  return host === "localhost" || isLoopback(host.replace(/^\[(.*)\]$/, "$1"));
}
