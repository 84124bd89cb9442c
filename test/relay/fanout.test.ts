// When passes happen, on a clock that stands still.

import { describe, expect, test } from "bun:test";
import type { Timer } from "../../src/relay/clock.ts";
import { FanOut, type Receivers, type Sources } from "../../src/relay/fanout.ts";
import { FakeClock } from "./clock.ts";

/** Its timers fire early by what `earlyMs` says, as those of an event loop may that counts whole milliseconds. */
class EarlyClock extends FakeClock {
  earlyMs = 0;

  override after(ms: number, call: () => void): Timer {
    return super.after(Math.max(0.1, ms - this.earlyMs), call);
  }
}

/** A fan-out whose passes take so long, and the times at which they began. */
function fanOutOf(firstCostMs: number, maxDelayMs = 20, minDelayMs = 0) {
  let costMs = firstCostMs;
  const clock = new EarlyClock();
  const passes: number[] = [];
  const sizes: number[] = [];
  let startMs = clock.nowMs();
  const options = { maxDelayMs, minDelayMs };
  const fanOut = new FanOut(clock, options);
  const receivers = (size: number, gatheredBytes = 0): Receivers => ({
    size,
    gatheredBytes,
    pass() {
      passes.push(clock.nowMs() - startMs);
      sizes.push(size);
      clock.spend(costMs);
    },
  });
  const only = receivers(1);
  return {
    options,
    clock,
    passes,
    sizes,
    fanOut,
    receivers,
    setCost: (ms: number) => {
      costMs = ms;
    },
    /** What follows is counted from now on. */
    restart: () => {
      startMs = clock.nowMs();
      passes.length = 0;
    },
    wake: () => fanOut.wake(only),
    stop: () => fanOut.drop(only),
  };
}

