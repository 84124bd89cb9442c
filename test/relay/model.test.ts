// One channel of opaque data and of chunks, several watchers whose sockets do as they please, and whatever can happen to a
// broadcast, at random but the same at each run; all of it held against the plain history of the channel's bytes.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { RelayOptions } from "../../src/relay/relay.ts";
import { check } from "./operations.ts";
import type { Run } from "./outlet.ts";
import { type Past, Simulation, type Source, type Subject } from "./simulation.ts";
import { opaque, sniffedBytes } from "./streams.ts";

// To make a failing list of operations smaller takes long.
setDefaultTimeout(120_000);

/** What every channel gets to carry, from its first byte on. */
const history = opaque(12 * 2 ** 20);

interface Model {
  readonly changes: Partial<RelayOptions>;
  readonly bufsizes: readonly number[];
  readonly largest: number;
  readonly passwords?: readonly string[];
  /** The ring may be too small even to find out what a stream is. */
  readonly isTight?: boolean;
  /** The ring is so large that those that are behind are served in turns. */
  readonly hasTurns?: boolean;
}

class HistorySource implements Source {
  readonly bufsize: number;
  readonly firstBytes: number;
  #at: number;

  constructor(bufsize: number, head: number) {
    this.bufsize = bufsize;
    // What is too short to be known is another test's business.
    this.firstBytes = bufsize === 0 ? sniffedBytes : 0;
    this.#at = head;
  }

  take(bytes: number): Uint8Array {
    this.#at += bytes;
    if (this.#at > history.length) throw new Error("the history is too short for these operations");
    return history.subarray(this.#at - bytes, this.#at);
  }
}

function judge(
  { outlet, arrival, takesAll, epoch, gone, cameAt }: Subject<HistorySource>,
  model: Model,
): void {
  const { runs } = outlet;
  for (const { from, bytes } of runs) {
    if (Buffer.compare(bytes, history.subarray(from, from + bytes.length)) !== 0) {
      throw new Error(`bytes from ${from} on are not those of the channel`);
    }
  }
  const broadcastOf = (offset: number) =>
    epoch.broadcasts.findLast(({ from }) => from <= offset) as Past<HistorySource>;
  const onBoundary = (offset: number) => {
    const { from, source } = broadcastOf(offset);
    return source.bufsize === 0 || (offset - from) % source.bufsize === 0;
  };
  const endsThere = (offset: number) => epoch.broadcasts.some(({ to }) => to === offset);
  const { start } = arrival;
  let last = -1;
  for (const { from, bytes } of runs) {
    expect(from).toBeGreaterThan(last);
    if (last >= 0 || start.type !== "live") expect(onBoundary(from)).toBe(true);
    last = from + bytes.length;
  }
  // It stops at a unit's end, or at a broadcast's.
  for (const run of runs.slice(0, -1)) expect(endsThere(endOf(run)) || onBoundary(endOf(run))).toBe(true);
  expect(last).toBeLessThanOrEqual(epoch.head);
  const skips = runs.slice(1).filter((_, i) => !endsThere(endOf(runs[i])));
  if (arrival.slowPolicy === "close") expect(skips).toEqual([]);
  if (runs.length > 0 && cameAt !== undefined && outlet.ending !== "not_live") {
    const { from, source } = broadcastOf(runs[0].from);
    // One that comes before it is known what the stream is gets it from its first byte.
    const isFirst = source.bufsize === 0 && runs[0].from === from;
    if (takesAll && !isFirst && start.type === "join") expect(runs[0].from).toBeLessThanOrEqual(cameAt);
    if (takesAll && start.type === "live") expect(runs[0].from).toBe(cameAt);
    if (!isFirst && start.type === "next") expect(runs[0].from).toBeGreaterThanOrEqual(cameAt);
  }
  if (!takesAll) return;
  // One that always takes everything misses nothing from its first byte on.
  const gaps = runs.slice(1).filter((run, i) => {
    const between = endsThere(endOf(runs[i]));
    const { from, source } = broadcastOf(run.from);
    // It waited to know what the stream is, and the ring did not.
    if (model.isTight === true && between && source.bufsize === 0) return false;
    // It waited for its turn while there were two takeovers.
    return !(model.hasTurns === true && between && run.from === from);
  });
  expect(gaps).toEqual([]);
  if (gone || ["not_live", "forbidden"].includes(outlet.ending) || runs.length === 0) return;
  expect(last).toBe(epoch.head);
}

function endOf({ from, bytes }: Run): number {
  return from + bytes.length;
}

function holds(numRuns: number, model: Model): void {
  const { changes, bufsizes, largest, passwords = [""] } = model;
  const starts = ["join", "next", "live", "back"] as const;
  check({ kinds: bufsizes.length, largest, starts, passwords }, numRuns, 1, (operations) => {
    const simulation = new Simulation(
      { joinTimeoutMs: 1e9, ...changes },
      (kind, head) => new HistorySource(bufsizes[kind], head),
    );
    simulation.run(operations);
    for (const subject of simulation.subjects) judge(subject, model);
  });
}

describe("a channel at random", () => {
  test("of opaque data", () => {
    holds(40, { changes: {}, bufsizes: [0], largest: 30_000 });
  });

  test("of chunks", () => {
    holds(40, { changes: {}, bufsizes: [1000, 4096, 9999, 32_768], largest: 30_000 });
  });

  test("of both, with a lag limit, a hold after orderly ends, and passwords", () => {
    holds(40, {
      changes: { maxLagMs: 5000, holdEndedMs: 3000 },
      bufsizes: [0, 777, 20_000],
      largest: 90_000,
      passwords: ["", "a", "a", "b"],
    });
  });

  test("with a backlog that takes many turns to send", () => {
    holds(12, {
      changes: { backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24 },
      bufsizes: [0, 20_000, 400_000],
      largest: 90_000,
      hasTurns: true,
    });
  });

  test("with little memory left for its ring", () => {
    holds(20, {
      changes: { maxBacklogTotalBytes: 5 * 4096 },
      bufsizes: [0, 1000],
      largest: 3000,
      isTight: true,
    });
  });
});
