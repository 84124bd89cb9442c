// Which addresses count as one peer: an IPv4 address alone, an IPv6 address with its whole /64, since that is
// what a single customer is given at the least (RFC 6177) and can hop about in at will.

import { isIP } from "node:net";

/** The peer that `address` belongs to, as a key: "192.0.2.1", or "2001:db8:0:1::/64". */
export function networkOf(address: string): string {
  const plain = address.split("%")[0]; // without a zone (RFC 4007)
  if (isIP(plain) !== 6) return plain;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain);
  if (mapped !== null) return mapped[1];
  const [before, after] = plain.split("::");
  const head = groups(before);
  const tail = groups(after ?? "");
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...Array.from({ length: zeros }, () => "0"), ...tail];
  return `${all.slice(0, 4).join(":")}::/64`;
}

/** The 16-bit groups of a part of an address in lower case without leading zeros; dotted IPv4 counts as two. */
function groups(part: string): string[] {
  if (part === "") return [];
  return part
    .split(":")
    .flatMap((group) => (group.includes(".") ? ["0", "0"] : [parseInt(group, 16).toString(16)]));
}