describe("a fan-out", () => {
  test("to a few sends every byte at once", () => {
    const { wake, passes, clock } = fanOutOf(0.01);
    for (let i = 0; i < 10; i++) wake();
    expect(passes.length).toBe(10);
    expect(clock.pending).toBe(0);
  });

  test("after a pass that took long puts the next one off for three times as long", () => {
    const { wake, passes, clock } = fanOutOf(2);
    wake();
    wake();
    wake();
    expect(passes).toEqual([0]);
    expect(clock.pending).toBe(1);
    clock.advance(5.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 8]);
    expect(clock.pending).toBe(0);
  });

  test("never waits longer than it may", () => {
    const { wake, passes, clock } = fanOutOf(100, 20);
    wake();
    wake();
    clock.advance(19.9);
    expect(passes).toEqual([0]);
    clock.advance(0.2);
    expect(passes).toEqual([0, 120]);
  });

  test("that may not wait at all sends at once, however long that takes", () => {
    const { wake, passes } = fanOutOf(100, 0);
    wake();
    wake();
    expect(passes).toEqual([0, 100]);
  });

  test("never leaves bytes behind when no more follow", () => {
    const { wake, passes, clock } = fanOutOf(3);
    wake();
    wake();
    clock.advance(1000);
    expect(passes.length).toBe(2);
    wake();
    expect(passes.length).toBe(3);
  });

  test("that is late sends at once, and not once more when its timer is due", () => {
    const { wake, passes, clock } = fanOutOf(3);
    wake();
    wake();
    clock.spend(50);
    wake();
    expect(passes).toEqual([0, 53]);
    expect(clock.pending).toBe(0);
  });

  test("whose timer fires too early sends all the same, when it is due", () => {
    const { wake, passes, clock } = fanOutOf(3);
    clock.earlyMs = 0.9;
    wake();
    wake();
    clock.advance(100);
    expect(passes.length).toBe(2);
    expect(passes[1]).toBeGreaterThanOrEqual(11);
    expect(clock.pending).toBe(0);
  });

  test("does not put off what has 64 KiB for each watcher; the others wait as before", () => {
    const { fanOut, receivers, wake, passes, sizes, clock } = fanOutOf(3);
    wake();
    const [little, much] = [receivers(2, 65_535), receivers(3, 65_536)];
    fanOut.wake(little);
    clock.advance(1);
    fanOut.wake(much);
    expect(passes).toEqual([0, 4]);
    expect(sizes).toEqual([1, 3]);
    clock.advance(8);
    expect(passes).toEqual([0, 4, 12]);
    expect(sizes).toEqual([1, 3, 2]);
    clock.advance(1000);
    expect(passes.length).toBe(3);
    expect(clock.pending).toBe(0);
  });

  test("puts even that off for the least delay", () => {
    const { fanOut, receivers, passes, clock } = fanOutOf(0.1, 20, 350);
    fanOut.wake(receivers(3, 1_000_000));
    clock.advance(349);
    expect(passes).toEqual([]);
    clock.advance(2);
    expect(passes).toEqual([350]);
  });

  test("that is stopped leaves no timer", () => {
    const { wake, stop, passes, clock } = fanOutOf(3);
    wake();
    wake();
    stop();
    expect(clock.pending).toBe(0);
    clock.advance(1000);
    expect(passes.length).toBe(1);
  });

  test("sends to many channels in one pass where many short ones have made the process busy, the few first", () => {
    const { fanOut, receivers, passes, sizes, clock } = fanOutOf(0.1);
    const channels = [5, 3, 4, 1, 2].map(receivers);
    // Each puts the next one off by 0.3 ms beyond its end.
    for (const each of channels) fanOut.wake(each);
    expect(sizes).toEqual([5, 3]);
    for (const each of channels) fanOut.wake(each);
    expect(clock.pending).toBe(1);
    clock.advance(1);
    expect(sizes).toEqual([5, 3, 1, 2, 3, 4, 5]);
    expect(passes.length).toBe(7);
  });

  test("is at rest again soon after it was busy", () => {
    const { fanOut, receivers, sizes, clock } = fanOutOf(0.1);
    const channels = [1, 2, 3, 4, 5].map(receivers);
    for (const each of channels) fanOut.wake(each);
    clock.advance(10);
    sizes.length = 0;
    fanOut.wake(channels[0]);
    expect(sizes).toEqual([1]);
  });

  test("gathers bytes for the least delay, beyond the most, from the first of them on", () => {
    const { wake, passes, clock } = fanOutOf(0.1, 20, 350);
    wake();
    clock.advance(200);
    wake();
    expect(passes).toEqual([]);
    clock.advance(149);
    expect(passes).toEqual([]);
    clock.advance(2);
    expect(passes).toEqual([350]);
    clock.advance(1000);
    expect(passes.length).toBe(1);
  });

  test("sends to the other channels where a pass throws", () => {
    const { fanOut, receivers, sizes, clock } = fanOutOf(0.1, 20, 10);
    fanOut.wake(receivers(2));
    fanOut.wake({
      size: 1,
      gatheredBytes: 0,
      pass() {
        throw new Error("a bug");
      },
    });
    fanOut.wake(receivers(3));
    expect(() => clock.advance(10)).toThrow("a bug");
    clock.advance(20);
    expect(sizes).toEqual([2, 3]);
  });
});

/** Sources that can't be waited for. */
const unawaited: Pick<Sources, "startWaiting" | "stopWaiting" | "wait"> = {
  startWaiting: () => false,
  stopWaiting() {},
  wait: () => "nothing",
};

/** Sources that bring something for `receivers` at each poll, while `isComing`. */
class FakeSources implements Sources {
  readonly startWaiting = unawaited.startWaiting;
  readonly stopWaiting = unawaited.stopWaiting;
  readonly wait = unawaited.wait;
  size = 1;
  isComing = true;
  bytes = 1000;
  readonly calls: string[] = [];
  readonly #fanOut: FanOut;
  readonly #receivers: Receivers;

  constructor(fanOut: FanOut, receivers: Receivers) {
    this.#fanOut = fanOut;
    this.#receivers = receivers;
  }

  start(): void {
    this.calls.push("start");
  }

  stop(): void {
    this.calls.push("stop");
  }

  poll(brought: () => void): number {
    this.calls.push("poll");
    if (this.isComing) this.#fanOut.wake(this.#receivers);
    brought();
    return this.isComing ? this.bytes : 0;
  }
}

