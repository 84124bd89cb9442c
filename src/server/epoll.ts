// Which of many sockets can be read, through epoll(7), level-triggered: beside Bun's own, which has them too, but not for reading while
// they are paused. An epoll can be watched by another: so who waits for these sockets learns when Bun has something to do. Linux alone.

import { FFIType, ptr } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
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
  /** Bun's, before this one is there: one of them is its event loop's. */
  readonly #others = openEpolls();
  /** The event loop's; -1: it can't be told. Undefined as long as nobody has asked. */
  #loop: number | undefined;
  readonly #descriptor = this.#libc?.epoll_create1(EPOLL_CLOEXEC) ?? -1;
  readonly #events = new Int32Array(mostEvents * eventSize);
  /** Of so large an array it stays the same. */
  readonly #eventsAt = ptr(this.#events);
  readonly #event = new Int32Array(eventSize);

  add(descriptor: number): boolean {
    return this.#add(descriptor, EPOLLIN | EPOLLRDHUP);
  }

  remove(descriptor: number): void {
    this.#control(EPOLL_CTL_DEL, descriptor);
  }

  watchEvents(descriptor: number): boolean {
    this.#loop ??= this.#others.find((other) => watches(other, descriptor)) ?? -1;
    return this.#add(this.#loop, EPOLLIN);
  }

  ignoreEvents(): void {
    this.remove(this.#loop ?? -1);
  }

  wait(ms: number, readable: (descriptor: number) => void, ended: (descriptor: number) => void): boolean {
    if (this.#libc === undefined || this.#descriptor < 0) return true;
    const count = this.#libc.epoll_wait(this.#descriptor, this.#eventsAt, mostEvents, ms);
    // A signal came between: it is the event loop's.
    let hasEvents = count < 0;
    for (let at = 0; at < count * eventSize; at += eventSize) {
      const descriptor = this.#events[at + dataAt];
      if (descriptor === this.#loop) hasEvents = true;
      else if ((this.#events[at] & over) !== 0) ended(descriptor);
      else readable(descriptor);
    }
    return hasEvents;
  }

  #add(descriptor: number, events: number): boolean {
    this.#event[0] = events;
    this.#event[dataAt] = descriptor;
    return this.#control(EPOLL_CTL_ADD, descriptor);
  }

  #control(operation: number, descriptor: number): boolean {
    if (this.#libc === undefined || this.#descriptor < 0 || descriptor < 0) return false;
    return this.#libc.epoll_ctl(this.#descriptor, operation, descriptor, ptr(this.#event)) === 0;
  }
}

/** The descriptors of what this process has open of epoll(7), see proc_pid_fd(5). */
function openEpolls(): number[] {
  try {
    const names = readdirSync("/proc/self/fd").filter((name) => isEpoll(name));
    return names.map(Number);
  } catch {
    return [];
  }
}

function isEpoll(name: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${name}`) === "anon_inode:[eventpoll]";
  } catch {
    // It was what the folder was read by.
    return false;
  }
}

/** Whether `epoll` watches `descriptor`, see proc_pid_fdinfo(5). */
function watches(epoll: number, descriptor: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1");
    return new RegExp(`^tfd: +${descriptor} `, "m").test(info);
  } catch {
    return false;
  }
}
