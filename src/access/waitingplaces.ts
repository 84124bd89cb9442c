// Places for watchers that wait for a channel to go live, which costs a peer nothing: a number in all, and a share of it for
// each network (of IPv6 for its /64, and a larger one for the /56 and the /48 around it). When all are taken a newcomer
// gets one of the network that has the most, as long as that keeps no fewer than the newcomer's own then has: a few
// networks can't keep the others out. Places on offer, whose peers have said that they will send no more, go before: of most
// such peers the socket is closed, which the system does not tell from one that only sends no more, and finds out later.

import { networksOf } from "../auth/network.ts";
import { FstreamError } from "../errors.ts";

export interface WaitingPlacesOptions {
  readonly maxWaiting: number;
}

/** What waits. */
export interface Waiter {
  /** Its place is given to another: it may wait no longer. */
  displaced(error: FstreamError): void;
}

/** A place that was taken. */
export interface Place {
  /** Gives it back; once is enough, and more does no harm. */
  leave(): void;
  /** Puts it on offer: it is kept until another needs it. */
  offer(): void;
}

/** The part of all places that a network may have, the narrowest first. */
const shares = [1 / 8, 1 / 4, 1 / 4];

export class WaitingPlaces {
  readonly #options: WaitingPlacesOptions;
  readonly #exempt: (address: string) => boolean;
  readonly #byNetwork = new Map<string, number>();
  /** The places of those that are not exempt, by the widest network, each in the order of their coming. */
  readonly #byWidest = new Map<string, Set<Held>>();
  /** Those on offer, in the order in which they came to be. */
  readonly #offered = new Set<Held>();
  #taken = 0;

  /** `exempt`: whether an address is, from the share for each network; its places are not given to others either. */
  constructor(options: WaitingPlacesOptions, exempt: (address: string) => boolean) {
    this.#options = options;
    this.#exempt = exempt;
  }

  get taken(): number {
    return this.#taken;
  }

  /** How many there are. */
  get most(): number {
    return this.#options.maxWaiting;
  }

  /** Takes a place. Throws FstreamError `limit` if there is none; `waiter` is displaced if it is given to another later. */
  take(address: string, waiter: Waiter): Place {
    const { maxWaiting } = this.#options;
    const networks = networksOf(address);
    const free = this.#exempt(address);
    const isOver = (network: string, width: number) =>
      (this.#byNetwork.get(network) ?? 0) >= Math.max(1, Math.floor(maxWaiting * shares[width]));
    for (const [width, network] of networks.entries()) {
      if (free || !isOver(network, width) || this.#dropOffered(network)) continue;
      throw new FstreamError("limit", "too many watchers from this address are already waiting");
    }
    const widest = networks[networks.length - 1];
    if (this.#taken >= maxWaiting && !this.#dropOffered())
      this.#dropOne(this.#byWidest.get(widest)?.size ?? 0);
    const held = new Held(this, networks, waiter);
    this.#add(networks, 1);
    if (!free) this.#byWidest.set(widest, (this.#byWidest.get(widest) ?? new Set()).add(held));
    return held;
  }

  /** For the place alone, while it is taken. */
  offer(held: Held): void {
    this.#offered.add(held);
  }

  /** For the place alone, once. */
  leave(held: Held): void {
    const { networks } = held;
    const widest = networks[networks.length - 1];
    this.#offered.delete(held);
    this.#add(networks, -1);
    const there = this.#byWidest.get(widest);
    there?.delete(held);
    if (there?.size === 0) this.#byWidest.delete(widest);
  }

  /** Takes the newest place from the network with the most, if that has at least two more than `own`. */
  #dropOne(own: number): void {
    let most: Set<Held> | undefined;
    for (const there of this.#byWidest.values()) if (there.size > (most?.size ?? own + 1)) most = there;
    const newest = most === undefined ? undefined : [...most].pop();
    if (newest === undefined) throw new FstreamError("limit", "too many watchers are already waiting");
    this.#drop(newest);
  }

  /** Takes the place that has been on offer for longest, of `network` if one is given. False if there is none. */
  #dropOffered(network?: string): boolean {
    for (const held of this.#offered) {
      if (network !== undefined && !held.networks.includes(network)) continue;
      this.#drop(held);
      return true;
    }
    return false;
  }

  #drop(held: Held): void {
    held.leave();
    held.waiter.displaced(new FstreamError("limit", "its place was needed for another waiting watcher"));
  }

  #add(networks: readonly string[], count: 1 | -1): void {
    this.#taken += count;
    for (const network of networks) {
      const there = (this.#byNetwork.get(network) ?? 0) + count;
      if (there > 0) this.#byNetwork.set(network, there);
      else this.#byNetwork.delete(network);
    }
  }
}

/** An object and no closures: there may be tens of thousands. */
class Held implements Place {
  readonly networks: readonly string[];
  readonly waiter: Waiter;
  readonly #places: WaitingPlaces;
  #left = false;

  constructor(places: WaitingPlaces, networks: readonly string[], waiter: Waiter) {
    this.#places = places;
    this.networks = networks;
    this.waiter = waiter;
  }

  offer(): void {
    if (!this.#left) this.#places.offer(this);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#places.leave(this);
  }
}