/** A fan-out that starts to poll with its next pass, as those take `costMs`. Its source brings `gatheredBytes` for each watcher. */
function pollingFanOut(costMs: number, minDelayMs = 0, gatheredBytes = 0) {
  const at = fanOutOf(costMs, 20, minDelayMs);
  const sources = new FakeSources(at.fanOut, at.receivers(1, gatheredBytes));
  at.fanOut.sources = sources;
  for (let i = 0; i < 3; i++) {
    at.wake();
    at.clock.advance(minDelayMs + 15);
  }
  expect(sources.calls).toEqual([]);
  at.restart();
  return { ...at, sources };
}

/** Where each poll brings so many bytes, so many of them for each watcher. */
function passesInASecond(bytes: number, gatheredBytes: number): number {
  const { wake, clock, sources, passes } = pollingFanOut(5, 0, gatheredBytes);
  sources.bytes = bytes;
  wake();
  clock.advance(1000);
  return passes.length;
}

test("a pass that was interrupted puts the next one off as others do, and does not make a fan-out poll", () => {
  const at = fanOutOf(0.1);
  const sources = new FakeSources(at.fanOut, at.receivers(1));
  at.fanOut.sources = sources;
  for (let i = 0; i < 100; i++) {
    at.setCost(i % 10 === 9 ? 30 : 0.1);
    at.wake();
    at.clock.advance(3);
  }
  expect(at.passes.length).toBe(100);
  expect(sources.calls).toEqual([]);
});

