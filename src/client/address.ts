// Where a server is, as people write it: `host`, `host:port`, `[v6]:port` for the plain protocol,
// `fstreams://...` for the same over TLS, `https://...` and `http://...` for what is asked over HTTP.
// Pure: names are looked up by dial.ts.

import { isIP } from "node:net";
import { FstreamError } from "../errors.ts";

/** How the server is spoken to: the protocol over TCP or over TLS, or HTTP over either. */
export type Scheme = "fstream" | "fstreams" | "http" | "https";

export interface Address {
  readonly scheme: Scheme;
  /** A name or an IP address, IPv6 without its brackets. */
  readonly host: string;
  readonly port: number;
}

const defaultPorts: Record<Scheme, number> = { fstream: 61920, fstreams: 61922, http: 80, https: 443 };

const hint = "use host, host:port, [IPv6]:port, fstreams://host:port or https://host:port";

/** The address that `text` stands for; throws FstreamError `usage`. */
export function parseAddress(text: string): Address {
  const [, prefix = "fstream", rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? ["", "", ""];
  const scheme = prefix.toLowerCase();
  if (!Object.hasOwn(defaultPorts, scheme)) throw bad(text, `unknown scheme ${scheme}://`);
  const place = rest.replace(/\/$/, "");
  if (place.includes("@")) throw bad(text, "give the user with --user");
  if (/[/?#\\]/.test(place)) throw bad(text, "unexpected path");
  const found = /^(?:\[([^[\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(place);
  if (found === null) {
    const colons = place.split(":").length - 1;
    throw bad(text, colons > 1 ? "put an IPv6 address in brackets" : "missing host or invalid port");
  }
  const port = found[3] === undefined ? defaultPorts[scheme as Scheme] : Number(found[3]);
  if (port < 1 || port > 65_535) throw bad(text, "the port must be from 1 to 65535");
  return { scheme: scheme as Scheme, host: found[1] ?? found[2], port };
}

/** `host:port`, for people. */
export function formatPlace({ host, port }: Pick<Address, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A mistaken address for people to read: without what stands before an `@`, which is likely to be a password. */
export function withoutCredentials(text: string): string {
  return text.replace(/^((?:[a-z][a-z0-9+.-]*:\/\/)?).*@/is, "$1...@");
}

/** Whether bytes to and from there go through TLS. */
export function isSecure(address: Address): boolean {
  return address.scheme === "fstreams" || address.scheme === "https";
}

/** Whether it is on this machine, as far as its text tells. */
export function isLoopback({ host }: Address): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function bad(text: string, why: string): FstreamError {
  return new FstreamError("usage", `"${withoutCredentials(text)}" is not a valid address: ${why}`, { hint });
}
