// Listeners, plain and TLS, of the protocol and of HTTP: each socket that Bun accepts is counted and gets a Handler, and the
// socket's events go to it. What Bun's sockets are like to work with is said where it matters.

import type { Socket, SocketHandler, TCPSocketListener, TCPSocketListenOptions } from "bun";
import type { ConnectionLimits, ConnectionPlace } from "../access/limits.ts";
import { plainAddress } from "../auth/network.ts";
import type { KeyPair } from "../keypair.ts";
import type { Log } from "../log.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import { boundUnsent, receive, unacknowledgedBytes, unansweredMs, unreadBytes } from "./libc.ts";
import { plainHttpAnswer } from "./plainhttp.ts";
import { type BoundSocket, calmMs, SendBuffer } from "./sendbuffer.ts";

/** A silent peer is probed after this long; ten probes a second apart without an answer end it. Milliseconds. */
const keepAliveMs = 5000;
/** One that is sent something is not probed: it has gone if it has acknowledged nothing of it for so long, milliseconds. */
const goneMs = 20_000;
/** How often that is looked at, milliseconds. */
const lookMs = 5000;
/** A buffer of at least so many bytes is given back at once. */
const largeBufferBytes = 16 * 1024;

/** The descriptor of a socket, which Bun has and its types do not. */
function descriptorOf(socket: Socket<Peer | undefined>): number {
  return (socket as unknown as { readonly fd: number }).fd;
}

/**
 * Gives a buffer's memory back. Bun reads into a new buffer each time: with this, mostly into the memory that the last one had,
 * which the CPU's cache still holds; left to the garbage collector, into some that was not touched for long, if ever.
 */
