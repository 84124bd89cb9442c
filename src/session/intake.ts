// How bytes are taken from a connection that sends faster than it is read, such that one event costs others little, and many
// connections no more than one. Usually each read is an event, with a buffer of its own, and all of it is taken at once. Where
// that takes long, the rest is held, and taken in turns that all connections share; so it is where it can't be taken yet. Where
// much more is ready to be read, it is read right into its place, in such turns too; once little is left, events take over again.
// A connection whose `available` is always 0 (TLS) is never read like that. While it waits for a turn it is paused.
//
//   events --a rest, a flood--> turns --nothing held, little left--> events
//
// While the process is busy it is paused too, and polled (polling.ts): a turn is then what is more than a poll takes.

import type { Clock } from "../relay/clock.ts";
import type { Receive } from "../relay/ring.ts";
import type { Connection } from "./connection.ts";
import { HeldBytes } from "./heldbytes.ts";
import type { Services } from "./services.ts";

/** What is read of a connection; of one whose bytes are not all of the stream, as many as are. */
export type Source = Pick<Connection, "available" | "receive" | "pause" | "resume" | "reset">;
/** What all intakes of a server share. */
export type IntakeServices = Pick<Services, "clock" | "turns" | "polling">;

export interface Taking {
  /** Takes the first of the bytes, at most what is quickly done; gives how many, 0 if none can be taken before `go`. */
  take(bytes: Uint8Array): number;
  /** Has `receive` write where the bytes are to be; gives how many they were, 0 if none are wanted. */
  fill(receive: Receive): number;
}

/** So many bytes ready to be read are a flood. */
export const floodBytes = 128 * 1024;
/** At most so many bytes are taken before the time is looked at. */
const takenAtOnceBytes = 128 * 1024;
/** After so many bytes a turn or a poll is over: others wait for theirs. */
const turnBytes = 1024 * 1024;
/** It is over once what was read took so long, too, milliseconds: bytes can be made such that they take long to follow. */
const turnMs = 2;
/** One read is so many bytes at the most, the fewer the longer they take, and ends with a segment of the ring. */
const mostReadBytes = 1024 * 1024;
const leastReadBytes = 16 * 1024;

export class Intake {
  readonly #source: Source;
  readonly #clock: Clock;
  readonly #turns: Services["turns"];
  readonly #polling: Services["polling"];
  readonly #taking: Taking;
  readonly #receive: Receive;
  readonly #held = new HeldBytes();
  #readBytes = mostReadBytes;
  /** When the last read ended. */
  #readMs = 0;
  #isPaused = false;
  #isWaiting = false;
  #isPolled = false;
  /** Where it can be polled. */
  #descriptor: number | undefined;
  /** Whether the last read got less than it had room for: there was no more. */
  #isShort = true;
  #isOver = false;
  /** The peer's end, which came behind what is held. */
  #ended: (() => void) | undefined;

  constructor(source: Source, { clock, turns, polling }: IntakeServices, taking: Taking) {
    this.#source = source;
    this.#clock = clock;
    this.#turns = turns;
    this.#polling = polling;
    this.#taking = taking;
    this.#receive = (into, offset, length) => {
      const most = Math.min(length, this.#readBytes);
      const bytes = source.receive(into, offset, most);
      this.#isShort = bytes < most;
      return bytes;
    };
  }

  /** From now on it can be polled, at its connection's `descriptor`: all that comes is of the stream, and `fill` takes it. */
  allowPolling(descriptor: number): void {
    this.#descriptor = descriptor;
    this.#polling.add(descriptor, this);
  }

  startPolling(): void {
    this.#isPolled = true;
    this.#pause();
  }

