// A connection whose reader decides byte by byte what it takes, and whose path holds little: small segments and a small
// window keep both kernels' buffers below 100 KB, so that a short stream is enough to leave it behind. Through libc, as
// Bun has no socket options before `connect`: Linux with glibc only.

import { dlopen, FFIType, ptr } from "bun:ffi";

/** socket(2), tcp(7), recv(2) as Linux numbers them. */
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const MSG_DONTWAIT = 0x40;

const segmentBytes = 536;
const windowBytes = 4096;

const libc = load();

function load() {
  const { i32, u32, i64_fast, u64, ptr } = FFIType;
  try {
    return dlopen("libc.so.6", {
      socket: { args: [i32, i32, i32], returns: i32 },
      setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
      connect: { args: [i32, ptr, u32], returns: i32 },
      send: { args: [i32, ptr, u64, i32], returns: i64_fast },
      recv: { args: [i32, ptr, u64, i32], returns: i64_fast },
      close: { args: [i32], returns: i32 },
    }).symbols;
  } catch {
    // Not Linux, or not with glibc: `canTrickle` is then false.
    return undefined;
  }
}

/** Whether this machine can do it. */
export const canTrickle = libc !== undefined;

export class Trickle {
  readonly #c;
  readonly #socket: number;
  readonly #chunks: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(65_536);
  length = 0;
  /** Whether the server has ended it, in order or not. */
  ended = false;

  /** Connects to a port of this machine and sends `opening`. */
  constructor(port: number, opening: Uint8Array) {
    if (libc === undefined) throw new Error("needs Linux with glibc");
    this.#c = libc;
    this.#socket = libc.socket(AF_INET, SOCK_STREAM, 0);
    this.#set(IPPROTO_TCP, TCP_MAXSEG, segmentBytes);
    this.#set(SOL_SOCKET, SO_RCVBUF, windowBytes);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port);
    address.set([127, 0, 0, 1], 4);
    const connected = libc.connect(this.#socket, ptr(address), address.length) === 0;
    if (!connected || libc.send(this.#socket, ptr(opening), opening.length, 0) !== opening.length) {
      throw new Error(`no connection to port ${port}`);
    }
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  /** Takes what has come, up to `limit` bytes in all. */
  take(limit = Number.POSITIVE_INFINITY): void {
    while (!this.ended && this.length < limit) {
      const want = Math.min(this.#buffer.length, limit - this.length);
      const taken = Number(this.#c.recv(this.#socket, ptr(this.#buffer), want, MSG_DONTWAIT));
      // Nothing there yet looks the same from here as a reset; a test waits for bytes, and does not get them.
      if (taken < 0) return;
      if (taken === 0) this.ended = true;
      this.#chunks.push(this.#buffer.slice(0, taken));
      this.length += taken;
    }
  }

  close(): void {
    this.#c.close(this.#socket);
  }

  #set(level: number, name: number, value: number): void {
    this.#c.setsockopt(this.#socket, level, name, ptr(new Int32Array([value])), 4);
  }
}
