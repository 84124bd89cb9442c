// One channel, several watchers whose sockets do as they please, and whatever can happen to a broadcast, at random but
// the same for the same seed; all of it held against the plain history of the channel's bytes.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import type { RelayOptions } from "../../src/relay/relay.ts";
import { segmentSize } from "../../src/relay/ring.ts";
import type { StartPoint } from "../../src/relay/watcher.ts";
import { random } from "../media/recorder.ts";
import type { FakeOutlet, Run } from "./outlet.ts";
import { options, Rig, type Sender } from "./rig.ts";
import { opaque, sniffedBytes } from "./streams.ts";

const reset = new FstreamError("disconnected", "the connection was reset");
/** What every channel gets to carry, from its first byte on. */
const history = opaque(12 * 2 ** 20);

/** A broadcast as history has it. */
interface Past {
  readonly from: number;
  to: number;
  readonly bufsize: number;
}

/** A channel from its first broadcast to its end; the next one of that name counts from 0 again. */
interface Epoch {
  readonly broadcasts: Past[];
  head: number;
}

interface Subject {
  readonly outlet: FakeOutlet;
  readonly start: StartPoint;
  /** How much it takes at a time; Infinity: always everything. */
  readonly appetite: number;
  epoch: Epoch;
  gone: boolean;
  /** The head when it came, undefined where it waited. */
  readonly cameAt: number | undefined;
}

interface Play {
  readonly seed: number;
  readonly changes: Partial<RelayOptions>;
  readonly bufsizes: readonly number[];
  readonly largest: number;
  /** The ring may be too small even to find out what a stream is. */
  readonly tight?: boolean;
  /** The ring is so large that who is behind is served in turns. */
  readonly turns?: boolean;
}

class Model {
  readonly rig: Rig;
  readonly subjects: Subject[] = [];
  readonly #play: Play;
  readonly #next: (below: number) => number;
  #epoch: Epoch = { broadcasts: [], head: 0 };
  #sender: Sender | undefined;
  #heldUntilMs = 0;

  constructor(play: Play) {
    this.#play = play;
    this.#next = random(play.seed);
    this.rig = new Rig(play.changes);
  }

  run(turns: number): void {
    for (let turn = 0; turn < turns; turn++) {
      const what = this.#next(100);
      if (what < 55) this.#append();
      else if (what < 70) this.#feedWatchers();
      else if (what < 85) this.#pass(this.#next(600));
      else if (what < 91) this.#come();
      else if (what < 93) this.#go();
      else if (what < 96) this.#begin();
      else if (what < 98) this.#end();
      else this.#pass(this.#next(30_000));
      this.#checkMemory();
    }
  }

  /** Everything ends, and whoever can take bytes gets them. */
  finish(): void {
    if (this.#sender !== undefined) {
      this.#sender.finish();
      this.#sender = undefined;
    }
    this.#pass(40_000);
    for (const { outlet, gone } of this.subjects) if (!gone && outlet.end === undefined) outlet.give(1e9);
    this.#pass(1_000_000);
    expect(this.rig.relay.backlogBytes).toBe(0);
    expect(this.rig.channels).toBe(0);
    expect(this.rig.clock.pending).toBe(0);
    for (const { outlet, gone } of this.subjects) expect(gone || outlet.end !== undefined).toBe(true);
  }

  check(): void {
    for (const subject of this.subjects) this.#check(subject);
  }

  #pass(ms: number): void {
    this.rig.clock.advance(ms);
    if (this.#sender === undefined && this.#heldUntilMs < this.rig.clock.nowMs() + 300) this.#close();
  }

