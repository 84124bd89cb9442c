// Addresses in settings: where to listen ("host:port", ":port", "[v6]:port"), which proxies to trust (an IP address
// or a block of them, RFC 4632 and RFC 4291 section 2.3), and where the server's pages are (a URL). Only their text is looked at: names are not
// resolved, and whether an address belongs to a block is the server's to find out.

import { isIP } from "node:net";

/** Where a listener is bound to. */
export interface ListenAddress {
  /** A name or IP address, IPv6 without brackets; empty: every address of both families. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
}

/** The address that `text` ("host:port", ":port", "[v6]:port") names, or undefined if it names none. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const found = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (found === null) return undefined;
  const port = Number(found[3]);
  if (port > 65_535) return undefined;
  if (found[1] !== undefined) return isIP(found[1]) === 6 ? { host: found[1], port } : undefined;
  return isHost(found[2]) ? { host: found[2], port } : undefined;
}

function isHost(text: string): boolean {
  if (text === "" || isIP(text) === 4) return true;
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false; // digits and dots alone: a mistyped IPv4
  return text.split(".").every((label) => /^[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?$/i.test(label));
}

/** Whether `text` is an IP address, or a block of them such as "10.0.0.0/8" or "fd00::/8". */
export function isAddressBlock(text: string): boolean {
  const found = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text);
  if (found === null) return false;
  const family = isIP(found[1]);
  return family !== 0 && (found[2] === undefined || Number(found[2]) <= (family === 4 ? 32 : 128));
}

/** Longer is no site's address. Characters. */
const maxSiteLength = 1024;

/**
 * The site that `text`, an http or https URL without a login, a query or a fragment, is the address of: normalised, without a slash at
 * its end. Undefined if it is none.
 */
export function parseSite(text: string): string | undefined {
  const url = /^https?:\/\/[^\s?#@]+$/i.test(text) ? URL.parse(text) : null;
  if (url === null || url.href.length > maxSiteLength) return undefined;
  return url.href.replace(/\/+$/, "");
}
