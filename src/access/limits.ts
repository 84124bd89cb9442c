// How many connections there may be, in all and for each peer. One that is over a limit still gets to make its request, so that
// it can be answered why it is refused; but of those there are only a few at a time, beyond which connections are reset.
//
// One that has not made its request yet has a place as long as there are others. When all are taken a newcomer gets the place of
// the one that has been silent for longest, and only those that have asked count when another asks: so connections that say
// nothing keep neither watchers out, nor take the places that are kept for broadcasters and tokens.

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
/** What the networks of an address may have (networksOf), as multiples of what the narrowest may: an IPv6 /64, /56 and /48. */
export const networkShares = [1, 4, 16];

/** A connection's place. */
export interface ConnectionPlace {
  /** It has made its request: from now on its place is its own. */
  keep(): void;
  /** It goes; once is enough, and more does no harm. */
  leave(): void;
}

export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #byNetwork = new Map<string, number>();
  /** Those that have not made their request, in the order of their coming. */
  readonly #silent = new Set<Place>();
  #count = 0;
  /** Connections that there was room for since the server began, and those that there was none for, or none any more. */
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

  /**
   * A connection comes. Undefined: there is not even room to refuse it; it does not count then. `dropped` is called if its place is
   * given to another before it is kept.
   */
  enter(address: string, dropped: () => void): ConnectionPlace | undefined {
    const networks = networksOf(address);
    const isOver = this.#exceeds(networks, address, refusalPlaces - 1);
    if (isOver || (this.#count >= this.#options.maxConnections + refusalPlaces && !this.#dropSilent())) {
      this.dropped++;
      return undefined;
    }
    this.entered++;
    this.#count++;
    this.#add(networks);
    const place = new Place(this, address, dropped);
    this.#silent.add(place);
    return place;
  }

  /** For the place alone. */
  keep(place: Place): void {
    this.#silent.delete(place);
  }

  /** For the place alone, once. */
  leave(place: Place): void {
    this.#silent.delete(place);
    this.#count--;
    this.#remove(place.address);
  }

  /** Takes the place of the connection that has been silent for longest. False if there is none. */
  #dropSilent(): boolean {
    const [oldest] = this.#silent;
    if (oldest === undefined) return false;
    oldest.leave();
    this.dropped++;
    oldest.dropped();
    return true;
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

  /** Throws FstreamError `limit` if one that wants this, and has its place, is one too many. */
  admit(purpose: Purpose, address: string): void {
    const { maxConnections } = this.#options;
    const kept = purpose === "watch" ? Math.floor(maxConnections * keptShare) : 0;
    if (this.#count - this.#silent.size > maxConnections - kept)
      throw new FstreamError("limit", "the server is full");
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
      (network, index) =>
        (this.#byNetwork.get(network) ?? 0) > maxConnectionsPerIp * networkShares[index] + more,
    );
    return over && !exempt(address);
  }
}

/** An object and no closures: there is one for each connection. */
class Place implements ConnectionPlace {
  readonly address: string;
  readonly dropped: () => void;
  readonly #limits: ConnectionLimits;
  #left = false;

  constructor(limits: ConnectionLimits, address: string, dropped: () => void) {
    this.#limits = limits;
    this.address = address;
    this.dropped = dropped;
  }

  keep(): void {
    this.#limits.keep(this);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#limits.leave(this);
  }
}

function tooManyFromThere(): FstreamError {
  return new FstreamError("limit", "too many connections from this address");
}