describe("a fan-out that is busy", () => {
  test("polls what bytes come from, just before each pass", () => {
    const { wake, clock, sources, passes } = pollingFanOut(5);
    wake();
    expect(sources.calls).toEqual(["start"]);
    expect(passes).toEqual([0]);
    clock.advance(15);
    expect(sources.calls).toEqual(["start", "poll"]);
    expect(passes).toEqual([0, 20]);
    // What comes by events meanwhile, for others, goes out in the next.
    wake();
    expect(passes.length).toBe(2);
    clock.advance(15);
    expect(passes).toEqual([0, 20, 40, 45]);
  });

  test("sends what a poll has brought though its timer fired a little too early", () => {
    const { wake, clock, sources, passes } = pollingFanOut(5);
    clock.earlyMs = 0.9;
    wake();
    clock.advance(14.5);
    expect(sources.calls).toEqual(["start", "poll"]);
    expect(passes.length).toBe(2);
  });

  test("sends to a few at once what one has brought, before the next is polled, and to many in the end", () => {
    const { fanOut, receivers, clock } = fanOutOf(5);
    const done: string[] = [];
    const named = (name: string, size: number): Receivers => ({
      size,
      gatheredBytes: 0,
      pass: () => void done.push(name),
    });
    const many = named("many", 1000);
    fanOut.sources = {
      ...unawaited,
      size: 3,
      start() {},
      stop() {},
      poll(brought) {
        for (const each of [many, named("few", 5), named("fewer", 2)]) {
          done.push("poll");
          fanOut.wake(each);
          brought();
        }
        return 0;
      },
    };
    for (let i = 0; i < 4; i++) {
      expect(done).toEqual([]);
      fanOut.wake(receivers(1));
      clock.advance(15);
    }
    expect(done).toEqual(["poll", "poll", "few", "poll", "fewer", "many"]);
  });

  test("goes on polling where nothing has come, not too often, and for some time", () => {
    const { wake, clock, sources, passes } = pollingFanOut(5);
    wake();
    sources.isComing = false;
    clock.advance(65);
    expect(passes.length).toBe(1);
    const polls = sources.calls.filter((call) => call === "poll").length;
    expect(polls).toBeGreaterThan(5);
    expect(polls).toBeLessThan(15);
    clock.advance(1000);
    expect(sources.calls.filter((call) => call === "poll").length).toBe(16);
    expect(sources.calls.at(-1)).toBe("stop");
    expect(clock.pending).toBe(0);
  });

  test("stops polling once nothing is to be put off any more", () => {
    const { wake, clock, sources, options } = pollingFanOut(5);
    wake();
    options.maxDelayMs = 0;
    clock.advance(1000);
    expect(sources.calls.at(-1)).toBe("stop");
  });

  test("has what the next poll would bring at once, where a broadcaster is about to be dismissed", () => {
    const { fanOut, wake, clock, sources, passes } = pollingFanOut(5, 100);
    fanOut.catchUp();
    expect(sources.calls).toEqual([]);
    wake();
    clock.advance(100);
    sources.calls.length = 0;
    fanOut.catchUp();
    expect(sources.calls).toEqual(["poll"]);
    clock.advance(105);
    expect(passes.length).toBe(2);
  });

  test("notices an end within half a second, however long it gathers bytes", () => {
    const { wake, clock, sources } = pollingFanOut(5, 5000);
    wake();
    clock.advance(10_000);
    sources.calls.length = 0;
    clock.advance(10_000);
    expect(sources.calls.length).toBeGreaterThanOrEqual(19);
    expect(sources.calls.length).toBeLessThan(25);
  });

  test("polls while it gathers bytes for the least delay", () => {
    const { wake, clock, sources, passes } = pollingFanOut(5, 100);
    wake();
    clock.advance(100);
    expect(passes).toEqual([100]);
    sources.calls.length = 0;
    clock.advance(90);
    expect(passes.length).toBe(1);
    expect(sources.calls.length).toBeGreaterThan(2);
    clock.advance(50);
    expect(passes.length).toBe(2);
  });

  test("polls sooner where much comes, and as seldom as it sends where little does", () => {
    const at = pollingFanOut(5, 400);
    const polls = () => at.sources.calls.splice(0).length;
    at.wake();
    at.clock.advance(3000);
    polls();
    at.clock.advance(4000);
    const few = polls();
    expect(few).toBeLessThan(15);
    at.sources.bytes = 100_000;
    at.clock.advance(2000);
    polls();
    at.clock.advance(4000);
    expect(polls()).toBeGreaterThan(20 * few);
    expect(at.passes.length).toBeGreaterThan(25);
    expect(at.passes.length).toBeLessThan(35);
  });

  test("polls before the next pass is due where much comes, and sends that if it is enough", () => {
    const few = passesInASecond(1000, 0);
    expect(few).toBeLessThan(60);
    expect(passesInASecond(50_000, 50_000)).toBeLessThan(60);
    expect(passesInASecond(100_000, 100_000)).toBeGreaterThan(2 * few);
  });

  test("leaves it to events again once its passes are short, for some time", () => {
    const at = pollingFanOut(5);
    at.wake();
    at.setCost(0.2);
    at.clock.advance(500);
    expect(at.sources.calls.at(-1)).toBe("stop");
    expect(at.sources.calls.filter((call) => call === "stop").length).toBe(1);
    expect(at.clock.pending).toBe(0);
    const before = at.passes.length;
    at.wake();
    expect(at.passes.length).toBe(before + 1);
  });

  test("does not while a pass now and then is long", () => {
    const at = pollingFanOut(5);
    at.wake();
    for (let i = 0; i < 20; i++) {
      at.setCost(0.2);
      at.clock.advance(20);
      at.setCost(5);
      at.clock.advance(20);
    }
    expect(at.sources.calls).not.toContain("stop");
  });

  test("does not poll where there is nobody to poll, and stops when the last has gone", () => {
    const at = pollingFanOut(5);
    at.sources.size = 0;
    at.wake();
    expect(at.sources.calls).toEqual([]);
    at.sources.size = 1;
    for (let i = 0; i < 4; i++) {
      at.clock.advance(20);
      expect(at.sources.calls).toEqual([]);
      at.wake();
    }
    expect(at.sources.calls).toEqual(["start"]);
    at.sources.isComing = false;
    at.sources.size = 0;
    at.clock.advance(100);
    expect(at.sources.calls.at(-1)).toBe("stop");
    expect(at.clock.pending).toBe(0);
  });

  test("polls on where a pass throws", () => {
    const at = pollingFanOut(5);
    at.wake();
    at.fanOut.wake({
      size: 1,
      gatheredBytes: 0,
      pass() {
        throw new Error("a bug");
      },
    });
    expect(() => at.clock.advance(15)).toThrow("a bug");
    const before = at.passes.length;
    at.clock.advance(100);
    expect(at.passes.length).toBeGreaterThan(before + 2);
  });
});
