// How many connections there may be, in all and for each peer. One that is over a limit still gets to make its request, so that
// it can be answered why it is refused; but of those there are only a few at a time, beyond which connections are reset.

import { networksOf } from "../auth/network.ts";
import { FstreamError } from "../errors.ts";

/** What a connection is there for. */
export type Purpose = "watch" | "broadcast" | "token";

export interface ConnectionLimitsOptions {
  readonly maxConnections: number;
  /** For an IPv4 address or an IPv6 /64. */
  readonly maxConnectionsPerIp: number;
  /** Whether an address is exempt from the limit for each peer. */
  readonly exempt: (address: string) => boolean;
}

/** Connections over a limit that are there for their refusal alone. */
export const refusalPlaces = 64;
/** This part of all connections is kept for broadcasters and tokens. */
const keptShare = 0.05;
/** What the /56 and the /48 around an IPv6 /64 may have, as multiples of what that may. */
const widths = [1, 4, 16];

export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #byNetwork = new Map<string, number>();
  #count = 0;
  /** Connections that there was room for since the server began, and those that there was none for. */
  entered = 0;
  dropped = 0;

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#count;
  }

  /** How many there may be. */
  get most(): number {
    return this.#options.maxConnections;
  }

  /** A connection comes. False: there is not even room to refuse it; it does not count then. */
  enter(address: string): boolean {
    const entered = this.#enter(address);
    if (entered) this.entered++;
    else this.dropped++;
    return entered;
  }

  #enter(address: string): boolean {
    if (this.#count >= this.#options.maxConnections + refusalPlaces) return false;
    const networks = networksOf(address);
    if (this.#exceeds(networks, address, refusalPlaces - 1)) return false;
    this.#count++;
    this.#add(networks);
    return true;
  }

  /** A connection that was let in goes. */
  leave(address: string): void {
    this.#count--;
    this.#remove(address);
  }

  /**
   * A connection from a proxy has brought a request of this client: it counts for the client as well, until `leaveClient`.
   * Throws FstreamError `limit` if it is one too many; it does not count then.
   */
  enterClient(address: string): void {
    const networks = networksOf(address);
    if (this.#exceeds(networks, address, -1)) throw tooManyFromThere();
    this.#add(networks);
  }

  leaveClient(address: string): void {
    this.#remove(address);
  }

  /** Throws FstreamError `limit` if one that wants this is one too many. */
  admit(purpose: Purpose, address: string): void {
    const { maxConnections } = this.#options;
    const kept = purpose === "watch" ? Math.floor(maxConnections * keptShare) : 0;
    if (this.#count > maxConnections - kept) throw new FstreamError("limit", "the server is full");
    if (this.#exceeds(networksOf(address), address, 0)) throw tooManyFromThere();
  }

  #add(networks: readonly string[]): void {
    for (const network of networks) this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1);
  }

  #remove(address: string): void {
    for (const network of networksOf(address)) {
      const left = (this.#byNetwork.get(network) ?? 0) - 1;
      if (left > 0) this.#byNetwork.set(network, left);
      else this.#byNetwork.delete(network);
    }
  }

  /** Whether a network of `address` has more connections than it may have and `more`. */
  #exceeds(networks: readonly string[], address: string, more: number): boolean {
    const { maxConnectionsPerIp, exempt } = this.#options;
    const over = networks.some(
      (network, index) => (this.#byNetwork.get(network) ?? 0) > maxConnectionsPerIp * widths[index] + more,
    );
    return over && !exempt(address);
  }
}

function tooManyFromThere(): FstreamError {
  return new FstreamError("limit", "too many connections from this address");
}
