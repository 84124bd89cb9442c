// Carries out operations (operations.ts) on a relay whose clock stands still, with watchers whose sockets do as they please.
// What holds whatever the stream is is checked here; what a watcher may have received is for those that know the stream
// (model.test.ts, flvmodel.test.ts).

import { expect } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import type { RelayOptions } from "../../src/relay/relay.ts";
import { reserveOf } from "../../src/relay/ring.ts";
import type { Arrival, Operation } from "./operations.ts";
import type { FakeOutlet } from "./outlet.ts";
import { options, Rig, type Sender } from "./rig.ts";

/** The bytes of one broadcast. */
export interface Source {
  readonly bufsize: number;
  /** Sent right at the beginning: enough to know what it is. */
  readonly firstBytes: number;
  /** The next bytes. */
  take(bytes: number): Uint8Array;
}

/** A broadcast as it was. */
export interface Past<S extends Source> {
  readonly source: S;
  readonly password: string;
  readonly from: number;
  to: number;
}

/** A channel from its first broadcast to its end; the next one of that name counts from 0 again. */
export interface Epoch<S extends Source> {
  readonly broadcasts: Past<S>[];
  head: number;
}

/** A watcher. */
export interface Subject<S extends Source> {
  readonly outlet: FakeOutlet;
  readonly arrival: Arrival;
  /** Whether it takes everything at once, without a fault. */
  readonly takesAll: boolean;
  epoch: Epoch<S>;
  /** It left, or its socket refused. */
  gone: boolean;
  /** The head when it came, undefined where it waited. */
  readonly cameAt: number | undefined;
}

const reset = new FstreamError("disconnected", "the connection was reset");
const bug = new Error("a bug");

export class Simulation<S extends Source> {
  readonly rig: Rig;
  readonly subjects: Subject<S>[] = [];
  readonly #options: RelayOptions;
  readonly #source: (kind: number, head: number) => S;
  #epoch: Epoch<S> = { broadcasts: [], head: 0 };
  #sender: Sender | undefined;
  #heldUntilMs = 0;
  #bugs = 0;

  /** `source` gives the bytes of a new broadcast of some kind, which begins at `head`. */
  constructor(changes: Partial<RelayOptions>, source: (kind: number, head: number) => S) {
    this.rig = new Rig(changes);
    this.#options = { ...options, ...changes };
    this.#source = source;
  }

  /** Carries them out, ends everything, and lets those that can take bytes take them. */
  run(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.#do(operation);
      this.#check();
    }
    this.#sender?.finish();
    this.#sender = undefined;
    this.#pass(40_000);
    for (const subject of this.#present()) subject.outlet.give(1e9);
    this.#pass(1_000_000);
    expect(this.rig.relay.backlogBytes).toBe(0);
    expect(this.rig.channels).toBe(0);
    expect(this.rig.clock.pending).toBe(0);
    expect(this.rig.failures.length).toBe(this.#bugs);
    for (const { outlet, gone } of this.subjects) expect(gone || outlet.end !== undefined).toBe(true);
  }

  #do(operation: Operation): void {
    switch (operation.do) {
      case "begin":
        return this.#begin(operation.kind, operation.password);
      case "send":
        return this.#send(operation.bytes, operation.isPoured);
      case "end":
        return this.#end(operation.isOrderly);
      case "watch":
        return this.#come(operation);
      case "take":
        return this.#take(operation.watcher, operation.bytes);
      case "catchUp":
        return this.#catchUp(operation.watcher);
      case "leave":
        return this.#leave(operation.watcher);
      case "pass":
        return this.#pass(operation.ms);
      default:
        return operation satisfies never;
    }
  }

  #pass(ms: number): void {
    this.rig.clock.advance(ms);
    if (this.#sender === undefined && this.#heldUntilMs < this.rig.clock.nowMs() + 300) this.#close();
  }

