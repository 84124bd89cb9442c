// The protocol's listeners, plain and TLS: each socket that Bun accepts gets a Session, and the socket's
// events go to it. What Bun's sockets are like to work with is said where it matters.

import type { Socket, SocketHandler, TCPSocketListener } from "bun";
import type { Log } from "../log.ts";
import type { Connection, Services } from "../session/connection.ts";
import { Session } from "../session/session.ts";
import type { Admission } from "./admission.ts";
import { boundUnsent, unacknowledgedBytes } from "./kernel.ts";
import { plainAddress } from "./peer.ts";

/** A silent peer is probed after this long; ten probes a second apart without an answer end it. Milliseconds. */
const keepAliveMs = 5000;
/** What a socket's send buffer may hold besides what is on its way, bytes. */
const maxUnsentBytes = 128 * 1024;

/** The descriptor of a socket, which Bun has and its types do not. */
function descriptorOf(socket: Socket<Peer | undefined>): number {
  return (socket as unknown as { readonly fd: number }).fd;
}

/** An accepted socket, as sessions see it. */
class Peer implements Connection {
  readonly address: string;
  readonly secure: boolean;
  readonly socket: Socket<Peer | undefined>;
  readonly session: Session;

  constructor(socket: Socket<Peer | undefined>, address: string, secure: boolean, services: Services) {
    this.socket = socket;
    this.address = address;
    this.secure = secure;
    this.session = new Session(this, services);
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    return this.socket.write(bytes, offset, length);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  shutdown(): void {
    this.socket.shutdown();
  }

  close(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.terminate();
  }

  unacknowledged(): number | undefined {
    return unacknowledgedBytes(descriptorOf(this.socket));
  }
}

export interface ListenOptions {
  /** Empty: every address of both families. */
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** The open sockets of all listeners. */
export class Sockets {
  readonly #services: Services;
  readonly #admission: Admission;
  readonly #log: Log;
  readonly #peers = new Set<Peer>();
  readonly #listeners: TCPSocketListener<Peer | undefined>[] = [];
  #whenEmpty: (() => void) | undefined;

  constructor(services: Services, admission: Admission) {
    this.#services = services;
    this.#admission = admission;
    this.#log = services.log.scope("sockets");
  }

  /** Begins to listen; gives the port, which matters where 0 was asked for. Throws what Bun throws. */
  listen(options: ListenOptions): number {
    const listener = Bun.listen<Peer | undefined>({
      hostname: options.host,
      port: options.port,
      // A peer that half-closes goes on being served: `... | nc -N` is a watcher too.
      allowHalfOpen: true,
      ...(options.tls === undefined ? {} : { tls: { cert: options.tls.cert, key: options.tls.key } }),
      socket: this.#handler(options.tls !== undefined),
    });
    this.#listeners.push(listener);
    return listener.port;
  }

  /** Accepts nobody any more. */
  stopListening(): void {
    for (const listener of this.#listeners.splice(0)) listener.stop(false);
    for (const peer of this.#peers) peer.session.stop();
  }

  /** Resolves once every connection is closed; after `graceMs` the rest are reset. */
  async drained(graceMs: number): Promise<void> {
    if (this.#peers.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    const timer = setTimeout(() => {
      this.#log.info(`connections not done in time are reset: ${this.#peers.size}`);
      for (const peer of this.#peers) peer.reset();
      resolve();
    }, graceMs);
    await promise;
    clearTimeout(timer);
  }

  #handler(secure: boolean): SocketHandler<Peer | undefined> {
    return {
      open: (socket) => this.#open(socket, secure),
      data: (socket, bytes) => socket.data?.session.data(bytes),
      drain: (socket) => socket.data?.session.drained(),
      end: (socket) => socket.data?.session.ended(),
      close: (socket, error) => this.#close(socket, error),
      error: (socket, error) => this.#failed(socket, error),
    };
  }

  #open(socket: Socket<Peer | undefined>, secure: boolean): void {
    // A peer that has reset the connection already has no address any more, whatever the types say.
    const remote = socket.remoteAddress as string | undefined;
    if (remote === undefined) {
      socket.terminate();
      return;
    }
    const address = plainAddress(remote);
    if (!this.#admission.enter(address)) {
      this.#log.repeated("full", `no room even to refuse ${address}`);
      socket.terminate();
      return;
    }
    socket.setKeepAlive(true, keepAliveMs);
    boundUnsent(descriptorOf(socket), maxUnsentBytes);
    const peer = new Peer(socket, address, secure, this.#services);
    socket.data = peer;
    this.#peers.add(peer);
  }

  #close(socket: Socket<Peer | undefined>, error: Error | undefined): void {
    const peer = socket.data;
    if (peer === undefined || !this.#peers.delete(peer)) return;
    this.#admission.leave(peer.address);
    peer.session.closed(error);
    if (this.#peers.size === 0) this.#whenEmpty?.();
  }

  /** A throw in a handler is a bug: it costs the one connection, and is told. */
  #failed(socket: Socket<Peer | undefined>, error: Error): void {
    this.#log.error(error.stack ?? error.message);
    socket.terminate();
  }
}
