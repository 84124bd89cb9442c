// How bytes are read from a broadcaster that sends faster than it is read. Usually each read is an event, with a buffer of its
// own that is copied to its place. Where much more is ready to be read, it is read right into that place, a limited amount at
// a time, so that the event loop serves others in between; once little is left, events take over again. A connection whose
// `available` is always 0 (TLS) is never read like that.
//
//   events --a flood--> turns --little left--> events

import type { Clock, Timer } from "../relay/clock.ts";
import type { Receive } from "../relay/ring.ts";
import type { Connection } from "./connection.ts";

/** What is read of a connection; of one whose bytes are not all of the stream, as many as are. */
export type Source = Pick<Connection, "available" | "receive" | "pause" | "resume" | "reset">;

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
  readonly #source: Source;
  readonly #clock: Clock;
  readonly #fill: (receive: Receive) => number;
  readonly #receive: Receive;
  #next: Timer | undefined;
  #readBytes = mostReadBytes;

  /** `fill` has `receive` write where the bytes are to be; gives how many they were, 0 if none are wanted. */
  constructor(source: Source, clock: Clock, fill: (receive: Receive) => number) {
    this.#source = source;
    this.#clock = clock;
    this.#fill = fill;
    this.#receive = (into, offset, length) => source.receive(into, offset, Math.min(length, this.#readBytes));
  }

  /**
   * An event brought `bytes` bytes, which `take` takes; false: no more are wanted. Where much has come there may be a flood
   * behind it; if it took long, others have their turns before the next event.
   */
  event(bytes: number, take: () => boolean): void {
    const startMs = this.#clock.nowMs();
    if (!take()) return;
    if (bytes >= floodBytes) this.look();
    this.#rest(this.#clock.nowMs() - startMs);
  }

  /** Looks whether there is a flood. */
  look(): void {
    if (this.#next !== undefined || this.#source.available() < floodBytes) return;
    this.#source.pause();
    this.#soon();
  }

  #rest(tookMs: number): void {
    if (this.#next !== undefined || tookMs < turnMs) return;
    this.#source.pause();
    this.#next = this.#clock.after(0, () => {
      this.#next = undefined;
      this.#source.resume();
    });
  }

  /** What still comes is read by events. */
  stop(): void {
    if (this.#next === undefined) return;
    this.#next.cancel();
    this.#next = undefined;
    this.#source.resume();
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
      this.#source.reset();
      throw error;
    }
  }

  #read(): void {
    const startMs = this.#clock.nowMs();
    let beforeMs = startMs;
    for (let reads = 0; reads < readsATurn && beforeMs - startMs < turnMs; reads++) {
      if (this.#source.available() < floodBytes || this.#fill(this.#receive) === 0) return this.stop();
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
