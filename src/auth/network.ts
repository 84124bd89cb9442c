// Which addresses count as one peer: an IPv4 address alone, an IPv6 address with its whole /64, since that is
// what a single customer is given at the least (RFC 6177) and can hop about in at will. Customers are given a /56 or a /48
// as well, so what is limited for each network is limited for those too, with higher limits.

import { isIP } from "node:net";

/** An address as people know it: IPv4-mapped IPv6 as IPv4 (RFC 4291, section 2.5.5.2), without a zone (RFC 4007). */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped === null ? address.split("%")[0] : mapped[1];
}

/** The peer that `address` belongs to, as a key: "192.0.2.1", or "2001:db8:0:1::/64". */
export function networkOf(address: string): string {
  return networksOf(address)[0];
}

/**
 * The networks that `address`, or the /64 `address`, is in, the narrowest first: one of IPv4; the /64, the /56 and the /48 of
 * IPv6.
 */
export function networksOf(address: string): readonly [string, ...string[]] {
  const plain = plainAddress(address.split("/")[0]);
  if (isIP(plain) !== 6) return [plain];
  const [before, after] = plain.split("::");
  const head = groups(before);
  const tail = groups(after ?? "");
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...Array.from({ length: zeros }, () => 0), ...tail];
  return [
    `${written(all.slice(0, 4))}::/64`,
    `${written([...all.slice(0, 3), all[3] & 0xff00])}::/56`,
    `${written(all.slice(0, 3))}::/48`,
  ];
}

/** The 16-bit groups of a part of an address; dotted IPv4 counts as two. */
function groups(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => (group.includes(".") ? [0, 0] : [parseInt(group, 16)]));
}

/** In lower case without leading zeros. */
function written(parts: readonly number[]): string {
  return parts.map((part) => part.toString(16)).join(":");
}