function giveBack({ buffer }: Uint8Array): void {
  if (buffer.byteLength >= largeBufferBytes && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** What serves a connection: a Session, or an Exchange of HTTP. */
type Handler = ConnectionStage;

/** An accepted socket, as handlers see it. */
class Peer implements Connection, BoundSocket {
  readonly address: string;
  readonly secure: boolean;
  readonly socket: Socket<Peer | undefined>;
  readonly handler: Handler;

  readonly #sendBuffer: SendBuffer;
  // What no write needs comes last.
  readonly place: ConnectionPlace;

  constructor(
    socket: Socket<Peer | undefined>,
    { address, place }: Entered,
    secure: boolean,
    handle: (connection: Connection) => Handler,
  ) {
    this.socket = socket;
    this.#sendBuffer = new SendBuffer(this);
    this.address = address;
    this.place = place;
    this.secure = secure;
    this.handler = handle(this);
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const taken = this.socket.write(bytes, offset, length);
    if (taken < length) this.#sendBuffer.full(performance.now());
    return taken;
  }

  /** The send buffer, which was full, has room. True if the peer is a fast one whose buffer has been made larger. */
  drained(): boolean {
    const grown = this.#sendBuffer.drained(performance.now());
    this.handler.drained();
    return grown;
  }

  /** Makes the send buffer small again if it has not been full lately. True if it is small. */
  calm(): boolean {
    return this.#sendBuffer.calm(performance.now());
  }

  /** Whether its network is gone, as far as can be known: without that the kernel goes on sending for a quarter of an hour. */
  isGone(nowMs: number): boolean {
    return this.#sendBuffer.isStuckSince(nowMs - goneMs) && unansweredMs(descriptorOf(this.socket)) >= goneMs;
  }

  boundUnsent(bytes: number): void {
    boundUnsent(descriptorOf(this.socket), bytes);
  }

  get descriptor(): number | undefined {
    return this.secure ? undefined : descriptorOf(this.socket);
  }

  available(): number {
    return this.secure ? 0 : unreadBytes(descriptorOf(this.socket));
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    return receive(descriptorOf(this.socket), into, offset, length);
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

  keepPlace(): void {
    this.place.keep();
  }

  unacknowledged(): number | undefined {
    return unacknowledgedBytes(descriptorOf(this.socket));
  }
}

/** An accepted socket that is counted. */
interface Entered {
  readonly address: string;
  readonly place: ConnectionPlace;
}

export interface ListenOptions {
  /** Empty: every address of both families. */
  readonly host: string;
  readonly port: number;
  /** Gives the pair for each connection that comes; undefined: plain TCP. */
  readonly tls: (() => KeyPair) | undefined;
}

/** The open sockets of listeners that have the same kind of handler. */
export class Sockets {
  readonly #handle: (connection: Connection) => Handler;
  readonly #limits: ConnectionLimits;
  readonly #log: Log;
  readonly #peers = new Set<Peer>();
  /** Peers whose send buffers are larger than usual; while there are some, `#calming` looks after them. */
  readonly #fast = new Set<Peer>();
  #calming: ReturnType<typeof setInterval> | undefined;
  /** Looks for peers that have gone, while there are any. */
  #looking: ReturnType<typeof setInterval> | undefined;
  readonly #listeners: TCPSocketListener<Peer | undefined>[] = [];
  /** Those that came while the server stops: it does not wait for them. */
  readonly #late = new Set<Peer>();
  #stopping = false;
  #whenEmpty: (() => void) | undefined;

  constructor(handle: (connection: Connection) => Handler, limits: ConnectionLimits, log: Log) {
    this.#handle = handle;
    this.#limits = limits;
    this.#log = log;
  }

  /** Begins to listen; gives the port, which matters where 0 was asked for. Throws what Bun throws. */
  listen(options: ListenOptions): number {
    const listener = Bun.listen<Peer | undefined>({
      hostname: options.host,
      port: options.port,
      // A peer that half-closes goes on being served: `... | nc -N` is a watcher too.
      allowHalfOpen: true,
      socket: this.#handlers(options.tls),
    });
    this.#listeners.push(listener);
    return listener.port;
  }

  /**
   * Takes over a socket that listens already, in place of binding. `stopListening` closes it for this process alone, and shuts
   * nothing down: connections that come later wait for another process that has it.
   */
  adopt(descriptor: number, tls: ListenOptions["tls"]): void {
    // Bun has `fd`, and its types do not.
    const options = { fd: descriptor, allowHalfOpen: true, socket: this.#handlers(tls) };
    this.#listeners.push(
      Bun.listen<Peer | undefined>(options as unknown as TCPSocketListenOptions<Peer | undefined>),
    );
  }

  #handlers(tls: ListenOptions["tls"]): SocketHandler<Peer | undefined> {
    return tls === undefined ? this.#plain() : this.#secure(tls);
  }

  /** Ends what has not begun. Connections that come from now on are not waited for. */
  stop(): void {
    this.#stopping = true;
    for (const peer of this.#peers) peer.handler.stop();
  }

  /** Accepts no more connections. */
  stopListening(): void {
    for (const listener of this.#listeners.splice(0)) listener.stop(false);
  }

  /** Resolves once every connection is closed that was there at the stop; after `graceMs` the rest are reset. */
  async drained(graceMs: number): Promise<void> {
    if (this.#peers.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    const timer = setTimeout(() => {
      this.#log.info(`connections did not finish in time and were reset: ${this.#peers.size}`);
      for (const peer of this.#peers) peer.reset();
      resolve();
    }, graceMs);
    await promise;
    clearTimeout(timer);
  }

  #plain(): SocketHandler<Peer | undefined> {
    return {
      ...this.#events(),
      open: (socket) => {
        const entered = this.#enter(socket);
        if (entered !== undefined) this.#begin(socket, entered, false);
      },
    };
  }

  /**
   * Accepts as for plain TCP and then begins TLS, since a listener of Bun's with `tls` reports no peer before the
   * handshake is done: a silent one would be counted nowhere and could stay indefinitely.
   */
  #secure(tls: () => KeyPair): SocketHandler<Peer | undefined> {
    // Without a handler for it, Bun takes a client that shows no certificate for one that is refused.
    const socket: SocketHandler<Peer | undefined> = { ...this.#events(), handshake: () => {} };
    return {
      open: (raw) => {
        // First of all: after the upgrade the address is not there any more.
        const entered = this.#enter(raw);
        if (entered === undefined) return;
        // The context of a pair is made once: Bun finds it again by the PEM's content.
        const { cert, key } = tls();
        const options = { isServer: true, data: undefined, tls: { cert, key }, socket };
        try {
          const [, secure] = raw.upgradeTLS<Peer | undefined>(options);
          raw.data = this.#begin(secure, entered, true);
        } catch (error) {
          entered.place.leave();
          throw error;
        }
      },
      // What is encrypted comes here too.
      data: (raw, bytes) => {
        const answer = plainHttpAnswer(bytes);
        // TLS, which has failed by now, closes the connection behind it.
        if (answer !== undefined) raw.write(answer);
        giveBack(bytes);
      },
      close: (raw, error) => this.#close(raw, error),
      error: (raw, error) => this.#failed(raw, error),
    };
  }

  #events(): SocketHandler<Peer | undefined> {
    return {
      data: (socket, bytes) => {
        // Not the Buffer that it is: a `slice` of that would be no copy.
        socket.data?.handler.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
        giveBack(bytes);
      },
      drain: (socket) => {
        if (socket.data?.drained() === true) this.#addFast(socket.data);
      },
      end: (socket) => socket.data?.handler.ended(),
      close: (socket, error) => this.#close(socket, error),
      error: (socket, error) => this.#failed(socket, error),
    };
  }

  /** Counts an accepted socket; gives nothing if there is no room and it is gone. */
  #enter(socket: Socket<Peer | undefined>): Entered | undefined {
    // A peer that has reset the connection already has no address any more, whatever the types say.
    const remote = socket.remoteAddress as string | undefined;
    if (remote === undefined) {
      socket.terminate();
      return undefined;
    }
    const address = plainAddress(remote);
    const place = this.#limits.enter(address, () => {
      this.#log.repeated("room", `${address} dropped: it sent no request, and its place was needed`);
      // By then it has one; over TLS that is of the socket within.
      socket.data?.reset();
    });
    if (place === undefined) {
      this.#log.repeated("full", `${address} dropped: no room even to refuse it`);
      socket.terminate();
      return undefined;
    }
    socket.setKeepAlive(true, keepAliveMs);
    return { address, place };
  }

  #begin(socket: Socket<Peer | undefined>, entered: Entered, secure: boolean): Peer {
    const peer = new Peer(socket, entered, secure, this.#handle);
    socket.data = peer;
    (this.#stopping ? this.#late : this.#peers).add(peer);
    this.#looking ??= setInterval(() => this.#look(), lookMs).unref();
    return peer;
  }

  #look(): void {
    const nowMs = performance.now();
    for (const peer of this.#peers) if (peer.isGone(nowMs)) peer.reset();
  }

  #addFast(peer: Peer): void {
    this.#fast.add(peer);
    this.#calming ??= setInterval(() => {
      for (const each of this.#fast) if (each.calm()) this.#deleteFast(each);
    }, calmMs).unref();
  }

  #deleteFast(peer: Peer): void {
    if (!this.#fast.delete(peer) || this.#fast.size > 0) return;
    clearInterval(this.#calming);
    this.#calming = undefined;
  }

  #close(socket: Socket<Peer | undefined>, error: Error | undefined): void {
    const peer = socket.data;
    if (peer === undefined || !(this.#peers.delete(peer) || this.#late.delete(peer))) return;
    this.#deleteFast(peer);
    peer.place.leave();
    peer.handler.closed(error);
    if (this.#peers.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#whenEmpty?.();
  }

  /** A throw in a handler is a bug: it ends the one connection, and is logged. */
  #failed(socket: Socket<Peer | undefined>, error: Error): void {
    this.#log.repeated("failed", error.stack ?? error.message);
    socket.terminate();
  }
}
