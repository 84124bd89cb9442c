// Stands in for the service manager: a socket for notifications, and listening sockets to pass on. Both through libc, since
// Bun has no datagram sockets with names in the file system, and what Bun listens on it also accepts from.

import { FFIType, ptr } from "bun:ffi";
import { libcOf } from "../../src/server/libc.ts";
import { until } from "./program.ts";

const { i32, u32, u64, ptr: pointer, i64_fast } = FFIType;
const libc = libcOf({
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  recv: { args: [i32, pointer, u64, i32], returns: i64_fast },
  close: { args: [i32], returns: i32 },
});

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

function bound(family: number, type: number, address: Uint8Array): number {
  const fd = libc?.socket(family, type | SOCK_CLOEXEC, 0) ?? -1;
  if (fd < 0 || libc?.bind(fd, ptr(address), address.length) !== 0) throw new Error("no socket");
  return fd;
}

/** What a service sends to $NOTIFY_SOCKET. */
export class Notifications {
  readonly #fd: number;
  readonly #taken: string[] = [];

  /** `address`: a path that is not there yet, or @NAME. */
  constructor(address: string) {
    const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
    this.#fd = bound(AF_UNIX, SOCK_DGRAM, Buffer.concat([Buffer.from([AF_UNIX, 0]), name]));
  }

  /** All messages so far. */
  get all(): readonly string[] {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const length = Number(libc?.recv(this.#fd, ptr(buffer), buffer.length, MSG_DONTWAIT) ?? -1);
      if (length < 0) return [...this.#taken];
      this.#taken.push(Buffer.from(buffer.subarray(0, length)).toString());
    }
  }

  /** Waits for a message that `pattern` fits, of those behind the first `after`; gives how many there are up to it. */
  async next(pattern: RegExp, after = 0): Promise<number> {
    const find = () => this.all.findIndex((message, index) => index >= after && pattern.test(message));
    return await until(`a notification ${pattern}`, () => find() + 1 || undefined);
  }

  close(): void {
    libc?.close(this.#fd);
  }
}

/** A socket that listens on loopback, and that nobody accepts from. */
export class ListeningSocket {
  readonly fd: number;
  readonly port: number;

  constructor(family: "IPv4" | "IPv6" = "IPv4") {
    const address = new DataView(new ArrayBuffer(family === "IPv4" ? 16 : 28));
    const bytes = new Uint8Array(address.buffer);
    bytes[0] = family === "IPv4" ? AF_INET : AF_INET6;
    // Any port of 127.0.0.1, or of ::1.
    if (family === "IPv4") bytes.set([127, 0, 0, 1], 4);
    else bytes[23] = 1;
    this.fd = bound(bytes[0], SOCK_STREAM, bytes);
    libc?.getsockname(this.fd, ptr(bytes), ptr(new Uint32Array([bytes.length])));
    libc?.listen(this.fd, 128);
    this.port = address.getUint16(2);
  }

  close(): void {
    libc?.close(this.fd);
  }
}

/** The words of a command that runs a service which these sockets are passed to, by their names in the socket unit. */
export function activated(names: readonly string[]): readonly string[] {
  const script =
    'LISTEN_PID=$$ LISTEN_FDS="$1" LISTEN_FDNAMES="$2"; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; shift 2; exec "$@"';
  return ["/bin/sh", "-c", script, "sh", String(names.length), names.join(":")];
}
