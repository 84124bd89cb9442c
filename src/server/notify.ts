// Reports to the service manager: that the server is ready, reloads or stops, how much is live, and that it still runs; sd_notify(3)
// and systemd.service(5). Messages are datagrams to the socket that $NOTIFY_SOCKET names, sent through libc since Bun has no such
// sockets. Without that variable, or without libc (other systems than Linux), nothing is sent.
//
//   - A manager that does not take them never makes the server wait, or fail: a message is tried again for a while, in its order.
//   - The watchdog is fed by a timer of the event loop, so that a server that hangs is found.

import { FFIType, ptr } from "bun:ffi";
import type { Log } from "../log.ts";
import { libcOf, monotonicUs } from "./libc.ts";

/** socket(2), <bits/socket.h>. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000;
/** send(2), <bits/socket.h>. */
const MSG_NOSIGNAL = 0x4000;
/** `struct sockaddr_un`, unix(7): the family, and what a path may take. Bytes. */
const familyBytes = 2;
const maxPathBytes = 108;

/** How often the status is looked at, milliseconds. */
const statusMs = 2000;
/** A message that is not taken is tried again so often, milliseconds, and so many times at the most. */
const againMs = 100;
const maxAttempts = 50;
/** More is not kept for a manager that takes nothing. */
const maxUnsent = 32;
/** What a stop may take beyond shutdown_grace, milliseconds. */
const stopMarginMs = 10_000;

/** Variables of the service manager's that are for this process alone: programs that it starts must not act on them. */
export const managerVariables: readonly string[] = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
];

type Environment = Readonly<Record<string, string | undefined>>;

/** Sends a datagram. False: it was not taken. */
type Send = (message: Uint8Array) => boolean;

export class Notifier {
  readonly #send: Send | undefined;
  readonly #log: Log;
  /** How often the watchdog has to be fed, milliseconds; undefined: there is none. */
  readonly #watchdogMs: number | undefined;
  readonly #unsent: Uint8Array[] = [];
  #attempts = 0;
  #isGivenUp = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #status = "";

  constructor(environment: Environment, log: Log) {
    this.#log = log;
    const address = environment.NOTIFY_SOCKET;
    if (address === undefined || address === "") return;
    this.#send = sender(address);
    if (this.#send === undefined) log.warn(`can't reach the service manager at ${address}`);
    else this.#watchdogMs = watchdogMs(environment, process.pid);
  }

  /** It serves. From now on its status is sent when it has changed, and the watchdog is fed. */
  begin(status: () => string): void {
    if (this.#send === undefined || this.#timers.length > 0) return;
    this.#status = status();
    this.#notify("READY=1", `STATUS=${this.#status}`);
    this.#every(statusMs, () => {
      const now = status();
      if (now === this.#status) return;
      this.#status = now;
      this.#notify(`STATUS=${now}`);
    });
    if (this.#watchdogMs !== undefined) {
      this.#notify("WATCHDOG=1");
      this.#every(this.#watchdogMs, () => this.#notify("WATCHDOG=1"));
    }
  }

  /** A reload begins. */
  reloading(): void {
    // By the time Type=notify-reload knows that it was sent after the signal.
    this.#notify("RELOADING=1", `MONOTONIC_USEC=${monotonicUs() ?? 0}`);
  }

  /** It is over, whatever came of it. */
  reloaded(): void {
    this.#notify("READY=1");
  }

  /** It stops, and may take `graceMs` for it: longer perhaps than the manager would wait. */
  stopping(graceMs: number): void {
    this.#notify("STOPPING=1", `EXTEND_TIMEOUT_USEC=${(graceMs + stopMarginMs) * 1000}`);
  }

  /** Sends no more status, and feeds the watchdog no more. */
  end(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms).unref());
  }

  #notify(...lines: readonly string[]): void {
    if (this.#send === undefined) return;
    if (this.#unsent.length < maxUnsent) this.#unsent.push(Buffer.from(lines.join("\n")));
    if (this.#again === undefined) this.#flush();
  }

  #flush(): void {
    this.#again = undefined;
    for (let [first] = this.#unsent; first !== undefined; [first] = this.#unsent) {
      if (this.#send?.(first) === true) this.#attempts = 0;
      else if (++this.#attempts < maxAttempts) {
        this.#again = setTimeout(() => this.#flush(), againMs).unref();
        return;
      } else {
        if (!this.#isGivenUp) this.#log.warn("the service manager does not accept notifications");
        this.#isGivenUp = true;
        this.#attempts = 0;
      }
      this.#unsent.shift();
    }
  }
}

/** How often the watchdog is to be fed, milliseconds: twice in its time (sd_watchdog_enabled(3)). Undefined: this process has none. */
export function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: Environment, pid: number): number | undefined {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  if (WATCHDOG_USEC === undefined || !/^[1-9]\d{0,14}$/.test(WATCHDOG_USEC)) return undefined;
  // A timer takes no more than 2^31 ms.
  return Math.min(Math.max(1, Number(WATCHDOG_USEC) / 2000), 2 ** 30);
}

/** What sends to that address: a path, or @NAME for an abstract socket. Undefined if that can't be done. */
function sender(address: string): Send | undefined {
  const name = Buffer.from(address);
  const isFit = /^[/@]./.test(address) && name.length < maxPathBytes;
  if (!isFit) return undefined;
  const libc = libcOf({
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    sendto: {
      args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
      returns: FFIType.i64_fast,
    },
  });
  const fd = libc?.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0) ?? -1;
  if (libc === undefined || fd < 0) return undefined;
  const isAbstract = address.startsWith("@");
  if (isAbstract) name[0] = 0;
  // A path ends with a zero byte; an abstract name ends where the address does.
  const to = new Uint8Array(familyBytes + name.length + (isAbstract ? 0 : 1));
  new Uint16Array(to.buffer, 0, 1)[0] = AF_UNIX;
  to.set(name, familyBytes);
  return (message) =>
    Number(libc.sendto(fd, ptr(message), message.length, MSG_NOSIGNAL, ptr(to), to.length)) ===
    message.length;
}
