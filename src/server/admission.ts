// How many connections there may be, all told and for each peer. Who is over a limit still gets to make its request, so that
// it can be told why it is refused; but of those there are only a few at a time, beyond which connections are reset.

import { networkOf } from "../auth/network.ts";
import { FstreamError } from "../errors.ts";

export interface AdmissionOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number;
  /** Whether an address is exempt from the limit for each peer. */
  readonly exempt: (address: string) => boolean;
}

/** Connections over a limit that are there for their refusal alone. */
export const refusalPlaces = 64;
/** This part of all connections is kept for broadcasters and tokens. */
const keptShare = 0.05;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #byNetwork = new Map<string, number>();
  #count = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#count;
  }

  /** A connection comes. False: there is not even room to refuse it; it does not count then. */
  enter(address: string): boolean {
    const network = networkOf(address);
    const fromThere = this.#byNetwork.get(network) ?? 0;
    const { maxConnections, maxConnectionsPerIp } = this.#options;
    if (this.#count >= maxConnections + refusalPlaces) return false;
    if (fromThere >= maxConnectionsPerIp + refusalPlaces && !this.#options.exempt(address)) return false;
    this.#count++;
    this.#byNetwork.set(network, fromThere + 1);
    return true;
  }

  /** A connection that was let in goes. */
  leave(address: string): void {
    const network = networkOf(address);
    const left = (this.#byNetwork.get(network) ?? 0) - 1;
    this.#count--;
    if (left > 0) this.#byNetwork.set(network, left);
    else this.#byNetwork.delete(network);
  }

  /** Throws FstreamError `limit` if one that wants this is one too many. */
  admit(intent: "watch" | "broadcast" | "token", address: string): void {
    const { maxConnections, maxConnectionsPerIp, exempt } = this.#options;
    const kept = intent === "watch" ? Math.floor(maxConnections * keptShare) : 0;
    if (this.#count > maxConnections - kept) throw new FstreamError("limit", "the server is full");
    if ((this.#byNetwork.get(networkOf(address)) ?? 0) > maxConnectionsPerIp && !exempt(address)) {
      throw new FstreamError("limit", "too many connections from this address");
    }
  }
}