  /** No broadcaster returns in time: the channel is over at a sweep, and the next broadcast is another one's. */
  #close(): void {
    this.rig.clock.advance(Math.max(0, this.#heldUntilMs - this.rig.clock.nowMs()) + 300);
    if (this.#epoch.broadcasts.length > 0) this.#epoch = { broadcasts: [], head: 0 };
  }

  #begin(kind: number, password: string): void {
    const { head, broadcasts } = this.#epoch;
    for (const subject of this.#present()) {
      if (subject.outlet.receivedBytes === 0) subject.epoch = this.#epoch;
    }
    const watching = this.#present().filter(({ epoch }) => epoch === this.#epoch);
    const source = this.#source(kind, head);
    const refused = this.rig.refusal(() => {
      this.#sender = this.rig.broadcast({ bufsize: source.bufsize, password });
    });
    if (refused !== undefined) {
      // A channel that drains has all the memory there is.
      expect([refused, broadcasts.length]).toEqual(["limit", 0]);
      return;
    }
    for (const { outlet, arrival } of watching) {
      const isRefused = password !== "" && arrival.password !== password;
      // One that has a bug ends by that if it is written to first.
      if (arrival.fault.type === "none") expect(outlet.ending === "forbidden").toBe(isRefused);
    }
    broadcasts.push({ source, password, from: head, to: head });
    if (source.firstBytes > 0) this.#send(source.firstBytes, false);
  }

  #send(length: number, isPoured: boolean): void {
    const last = this.#epoch.broadcasts.at(-1);
    if (this.#sender === undefined || last === undefined) return;
    const bytes = last.source.take(length);
    this.#epoch.head += length;
    last.to = this.#epoch.head;
    if (isPoured) this.#sender.pour(bytes);
    else this.#sender.send(bytes);
  }

  #end(isOrderly: boolean): void {
    if (this.#sender === undefined) return;
    const { holdMs, holdEndedMs } = this.#options;
    if (isOrderly) this.#sender.finish();
    else this.#sender.break(reset);
    this.#sender = undefined;
    const forMs = isOrderly ? holdEndedMs : holdMs;
    this.#heldUntilMs = this.rig.clock.nowMs() + forMs;
    if (forMs === 0) this.#close();
  }

  #come(arrival: Arrival): void {
    const { start, roomBytes, slowPolicy, password, fault, writeMs, isBatched } = arrival;
    if (this.#present().length > 8) return;
    const current = this.#epoch.broadcasts.at(-1);
    const mayWatch = current === undefined || current.password === "" || current.password === password;
    const room = roomBytes === 0 ? Number.POSITIVE_INFINITY : roomBytes;
    const { clock } = this.rig;
    const subject: { -readonly [key in keyof Subject<S>]?: Subject<S>[key] } = {};
    let writes = 0;
    const onWrite = (outlet: FakeOutlet) => {
      if (writeMs > 0) clock.spend(writeMs);
      if (fault.type === "none" || writes++ < fault.afterWrites) return;
      subject.gone = true;
      if (fault.type === "refuses") outlet.gone = true;
      else {
        this.#bugs++;
        throw bug;
      }
    };
    const refused = this.rig.refusal(() => {
      const more = { waitMs: 60_000, onWrite, isBatched };
      subject.outlet = this.rig.watch({ start, room, slowPolicy, password, ...more });
    });
    expect(refused).toBe(mayWatch ? undefined : "forbidden");
    if (subject.outlet === undefined) return;
    const { outlet } = subject;
    const cameAt = this.#sender === undefined ? undefined : this.#epoch.head;
    const takesAll = roomBytes === 0 && fault.type === "none";
    this.subjects.push(
      Object.assign(subject, {
        outlet,
        arrival,
        takesAll,
        epoch: this.#epoch,
        gone: subject.gone ?? false,
        cameAt,
      }),
    );
  }

  #take(which: number, bytes: number): void {
    const subject = this.#pick(which);
    if (subject === undefined || subject.arrival.roomBytes === 0) return;
    const { outlet, arrival } = subject;
    if (bytes > 0) outlet.give(Math.min(bytes, arrival.roomBytes));
    else if (outlet.room === 0) outlet.drainForNothing();
  }

  #catchUp(which: number): void {
    const subject = this.#pick(which);
    if (subject === undefined || subject.arrival.roomBytes === 0 || subject.epoch !== this.#epoch) return;
    const { outlet } = subject;
    outlet.give(Math.max(0, this.#epoch.head - outlet.watcher.cursor - outlet.room));
  }

  #leave(which: number): void {
    const subject = this.#pick(which);
    if (subject === undefined) return;
    subject.gone = true;
    subject.outlet.watcher.leave();
  }

  #present(): Subject<S>[] {
    return this.subjects.filter(({ gone, outlet }) => !gone && outlet.end === undefined);
  }

  #pick(which: number): Subject<S> | undefined {
    const present = this.#present();
    return present[which % Math.max(1, present.length)];
  }

  /** What holds at any time. */
  #check(): void {
    const { maxBacklogTotalBytes, backlogBytes } = this.#options;
    const { backlogBytes: held } = this.rig.relay;
    expect(held).toBeLessThanOrEqual(maxBacklogTotalBytes);
    const draining = this.subjects.filter(
      ({ epoch, outlet }) => epoch !== this.#epoch && outlet.end === undefined,
    );
    // A channel that drains has a ring too, and as much again may be kept for those that were lapped in a unit.
    const ringBytes = backlogBytes + reserveOf(backlogBytes);
    expect(held).toBeLessThanOrEqual((1 + draining.length) * 2 * ringBytes);
    if (this.#epoch.broadcasts.length > 0) expect(held).toBeGreaterThan(0);
    expect(this.rig.failures.length).toBe(this.#bugs);
    expect(this.rig.batch.problems).toEqual([]);
    for (const { outlet, arrival, gone } of this.subjects) {
      if (gone && arrival.fault.type === "throws") expect(["internal", ""]).toContain(outlet.ending);
      else expect(outlet.ending).not.toBe("internal");
      if (arrival.slowPolicy === "skip" && arrival.roomBytes === 0 && !gone)
        expect(outlet.ending).not.toBe("slow");
    }
  }
}