  /** Nobody returns in time: the channel is over at a sweep, and the next broadcast is another one's. */
  #close(): void {
    this.rig.clock.advance(Math.max(0, this.#heldUntilMs - this.rig.clock.nowMs()) + 300);
    if (this.#epoch.broadcasts.length > 0) this.#epoch = { broadcasts: [], head: 0 };
  }

  #begin(): void {
    const bufsize = this.#play.bufsizes[this.#next(this.#play.bufsizes.length)];
    const { head, broadcasts } = this.#epoch;
    for (const subject of this.subjects) {
      if (subject.outlet.end === undefined && subject.outlet.receivedBytes === 0) subject.epoch = this.#epoch;
    }
    const refused = this.rig.refusal(() => {
      this.#sender = this.rig.broadcast({ bufsize });
    });
    if (refused !== undefined) {
      // A channel that drains has all the memory there is.
      expect([refused, broadcasts.length]).toEqual(["limit", 0]);
      return;
    }
    broadcasts.push({ from: head, to: head, bufsize });
    // What is too short to be known is another test's business.
    if (bufsize === 0) this.#send(sniffedBytes);
  }

  #append(): void {
    this.#send(this.#next(4) === 0 ? this.#next(this.#play.largest) : this.#next(2000));
  }

  #send(length: number): void {
    if (this.#sender === undefined) return;
    const { head, broadcasts } = this.#epoch;
    this.#epoch.head += length;
    (broadcasts.at(-1) as Past).to = this.#epoch.head;
    if (this.#epoch.head > history.length) throw new Error("the history is too short for this play");
    const bytes = history.subarray(head, head + length);
    if (this.#next(3) === 0) this.#sender.pour(bytes);
    else this.#sender.send(bytes);
  }

  #end(): void {
    if (this.#sender === undefined) return;
    const { holdMs, holdEndedMs } = { ...options, ...this.#play.changes };
    const inOrder = this.#next(2) === 0;
    if (inOrder) this.#sender.finish();
    else this.#sender.break(reset);
    this.#sender = undefined;
    const forMs = inOrder ? holdEndedMs : holdMs;
    this.#heldUntilMs = this.rig.clock.nowMs() + forMs;
    if (forMs === 0) this.#close();
  }

  #come(): void {
    if (this.subjects.filter(({ gone, outlet }) => !gone && outlet.end === undefined).length > 8) return;
    const starts: StartPoint[] = [
      { type: "join" },
      { type: "next" },
      { type: "back", ms: this.#next(20_000) },
    ];
    const start = starts[this.#next(starts.length)];
    const appetite = this.#next(3) === 0 ? Number.POSITIVE_INFINITY : 1 + this.#next(20_000);
    const outlet = this.rig.watch({ start, room: appetite, waitMs: 60_000 });
    // Some sockets cost so much that the fan-out gathers bytes.
    if (this.#next(3) === 0) outlet.onWrite = () => this.rig.clock.spend(this.#next(8));
    const cameAt = this.#sender === undefined ? undefined : this.#epoch.head;
    this.subjects.push({ outlet, start, appetite, epoch: this.#epoch, gone: false, cameAt });
  }

  #go(): void {
    const there = this.subjects.filter(({ gone, outlet }) => !gone && outlet.end === undefined);
    if (there.length === 0) return;
    const subject = there[this.#next(there.length)];
    if (this.#next(2) === 0) subject.outlet.gone = true;
    subject.gone = true;
    subject.outlet.watcher.leave();
  }

  #feedWatchers(): void {
    for (const { outlet, appetite, gone } of this.subjects) {
      if (gone || outlet.end !== undefined || !Number.isFinite(appetite)) continue;
      const kind = this.#next(4);
      if (kind === 0) outlet.give(appetite);
      else if (kind === 1) outlet.give(1 + this.#next(appetite));
      else if (kind === 2 && outlet.room === 0) outlet.drainForNothing();
    }
  }

  #checkMemory(): void {
    const { maxBacklogTotalBytes, backlogBytes } = { ...options, ...this.#play.changes };
    const { backlogBytes: held } = this.rig.relay;
    expect(held).toBeLessThanOrEqual(maxBacklogTotalBytes);
    const draining = this.subjects.filter(({ epoch, gone, outlet }) => {
      return epoch !== this.#epoch && !gone && outlet.end === undefined;
    });
    // A channel that drains has a ring too, and as much again may be kept for who was lapped in a unit.
    const ringBytes = backlogBytes + segmentSize(backlogBytes);
    expect(held).toBeLessThanOrEqual((1 + draining.length) * 2 * ringBytes);
    if (this.#epoch.broadcasts.length > 0) expect(held).toBeGreaterThan(0);
  }

  #check({ outlet, epoch, start, appetite, gone, cameAt }: Subject): void {
    const { runs } = outlet;
    for (const { from, bytes } of runs) {
      if (Buffer.compare(bytes, history.subarray(from, from + bytes.length)) !== 0) {
        throw new Error(`bytes from ${from} on are not those of the channel`);
      }
    }
    const broadcastOf = (offset: number) => epoch.broadcasts.findLast(({ from }) => from <= offset) as Past;
    const onBoundary = (offset: number) => {
      const { from, bufsize } = broadcastOf(offset);
      return bufsize === 0 || (offset - from) % bufsize === 0;
    };
    const endsThere = (offset: number) => epoch.broadcasts.some(({ to }) => to === offset);
    let last = -1;
    for (const { from, bytes } of runs) {
      expect(from).toBeGreaterThan(last);
      expect(onBoundary(from)).toBe(true);
      last = from + bytes.length;
    }
    // It leaves off at a unit's end, or at a broadcast's.
    for (const { from, bytes } of runs.slice(0, -1)) {
      const to = from + bytes.length;
      expect(endsThere(to) || onBoundary(to)).toBe(true);
    }
    expect(last).toBeLessThanOrEqual(epoch.head);
    if (Number.isFinite(appetite)) return;
    // Who always takes everything misses nothing from its first byte on.
    const { tight = false, turns = false } = this.#play;
    const gaps = runs.slice(1).filter((run, i) => {
      const between = endsThere(runEnd(runs[i]));
      const { from, bufsize } = broadcastOf(run.from);
      // It waited to know what the stream is, and the ring did not.
      if (tight && between && bufsize === 0) return false;
      // It waited for its turn while there were two takeovers.
      return !(turns && between && run.from === from);
    });
    expect(gaps).toEqual([]);
    if (gone || outlet.ending === "not_live" || runs.length === 0) return;
    expect(last).toBe(epoch.head);
    if (cameAt === undefined) return;
    const { from, bufsize } = broadcastOf(runs[0].from);
    // Who comes before it is known what the stream is gets it from its first byte.
    if (bufsize === 0 && runs[0].from === from) return;
    if (start.type === "join") expect(runs[0].from).toBeLessThanOrEqual(cameAt);
    if (start.type === "next") expect(runs[0].from).toBeGreaterThanOrEqual(cameAt);
  }
}

function runEnd({ from, bytes }: Run): number {
  return from + bytes.length;
}

function plays(count: number, of: Omit<Play, "seed">): void {
  for (let seed = 1; seed <= count; seed++) {
    test(`seed ${seed}`, () => {
      const model = new Model({ ...of, seed });
      model.run(1200);
      model.finish();
      model.check();
    });
  }
}

describe("an opaque channel at random", () => {
  plays(12, { changes: {}, bufsizes: [0], largest: 30_000 });
});

describe("a channel of chunks at random", () => {
  plays(12, { changes: { joinTimeoutMs: 1e9 }, bufsizes: [1000, 4096, 9999, 32_768], largest: 30_000 });
});

describe("a channel of both at random, with a lag limit and a hold after orderly ends", () => {
  plays(12, {
    changes: { joinTimeoutMs: 1e9, maxLagMs: 5000, holdEndedMs: 3000 },
    bufsizes: [0, 777, 20_000],
    largest: 90_000,
  });
});

describe("a channel at random, with a backlog that takes many turns to send", () => {
  plays(4, {
    changes: { joinTimeoutMs: 1e9, backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24 },
    bufsizes: [0, 20_000, 400_000],
    largest: 90_000,
    turns: true,
  });
});

describe("a channel at random, with little memory left for its ring", () => {
  plays(6, {
    changes: { joinTimeoutMs: 1e9, maxBacklogTotalBytes: 5 * 4096 },
    bufsizes: [0, 1000],
    largest: 3000,
    tight: true,
  });
});
