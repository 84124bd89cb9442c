// What Bun does not offer and Linux does, through libc: how many written bytes a peer has not acknowledged, for how long it
// has acknowledged nothing, a bound for those not even sent, what has come and is not read, reading it to a place of one's own, the processor time of this thread, the
// clock that other processes go by, how many files this process may open, and files that are in no folder. Elsewhere, or where libc can't be loaded, the answers are undefined, and nothing has come.

import { dlopen, type FFIFunction, FFIType, ptr } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";

/** ioctl(2) SIOCOUTQ, see tcp(7). */
const SIOCOUTQ = 0x5411;
/** ioctl(2) FIONREAD (SIOCINQ), see tcp(7). */
const FIONREAD = 0x541b;
/** recv(2), <bits/socket.h>. */
const MSG_DONTWAIT = 0x40;
/** getrlimit(2), <asm-generic/resource.h>. */
const RLIMIT_NOFILE = 7;

/** clock_gettime(2), <bits/time.h>. */
const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;

/** setsockopt(2) level and option, see tcp(7). */
const IPPROTO_TCP = 6;
const TCP_NOTSENT_LOWAT = 25;
/** memfd_create(2). */
const MFD_CLOEXEC = 1;
/** getsockopt(2), `struct tcp_info` of <linux/tcp.h>, and where in it what is looked at stands. */
const TCP_INFO = 11;
const retransmitsAt = 2;
const lastAckRecvAt = 56;
const infoBytes = 64;

const libc = libcOf({
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  setsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
  getsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  recv: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32],
    // It is asked for less than 2 GiB.
    returns: FFIType.i32,
  },
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  getrlimit: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
const answer = new Int32Array(1);
const option = new Int32Array(1);
const limits = new BigUint64Array(2);
const time = new BigInt64Array(2);
const info = new DataView(new ArrayBuffer(infoBytes));

/** Functions of libc. Undefined elsewhere than on Linux, and where it can't be loaded. */
export function libcOf<const S extends Record<string, FFIFunction>>(symbols: S) {
  if (process.platform !== "linux") return undefined;
  const musl = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  for (const name of ["libc.so.6", musl]) {
    try {
      return dlopen(name, symbols).symbols;
    } catch {
      // Not this libc: the next one, or none.
    }
  }
  return undefined;
}

/** Bytes in the socket's send queue that the peer's kernel has not acknowledged; 0 too if the socket is gone. */
export function unacknowledgedBytes(fd: number): number | undefined {
  if (libc === undefined) return undefined;
  if (fd < 0 || libc.ioctl(fd, SIOCOUTQ, ptr(answer)) < 0) return 0;
  return answer[0];
}

/**
 * For how long a peer's kernel has acknowledged nothing, though what it was sent was sent again, milliseconds; 0: it has not to, or
 * has. One that has no room for more acknowledges that.
 */
export function unansweredMs(fd: number): number {
  if (libc === undefined || fd < 0) return 0;
  option[0] = infoBytes;
  if (libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, ptr(info), ptr(option)) < 0 || option[0] < infoBytes)
    return 0;
  return info.getUint8(retransmitsAt) === 0 ? 0 : info.getUint32(lastAckRecvAt, true);
}

/** Bytes that have come and were not read; 0 too where that can't be told, and if the socket is gone. */
export function unreadBytes(fd: number): number {
  if (libc === undefined || fd < 0 || libc.ioctl(fd, FIONREAD, ptr(answer)) < 0) return 0;
  return answer[0];
}

/**
 * Reads at most `length` bytes into `into` from `offset` on; gives how many they were. To be called only while there are
 * `unreadBytes`: of a connection that is broken, a read beyond them would take away the error that tells so.
 */
export function receive(fd: number, into: Uint8Array, offset: number, length: number): number {
  if (libc === undefined || fd < 0) return 0;
  return Math.max(0, libc.recv(fd, ptr(into, offset), length, MSG_DONTWAIT));
}

/**
 * Has the kernel take no more than about `bytes` that it can't send yet. What is on its way does not count, so a long
 * fast link is not slowed; but the send buffer of a peer that takes nothing no longer grows to megabytes by itself.
 */
export function boundUnsent(fd: number, bytes: number): void {
  option[0] = bytes;
  libc?.setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, ptr(option), 4);
}

/** Milliseconds of processor time that this thread has had. */
export function threadMs(): number | undefined {
  if (libc === undefined || libc.clock_gettime(CLOCK_THREAD_CPUTIME_ID, ptr(time)) < 0) return undefined;
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

/** The system's CLOCK_MONOTONIC, microseconds. */
export function monotonicUs(): bigint | undefined {
  if (libc === undefined || libc.clock_gettime(CLOCK_MONOTONIC, ptr(time)) < 0) return undefined;
  return time[0] * 1_000_000n + time[1] / 1000n;
}

/** How many files, sockets included, this process may have open. */
export function openFileLimit(): number | undefined {
  if (libc === undefined || libc.getrlimit(RLIMIT_NOFILE, ptr(limits)) < 0) return undefined;
  return Number(limits[0]);
}

/** A file with that content, in memory alone, until it is closed. */
export function memoryFile(content: string): { readonly path: string; close(): void } | undefined {
  // glibc has it from 2.27 on: all others are to be there without it.
  const own = libcOf({ memfd_create: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.i32 } });
  const descriptor = own?.memfd_create(ptr(new TextEncoder().encode("fstream\0")), MFD_CLOEXEC) ?? -1;
  if (descriptor < 0) return undefined;
  writeSync(descriptor, content);
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) };
}
