// How bytes are read from a broadcaster that sends faster than it is read. Usually each read is an event, with a buffer of its
// own that is copied to its place. Where much more is ready to be read, it is read right into that place, a limited amount at
// a time, so that the event loop serves others in between; once little is left, events take over again. A connection whose
// `available` is always 0 (TLS) is never read like that.
//
//   events --a flood--> turns --little left--> events

import type { Clock, Timer } from "../relay/clock.ts";
import type { Receive } from "../relay/ring.ts";
import type { Connection } from "./connection.ts";

/** So many bytes ready to be read are a flood. */
export const floodBytes = 128 * 1024;
/** A turn is at most so many reads, each of which ends with a segment of the ring at the latest. */
const readsATurn = 4;
/** It ends once what was read took so long, milliseconds: bytes can be made such that they take long to follow. */
const turnMs = 2;
/** One read is so many bytes at the most, the fewer the longer they take. */
const mostReadBytes = 1024 * 1024;
const leastReadBytes = 16 * 1024;

export class Intake {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #fill: (receive: Receive) => number;
  readonly #receive: Receive;
  #next: Timer | undefined;
  #readBytes = mostReadBytes;

  /** `fill` has `receive` write where the bytes are to be; gives how many they were, 0 if none are wanted. */
  constructor(connection: Connection, clock: Clock, fill: (receive: Receive) => number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#fill = fill;
    this.#receive = (into, offset, length) =>
      connection.receive(into, offset, Math.min(length, this.#readBytes));
  }

  /** Much has come by an event: looks whether there is a flood behind it. */
  look(): void {
    if (this.#next !== undefined || this.#connection.available() < floodBytes) return;
    this.#connection.pause();
    this.#soon();
  }

  /** What came by an event took so long: if that was long, others have their turns before the next. */
  rest(tookMs: number): void {
    if (this.#next !== undefined || tookMs < turnMs) return;
    this.#connection.pause();
    this.#next = this.#clock.after(0, () => {
      this.#next = undefined;
      this.#connection.resume();
    });
  }

  /** What still comes is read by events. */
  stop(): void {
    if (this.#next === undefined) return;
    this.#next.cancel();
    this.#next = undefined;
    this.#connection.resume();
  }

  #soon(): void {
    this.#next = this.#clock.after(0, () => this.#turn());
  }

  #turn(): void {
    try {
      this.#read();
    } catch (error) {
      // A bug costs the one connection, here as where events tell of its bytes.
      this.#next = undefined;
      this.#connection.reset();
      throw error;
    }
  }

  #read(): void {
    const startMs = this.#clock.nowMs();
    let beforeMs = startMs;
    for (let reads = 0; reads < readsATurn && beforeMs - startMs < turnMs; reads++) {
      if (this.#connection.available() < floodBytes || this.#fill(this.#receive) === 0) return this.stop();
      // To fill can also be the end of it all.
      if (this.#next === undefined) return;
      const nowMs = this.#clock.nowMs();
      const isLong = nowMs - beforeMs > turnMs / 2;
      this.#readBytes = isLong
        ? Math.max(leastReadBytes, this.#readBytes / 2)
        : Math.min(mostReadBytes, this.#readBytes * 2);
      beforeMs = nowMs;
    }
    this.#soon();
  }
}
