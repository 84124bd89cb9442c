// Which of many sockets can be read, through epoll(7), level-triggered: beside Bun's own, which has them too, but not for reading while
// they are paused. Linux alone.

import { FFIType, ptr } from "bun:ffi";
import type { Readiness } from "../session/polling.ts";
import { libcOf } from "./libc.ts";

/** <sys/epoll.h>. */
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x1;
const EPOLLERR = 0x8;
const EPOLLHUP = 0x10;
const EPOLLRDHUP = 0x2000;
const over = EPOLLERR | EPOLLHUP | EPOLLRDHUP;

/** `struct epoll_event`: the events, and 64 bits of our own, which are packed on x86-64 alone. In units of 32 bits. */
const [eventSize, dataAt] = process.arch === "x64" ? [3, 1] : [4, 2];
/** So many are asked for at a time. */
const mostEvents = 4096;

export class Epoll implements Readiness {
  readonly #libc = libcOf({
    epoll_create1: { args: [FFIType.i32], returns: FFIType.i32 },
    epoll_ctl: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
    epoll_wait: { args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  readonly #descriptor = this.#libc?.epoll_create1(EPOLL_CLOEXEC) ?? -1;
  readonly #events = new Int32Array(mostEvents * eventSize);
  readonly #event = new Int32Array(eventSize);

  add(descriptor: number): boolean {
    this.#event[0] = EPOLLIN | EPOLLRDHUP;
    this.#event[dataAt] = descriptor;
    return this.#control(EPOLL_CTL_ADD, descriptor);
  }

  remove(descriptor: number): void {
    this.#control(EPOLL_CTL_DEL, descriptor);
  }

  poll(readable: (descriptor: number) => void, ended: (descriptor: number) => void): void {
    if (this.#libc === undefined || this.#descriptor < 0) return;
    const count = this.#libc.epoll_wait(this.#descriptor, ptr(this.#events), mostEvents, 0);
    for (let at = 0; at < count * eventSize; at += eventSize) {
      const descriptor = this.#events[at + dataAt];
      if ((this.#events[at] & over) !== 0) ended(descriptor);
      else readable(descriptor);
    }
  }

  #control(operation: number, descriptor: number): boolean {
    if (this.#libc === undefined || this.#descriptor < 0 || descriptor < 0) return false;
    return this.#libc.epoll_ctl(this.#descriptor, operation, descriptor, ptr(this.#event)) === 0;
  }
}
