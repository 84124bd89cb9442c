// Sockets that the service manager has opened and passes on (socket activation, sd_listen_fds(3)): each stands for one of the
// listeners of the settings, in place of binding to its address. They stay open in the manager, so that connections that come while
// the server restarts wait in their queue.
//
// A socket is for the listener that it is named for (FileDescriptorName=), else for the one whose port it has. One that is for none
// is an error: its connections would wait in vain.

import { FFIType, ptr } from "bun:ffi";
import { FstreamError } from "../errors.ts";
import type { ListenAddress } from "../settings/address.ts";
import { libcOf } from "./libc.ts";

/** The first that is passed. */
const firstDescriptor = 3;
/** More are a mistake. */
const maxSockets = 64;

/** getsockopt(2), <asm-generic/socket.h>. */
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SOCK_STREAM = 1;
/** <bits/socket.h>. */
const AF_INET = 2;
const AF_INET6 = 10;
/** fcntl(2), <asm-generic/fcntl.h>. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** A socket that listens, and where. */
export interface PassedSocket {
  readonly descriptor: number;
  /** As it is named in the socket unit; "" if it is not. */
  readonly name: string;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The sockets passed to this process, if any. Throws FstreamError `failed` for what is no listening TCP socket. */
export function passedSockets({
  LISTEN_PID,
  LISTEN_FDS,
  LISTEN_FDNAMES,
}: Environment): readonly PassedSocket[] {
  if (LISTEN_PID !== String(process.pid)) return [];
  const count = /^\d+$/.test(LISTEN_FDS ?? "") ? Number(LISTEN_FDS) : 0;
  if (!Number.isInteger(count) || count < 1) return [];
  if (count > maxSockets)
    throw new FstreamError("failed", `${count} sockets were passed: at most ${maxSockets} are supported`);
  const names = (LISTEN_FDNAMES ?? "").split(":");
  return Array.from({ length: count }, (_, index) => socketOf(firstDescriptor + index, names[index] ?? ""));
}

/**
 * Which listener each socket is for, `listeners` being those of the settings by name, with their addresses. Throws FstreamError
 * `failed` for a socket that is for none.
 */
export function assignSockets(
  sockets: readonly PassedSocket[],
  listeners: Readonly<Record<string, ListenAddress | undefined>>,
): ReadonlyMap<string, readonly PassedSocket[]> {
  const names = Object.keys(listeners);
  return Map.groupBy(sockets, ({ name, host, port }) => {
    const found = names.find((each) => each === name) ?? names.find((each) => listeners[each]?.port === port);
    if (found !== undefined) return found;
    const ports = names.flatMap((each) => {
      const at = listeners[each];
      return at === undefined ? [] : [`${each} is on port ${at.port}`];
    });
    throw new FstreamError(
      "failed",
      `no listener matches the socket on ${addressText({ host, port })} passed by the service manager: ${ports.join(", ")}`,
      {
        hint: `use the same port, or set FileDescriptorName= in the socket unit to one of ${names.join(", ")}`,
      },
    );
  });
}

/** An address as it is written in the settings. */
export function addressText({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const one = new Int32Array(1);
const length = new Uint32Array(1);
const address = new DataView(new ArrayBuffer(128));

function socketOf(descriptor: number, name: string): PassedSocket {
  const libc = libcOf({
    getsockopt: {
      args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
      returns: FFIType.i32,
    },
    getsockname: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
    fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  const option = (which: number): number | undefined => {
    length[0] = 4;
    return libc?.getsockopt(descriptor, SOL_SOCKET, which, ptr(one), ptr(length)) === 0 ? one[0] : undefined;
  };
  const isListening = option(SO_TYPE) === SOCK_STREAM && option(SO_ACCEPTCONN) === 1;
  length[0] = address.byteLength;
  const isNamed = libc?.getsockname(descriptor, ptr(address), ptr(length)) === 0;
  const family = isNamed ? new Uint16Array(address.buffer, 0, 1)[0] : 0;
  if (libc === undefined || !isListening || (family !== AF_INET && family !== AF_INET6)) {
    throw new FstreamError(
      "failed",
      `descriptor ${descriptor} (${name}), passed by the service manager, is not a listening TCP socket`,
      { hint: "in the socket unit, ListenStream= should be a port or an address and port, with Accept=no" },
    );
  }
  // Programs that the server starts must not have it.
  libc.fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return { descriptor, name, port: address.getUint16(2), host: hostOf(family) };
}

/** Of `struct sockaddr_in` or `struct sockaddr_in6`. */
function hostOf(family: number): string {
  const bytes = new Uint8Array(address.buffer);
  if (family === AF_INET) return bytes.subarray(4, 8).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => address.getUint16(8 + 2 * index).toString(16));
  return URL.parse(`http://[${groups.join(":")}]`)?.hostname.slice(1, -1) ?? "";
}
