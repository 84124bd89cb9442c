// One TCP or TLS connection to a server, as a client wants it: writes that wait for the kernel, reads that
// wait for bytes, and an ending that says how it ended, since to a watcher a FIN and a reset mean different
// things.
//
//   socket --received()--> #chunks --read()--> the one reader
//   the one writer --write()--> socket          (short write: waits for drained())
//
// Reads are bounded: with more than `highWaterBytes` unread the socket is paused, and TCP holds the server
// up. A paused socket does not see a FIN, but a reset ends it at once; what the kernel still had is delivered
// first, so nothing that arrived is lost, and the bound may be exceeded by one receive buffer.

import { FstreamError } from "../errors.ts";
import { Signal } from "./signal.ts";

export type Ending =
  /** The server has no more to say. */
  | { readonly type: "fin" }
  | { readonly type: "reset" }
  /** The network gave up: a timeout, no route any more. */
  | { readonly type: "error"; readonly message: string }
  /** We closed it. */
  | { readonly type: "closed" };

/** What of a socket is used here; Bun's sockets have it. */
export interface Wire {
  /** What the kernel took: 0 when it is full, -1 when the connection is gone. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  pause(): void;
  resume(): void;
  shutdown(): void;
  end(): void;
}

const highWaterBytes = 4 * 1024 * 1024;
const lowWaterBytes = 1024 * 1024;

/** How long the server may take nothing of what is to be written, before it counts as gone. Milliseconds. */
const stallMs = 15_000;

export class ServerConnection {
  readonly #wire: Wire;
  /** `host:port`, for people. */
  readonly place: string;
  /** The IP address at the other end: of the many that a name may have, the one that answered. */
  readonly peer: string | undefined;
  /**
   * Whether it is encrypted. No server of the original protocol answers then, which knows no TLS; a close without a reply
   * counts as broken, since anything on the path can forge what looks like an orderly end.
   */
  readonly secure: boolean;
  readonly #readable = new Signal();
  readonly #writable = new Signal();
  #chunks: Uint8Array[] = [];
  #unread = 0;
  #paused = false;
  #shut = false;
  #ending: Ending | undefined;

  constructor(wire: Wire, place: string, peer?: string, secure = false) {
    this.#wire = wire;
    this.place = place;
    this.peer = peer;
    this.secure = secure;
  }

  /** Received, but not yet read, bytes. */
  get unread(): number {
    return this.#unread;
  }

  /** How it ended; undefined while it is open. Unread bytes may still be there. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Whether we have said that no more will come. */
  get finished(): boolean {
    return this.#shut;
  }

  /** The next bytes, or undefined once it has ended and all was read. One reader at a time. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#unread -= chunk.length;
        if (this.#paused && this.#unread < lowWaterBytes) {
          this.#paused = false;
          this.#wire.resume();
        }
        return chunk;
      }
      if (this.#ending !== undefined) return undefined;
      await this.#readable.next();
    }
  }

  /** Resolves when the kernel has taken all of `bytes`; rejects with `disconnected`. One writer at a time. */
  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const took = this.#gone() ? -1 : this.#wire.write(bytes, at, bytes.length - at);
      if (took < 0) throw this.lost();
      at += took;
      if (at < bytes.length) await this.#drain();
    }
  }

  /** Sends a FIN after what was written; reading goes on. */
  shutdown(): void {
    if (this.#shut || this.#gone()) return;
    this.#shut = true;
    this.#wire.shutdown();
  }

  /** Closes both ways; what was received stays readable. `why`, if it is the server's fault. */
  close(why?: string): void {
    this.closed(why === undefined ? { type: "closed" } : { type: "error", message: why });
    this.#wire.end();
  }

  /** The error for a connection that ended when it should not have. */
  lost(): FstreamError {
    const ending = this.#ending;
    const how =
      ending?.type === "reset"
        ? "was reset"
        : ending?.type === "error"
          ? `failed: ${ending.message}`
          : "was closed";
    return new FstreamError("disconnected", `connection to ${this.place} ${how}`);
  }

  /** From the socket: bytes, in a buffer that is now ours. */
  received(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#unread += bytes.length;
    if (this.#unread > highWaterBytes && !this.#paused && this.#ending === undefined) {
      this.#paused = true;
      this.#wire.pause();
    }
    this.#readable.notify();
  }

  /** From the socket: it takes bytes again. */
  drained(): void {
    this.#writable.notify();
  }

  /** From the socket: how it ended. Only the first call counts: a close after a FIN is part of the same end. */
  closed(ending: Ending): void {
    this.#ending ??= ending;
    this.#readable.notify();
    this.#writable.notify();
  }

  /** Whether writing makes no sense any more. A server's FIN alone does not forbid to write. */
  #gone(): boolean {
    return this.#ending !== undefined && this.#ending.type !== "fin";
  }

  async #drain(): Promise<void> {
    const timer = setTimeout(() => {
      this.close(`the server accepted no data for ${stallMs / 1000} s`);
    }, stallMs);
    await this.#writable.next();
    clearTimeout(timer);
  }
}
