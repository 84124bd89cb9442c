// When a fan-out waits for broadcasters itself, on a clock that stands still.

import { expect, test } from "bun:test";
import { FanOut, type Receivers, type Sources } from "../../src/relay/fanout.ts";
import type { Waited } from "../../src/relay/waiting.ts";
import { FakeClock } from "./clock.ts";

/** One piece in so many milliseconds, which is waited for, or told by an event. */
class Stream implements Sources {
  size = 1;
  canWait = true;
  isAwaited = false;
  /** What takes a wait. */
  everyMs = 2;
  /** Whether others have events all the time. */
  hasEvents = false;
  isComing = true;
  readonly waits: number[] = [];
  readonly calls: string[] = [];
  readonly #wake: () => void;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  start(): void {
    this.calls.push("start");
  }

  stop(): void {
    this.calls.push("stop");
  }

  poll(brought: () => void): number {
    this.#wake();
    brought();
    return 1000;
  }

  startWaiting(): boolean {
    this.calls.push("startWaiting");
    this.isAwaited = this.canWait;
    return this.canWait;
  }

  stopWaiting(): void {
    this.calls.push("stopWaiting");
    this.isAwaited = false;
  }

  wait(ms: number): Waited {
    this.waits.push(ms);
    if (this.hasEvents) {
      this.#clock.spend(0.1);
      return "events";
    }
    const hasCome = this.isComing && ms >= this.everyMs;
    this.#clock.spend(hasCome ? this.everyMs : ms);
    if (hasCome) this.#wake();
    return hasCome ? "bytes" : "nothing";
  }
}

/** A fan-out to a channel whose passes take so long, and what brings its bytes: by so many events so far. */
function waitingAfter(events: number, costMs = 0.01, minDelayMs = 0) {
  const clock = new FakeClock();
  const options = { maxDelayMs: 20, minDelayMs };
  const fanOut = new FanOut(clock, options);
  const passes: number[] = [];
  const at = { costMs, passes, clock, fanOut, options };
  const receivers: Receivers = {
    size: 1,
    gatheredBytes: 0,
    pass() {
      passes.push(clock.nowMs());
      clock.spend(at.costMs);
    },
  };
  const wake = () => fanOut.wake(receivers);
  const stream = new Stream(clock, wake);
  fanOut.sources = stream;
  for (let i = 0; i < events; i++) {
    wake();
    clock.spend(2);
  }
  passes.length = 0;
  return { ...at, at, wake, stream };
}

test("what comes often is waited for", () => {
  expect(waitingAfter(64).stream.calls).toEqual([]);
  const { stream, clock, passes } = waitingAfter(66);
  expect(stream.calls).toEqual(["startWaiting"]);
  expect(stream.waits).toEqual([]);
  clock.fireNext();
  // For as long as other things may be kept waiting.
  expect(passes.length).toBe(25);
  expect(stream.waits[0]).toBe(50);
  expect(clock.pending).toBe(1);
});

test("what comes now and then is told by events", () => {
  const { wake, stream, clock } = waitingAfter(0);
  for (let i = 0; i < 200; i++) {
    wake();
    clock.advance(i % 60 === 59 ? 21 : 5);
  }
  expect(stream.calls).toEqual([]);
});

test("where it can't be waited for, events bring it", () => {
  const { wake, stream, passes, clock } = waitingAfter(0);
  stream.canWait = false;
  for (let i = 0; i < 70; i++) {
    wake();
    clock.advance(2);
  }
  expect(stream.calls).toEqual(["startWaiting"]);
  expect(passes.length).toBe(70);
  expect(clock.pending).toBe(0);
});

test("a wait ends when something else is due, and has one look at what has come at least", () => {
  const { stream, clock, passes } = waitingAfter(66);
  stream.everyMs = 3;
  let called = 0;
  clock.after(7, () => called++);
  clock.fireNext();
  expect(passes.length).toBe(2);
  expect(stream.waits).toEqual([7, 4, 1]);
  clock.fireNext();
  expect(called).toBe(1);
  stream.waits.length = 0;
  stream.everyMs = 0;
  clock.after(0, () => called++);
  clock.fireNext();
  expect(stream.waits).toEqual([0]);
  expect(passes.length).toBe(3);
});

test("events have their turn at once, and where there are more of them than pieces they bring those too", () => {
  const { stream, clock, wake, passes } = waitingAfter(66);
  stream.hasEvents = true;
  clock.fireNext();
  expect(stream.waits.length).toBe(1);
  clock.advance(10);
  expect(stream.calls).toEqual(["startWaiting", "stopWaiting"]);
  expect(stream.waits.length).toBe(64);
  expect(clock.pending).toBe(0);
  wake();
  expect(passes.length).toBe(1);
});

test("where nothing comes any more, events tell when it does again", () => {
  const { stream, clock } = waitingAfter(66);
  stream.isComing = false;
  clock.advance(2000);
  expect(stream.isAwaited).toBe(true);
  clock.advance(2000);
  expect(stream.isAwaited).toBe(false);
  expect(clock.pending).toBe(0);
});

test("once nobody is left to wait for, it waits no longer", () => {
  const { stream, clock } = waitingAfter(66);
  stream.size = 0;
  stream.isComing = false;
  clock.fireNext();
  expect(stream.calls).toEqual(["startWaiting", "stopWaiting"]);
  expect(clock.pending).toBe(0);
});

test("a pass that is put off goes out when it is due, without a timer", () => {
  const { stream, clock, passes } = waitingAfter(66, 2);
  clock.advance(100);
  const [from, next, last] = passes.slice(5);
  expect([next - from, last - next]).toEqual([8, 8]);
  expect(stream.waits.every((ms) => ms > 0)).toBe(true);
  expect(clock.pending).toBe(1);
});

test("what is put off when it stops goes out all the same", () => {
  const { stream, clock, passes, wake } = waitingAfter(66, 0.01, 30);
  clock.advance(200);
  expect(stream.isAwaited).toBe(true);
  passes.length = 0;
  // It brings one more piece, and is gone.
  stream.size = 0;
  while (stream.isAwaited) clock.fireNext();
  expect(passes.length).toBe(0);
  const stoppedMs = clock.nowMs();
  clock.advance(100);
  expect(passes.length).toBe(1);
  expect(passes[0] - stoppedMs).toBeLessThanOrEqual(30);
  expect(clock.pending).toBe(0);
  wake();
  clock.advance(100);
  expect(passes.length).toBe(2);
});

test("once passes are far apart it polls", () => {
  const { at, stream, clock, passes } = waitingAfter(66);
  at.costMs = 6;
  clock.advance(3000);
  expect(stream.calls.slice(0, 3)).toEqual(["startWaiting", "stopWaiting", "start"]);
  const before = passes.length;
  clock.advance(1000);
  expect(passes.length).toBeGreaterThan(before + 20);
});

test("what has come of a broadcaster is fetched before it is dismissed", () => {
  const { fanOut, stream, passes } = waitingAfter(66);
  stream.everyMs = 0;
  fanOut.catchUp();
  expect(stream.waits).toEqual([0]);
  expect(passes.length).toBe(1);
});

test("it waits on where a pass throws", () => {
  const { fanOut, stream, clock, passes } = waitingAfter(66, 0.01, 10);
  fanOut.wake({
    size: 1,
    gatheredBytes: 0,
    pass() {
      throw new Error("a bug");
    },
  });
  expect(() => clock.advance(60)).toThrow("a bug");
  const before = passes.length;
  clock.advance(200);
  expect(passes.length).toBeGreaterThan(before);
  expect(stream.isAwaited).toBe(true);
});