  stopPolling(): void {
    this.#isPolled = false;
    if (!this.#isWaiting && this.#held.length === 0) this.#resume();
  }

  /** Reads what has come; gives how many bytes. */
  poll(): number {
    if (this.#isOver || this.#isWaiting || this.#held.length > 0) return 0;
    try {
      const bytes = this.#taking.fill(this.#receive);
      // Nearly always it is a little, and there is no more.
      const isAll = bytes === 0 || this.#isOver || (this.#isShort && bytes <= leastReadBytes);
      return isAll ? bytes : bytes + this.#pollOn(bytes);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Reads what came before the peer's end. */
  pollLast(): void {
    if (this.#source.available() > 0) this.poll();
  }

  /** Reads more than the first so many bytes. */
  #pollOn(firstBytes: number): number {
    const startMs = this.#clock.nowMs();
    let nowMs = startMs;
    let bytes = 0;
    do {
      const read = this.#readOnce(nowMs);
      bytes += read;
      if (read === 0 || this.#isShort || this.#isOver) return bytes;
      nowMs = this.#readMs;
    } while (firstBytes + bytes < turnBytes && nowMs - startMs < turnMs);
    this.look();
    return bytes;
  }

  /** An event brought `bytes`. Where much has come there may be a flood behind it. */
  event(bytes: Uint8Array): void {
    if (this.#isOver) return;
    let at = 0;
    if (this.#held.length === 0 && !this.#isWaiting) {
      let taken = 0;
      do {
        // Nearly always it is all of it.
        taken = this.#taking.take(
          bytes.length <= takenAtOnceBytes && at === 0 ? bytes : bytes.subarray(at, at + takenAtOnceBytes),
        );
        if (this.#isOver) return;
        at += taken;
      } while (at < bytes.length && taken > 0 && this.#turns.hasTime());
      if (at < bytes.length && taken > 0) this.#wait();
    }
    if (at < bytes.length) this.#hold(bytes.subarray(at));
    else if (bytes.length >= floodBytes) this.look();
  }

  /** The peer's end, behind all that came: `act` is called once that is taken. */
  ended(act: () => void): void {
    if (this.#held.length > 0) this.#ended = act;
    else act();
  }

  /** What is held can be taken now. */
  go(): void {
    if (this.#held.length > 0) this.#wait();
  }

  /** Looks whether there is a flood. */
  look(): void {
    if (this.#source.available() >= floodBytes) this.#wait();
  }

  /** Nothing is taken any more. */
  stop(): void {
    this.#isOver = true;
    this.#held.clear();
    this.#ended = undefined;
    this.#isWaiting = false;
    this.#isPolled = false;
    if (this.#descriptor !== undefined) this.#polling.delete(this.#descriptor);
    this.#descriptor = undefined;
    this.#resume();
  }

  /** Takes its turn. */
  turn(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#guard(() => {
      if (this.#held.length > 0) this.#takeHeld();
      else this.#read();
    });
  }

  /** A bug costs the one connection, here as where events tell of its bytes. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.#isOver = true;
    this.#source.reset();
    throw error;
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#source.pause();
  }

  #resume(): void {
    if (!this.#isPaused || this.#isPolled) return;
    this.#isPaused = false;
    this.#source.resume();
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#pause();
    this.#turns.add(this);
  }

  #hold(bytes: Uint8Array): void {
    this.#pause();
    if (this.#held.add(bytes)) return;
    this.#isOver = true;
    this.#source.reset();
  }

  #takeHeld(): void {
    const taken = this.#taking.take(this.#held.first(takenAtOnceBytes));
    if (this.#isOver) return;
    this.#held.drop(taken);
    if (this.#held.length > 0) {
      if (taken > 0) this.#wait();
      return;
    }
    const ended = this.#ended;
    this.#ended = undefined;
    if (ended !== undefined) return ended();
    this.look();
    if (!this.#isWaiting) this.#resume();
  }

  #read(): void {
    const startMs = this.#clock.nowMs();
    let nowMs = startMs;
    let bytes = 0;
    do {
      const read = this.#source.available() < floodBytes ? 0 : this.#readOnce(nowMs);
      if (read === 0) return this.#resume();
      // To fill can also be the end of it all.
      if (this.#isOver) return;
      bytes += read;
      nowMs = this.#readMs;
    } while (bytes < turnBytes && nowMs - startMs < turnMs);
    this.#wait();
  }

  /** Reads at `startMs`, which is now. Gives how many bytes it has read; `#readMs` is when that was done. */
  #readOnce(startMs: number): number {
    const bytes = this.#taking.fill(this.#receive);
    this.#readMs = this.#clock.nowMs();
    const isLong = this.#readMs - startMs > turnMs / 2;
    this.#readBytes = isLong
      ? Math.max(leastReadBytes, this.#readBytes / 2)
      : Math.min(mostReadBytes, this.#readBytes * 2);
    return bytes;
  }
}
