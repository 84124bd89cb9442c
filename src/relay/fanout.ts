// When bytes go out, of all channels. The fan-out clocks itself by how busy the whole process is: a pass over watchers that took T
// puts the next one off for a few T, and many short passes add up. With a few watchers on a few channels every byte goes out at once;
// with thousands, on one channel or on hundreds, all channels that have something are gathered into one pass, so that there are fewer
// and larger writes, which is what the kernel's cost is counted in. `maxDelayMs` bounds that wait; `minDelayMs` is waited in any case.
// (Bytes that are about to leave the ring, last bytes and joins go out before: see audience.ts.)
//
// What is read is gathered too: while passes are put off for long, broadcasters are polled with each, in place of an event
// for each piece that comes, as a network driver does that masks its interrupts under load (Linux's NAPI). What one has brought goes
// out before the next is polled, where that is quickly done: it does not wait for all the others, and is still in the CPU's cache.
// Where bytes come often and passes are short, it waits for them itself (waiting.ts).
//
//   events --passes are far apart--> polling --they are close again, for some passes; or nobody to poll--> events
//   events --pieces come often--> waiting --they no longer do--> events; --passes are far apart--> polling

import type { Clock, Timer } from "./clock.ts";
import type { SendBatch } from "./sendbatch.ts";
import { type Awaited, Waiting } from "./waiting.ts";

/** How many times as long as passes take the next one is put off. */
const restFactor = 3;
/** Waits shorter than this are not worth a timer, milliseconds. */
const shortestWaitMs = 0.5;
/** Timers may fire so much too early: they count whole milliseconds. */
const timerMs = 1;
/** What has so many bytes for each of its watchers is not put off any longer: larger writes cost no less. */
const enoughBytes = 64 * 1024;
/** Polling starts once a pass is put off for this part of the longest delay, and stops below that part. */
const busyPart = 1 / 2;
const calmPart = 1 / 4;
/** So many passes in a row have to be busy, or calm: one of them may only have been interrupted. */
const busyPasses = 4;
const calmPasses = 8;
/** A pass counts as no longer than so many times what it takes on the average: memory may have been collected meanwhile. */
const mostOfAverage = 3;
/** The weight of the newest pass in that average, which is of a watcher. */
const newestPart = 1 / 16;
/** So few watchers are sent what came before the next broadcaster is polled. */
const promptSize = 64;
/** The first channel with so many watchers has a batch made, which takes some memory. */
const batchFrom = 4;
/** Broadcasters are polled no more often than this, and no less often than bytes are gathered. Milliseconds. */
const usualPollMs = 5;
const shortestPollMs = 1;
/** An end is noticed by a poll too. Milliseconds. */
const longestPollMs = 500;
/** So many polls in a row that bring nothing: events take over again. */
const emptyPolls = 16;
/** Where one has brought more than that in a poll, the next is sooner: what it may send without being read is its TCP window. Bytes. */
const mostAPollBytes = 48 * 1024;

export interface FanOutOptions {
  readonly maxDelayMs: number;
  readonly minDelayMs: number;
}

/** The watchers of one channel. */
export interface Receivers {
  readonly size: number;
  /** How many bytes have come since the last pass. */
  readonly gatheredBytes: number;
  /** Sends them what there is, by `batch` where that can be. Calls `between` after some of many. */
  pass(batch: SendBatch | undefined, between: () => void): void;
}

/** What bytes come from, and can be polled or waited for. */
export interface Sources extends Awaited {
  /** From now on they are polled; or bring their bytes by events again. */
  start(): void;
  stop(): void;
  /** Has them bring what has come, and calls `brought` after each. Gives the most bytes that one has brought. Throws nothing. */
  poll(brought: () => void): number;
}

const noSources: Sources = {
  size: 0,
  start() {},
  stop() {},
  poll: () => 0,
  startWaiting: () => false,
  stopWaiting() {},
  wait: () => "nothing",
};

export class FanOut {
  /** What can be polled or waited for. */
  sources: Sources = noSources;
  /** Gives what large passes send with, where that can be had; asked once. */
  makeBatch: () => SendBatch | undefined = () => undefined;
  #batch: SendBatch | "unmade" | undefined = "unmade";
  readonly #clock: Clock;
  readonly #options: FanOutOptions;
  /** Those that something is there for. */
  readonly #ready = new Set<Receivers>();
  readonly #waiting: Waiting;
  /** When the next tick is due; infinite if there is none to come. While polling there always is one. */
  #tickMs = Number.POSITIVE_INFINITY;
  /** Brings it about, but for while waiting. */
  #timer: Timer | undefined;
  /** When the next pass is due, while some are ready. */
  #dueMs = 0;
  #notBeforeMs = 0;
  #isPolling = false;
  /** Those that a poll has brought something for; undefined while there is none. */
  #brought: Receivers[] | undefined;
  /** When the last poll was: what one brings has come since then. */
  #lastPollMs = 0;
  #pollMs = usualPollMs;
  /** Whether the next poll can't wait for the next pass. */
  #comesFast = false;
  /** In a row, up to the last. */
  #emptyPolls = 0;
  /** What polls without a pass have taken since the last pass, milliseconds. */
  #polledMs = 0;
  /** What a watcher has taken of passes, on the average, milliseconds; undefined before the first. */
  #watcherMs: number | undefined;
  /** Passes in a row that speak for the other way for bytes to come in. */
  #changes = 0;
  /** Watchers of the pass that is on. */
  #sentTo = 0;
  /** What passes have thrown. */
  readonly #failures: unknown[] = [];

  constructor(clock: Clock, options: FanOutOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#waiting = new Waiting(clock, {
      sources: () => this.sources,
      dueMs: () => this.#tickMs,
      pass: () => this.#tick(),
      stopped: () => {
        if (this.#isTicking) this.#tickIn(Math.max(0, this.#tickMs - clock.nowMs()));
      },
    });
  }

  /** More bytes are there to be sent to `receivers`. */
  wake(receivers: Receivers): void {
    if (this.#brought !== undefined) {
      this.#brought.push(receivers);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (!this.#isPolling) this.#waiting.came(nowMs);
    // Mostly there is nothing for others.
    if (this.#ready.size === 0 && this.#dueFor(nowMs) - nowMs < shortestWaitMs) {
      this.#pass(nowMs, [receivers], true);
      return;
    }
    this.#add(receivers, nowMs);
    const waitMs = this.#dueMs - nowMs;
    if (waitMs < shortestWaitMs) {
      this.#cancel();
      this.#pass(nowMs, [...this.#ready], true);
    } else if (this.#hasEnough(receivers)) this.#pass(nowMs, [receivers], false);
    else if (!this.#isTicking) this.#tickIn(waitMs);
  }

  /** When what has come since `sinceMs` is due, where there was nothing before. */
  #dueFor(sinceMs: number): number {
    return Math.max(this.#notBeforeMs, sinceMs + this.#options.minDelayMs);
  }

  /** What is there for them has come since `sinceMs`. */
  #add(receivers: Receivers, sinceMs: number): void {
    if (this.#ready.size === 0) this.#dueMs = this.#dueFor(sinceMs);
    this.#ready.add(receivers);
  }

  #hasEnough({ gatheredBytes }: Receivers): boolean {
    return this.#options.minDelayMs === 0 && gatheredBytes >= enoughBytes;
  }

  /** Nothing is to be sent to `receivers` any more. */
  drop(receivers: Receivers): void {
    this.#ready.delete(receivers);
    if (this.#ready.size === 0 && !this.#isPolling) this.#cancel();
  }

  /** Has what would come with the next poll come now: a broadcaster is about to be dismissed. */
  catchUp(): void {
    if (this.#waiting.isOn) this.sources.wait(0);
    if (this.#isPolling && this.#brought === undefined) this.#poll(this.#clock.nowMs());
  }

  get #isTicking(): boolean {
    return this.#tickMs < Number.POSITIVE_INFINITY;
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#tickMs = Number.POSITIVE_INFINITY;
  }

  #tick(): void {
    this.#cancel();
    const startMs = this.#clock.nowMs();
    const hasSent = this.#isPolling && this.#poll(startMs);
    const ready = [...this.#ready];
    const isDue = hasSent || this.#isDue(startMs);
    const due = isDue ? ready : ready.filter((receivers) => this.#hasEnough(receivers));
    // What was sent while polling is part of a pass too.
    if (hasSent || due.length > 0) this.#pass(startMs, due, isDue);
    else this.#tickLater();
  }

  #isDue(nowMs: number): boolean {
    return this.#dueMs - nowMs < timerMs;
  }

  /** Polls at `startMs`, and sends at once what it brings for a few, if that is due. Whether it has sent anything. */
  #poll(startMs: number): boolean {
    const { mostBytes, hasSent } = this.#bring(startMs);
    this.#comesFast = mostBytes > mostAPollBytes;
    this.#pollMs = this.#comesFast
      ? Math.max(shortestPollMs, this.#pollMs / 2)
      : Math.min(
          Math.max(usualPollMs, Math.min(this.#options.minDelayMs, longestPollMs)),
          this.#pollMs * 1.5,
        );
    this.#emptyPolls = mostBytes > 0 ? 0 : this.#emptyPolls + 1;
    if (!hasSent) this.#polledMs += this.#clock.nowMs() - startMs;
    return hasSent;
  }

  /** Gives the most bytes that one has brought, and whether any were sent. */
  #bring(startMs: number): { mostBytes: number; hasSent: boolean } {
    const sinceMs = this.#lastPollMs;
    this.#lastPollMs = startMs;
    if (this.#ready.size === 0) this.#dueMs = this.#dueFor(sinceMs);
    const isDue = this.#isDue(startMs);
    const brought: Receivers[] = [];
    this.#brought = brought;
    let hasSent = false;
    const mostBytes = this.sources.poll(() => {
      for (const receivers of brought) {
        if (isDue && receivers.size <= promptSize) {
          hasSent = true;
          if (this.#ready.size > 0) this.#ready.delete(receivers);
          this.#send(receivers);
        } else this.#add(receivers, sinceMs);
      }
      brought.length = 0;
    });
    this.#brought = undefined;
    for (const receivers of brought) this.#add(receivers, sinceMs);
    return { mostBytes, hasSent };
  }

  /** While many are sent to, the few have their turns too. */
  readonly #between = (): void => {
    const nowMs = this.#clock.nowMs();
    if (this.#isPolling && this.#brought === undefined && nowMs - this.#lastPollMs >= shortestPollMs)
      this.#bring(nowMs);
  };

  /** What is thrown is a bug of one channel: the others have their turn. */
  #send(receivers: Receivers): void {
    this.#sentTo += receivers.size;
    try {
      receivers.pass(this.#batchFor(receivers), this.#between);
    } catch (error) {
      this.#failures.push(error);
    }
  }

  #batchFor({ size }: Receivers): SendBatch | undefined {
    if (this.#batch === "unmade") {
      if (size < batchFrom) return undefined;
      this.#batch = this.makeBatch();
    }
    return this.#batch;
  }

  /** Has a tick follow where there is something to do. A timer may have fired a little too early. */
  #tickLater(): void {
    if (this.#isPolling && (this.sources.size === 0 || this.#emptyPolls >= emptyPolls)) this.#events();
    if (this.#isTicking || (this.#ready.size === 0 && !this.#isPolling)) return;
    const nowMs = this.#clock.nowMs();
    const restMs = this.#comesFast ? 0 : this.#notBeforeMs - nowMs;
    const pollMs = this.#isPolling ? Math.max(this.#pollMs, restMs) : undefined;
    const passMs = this.#ready.size > 0 ? Math.max(shortestWaitMs, this.#dueMs - nowMs) : undefined;
    if (pollMs !== undefined || passMs !== undefined)
      this.#tickIn(Math.min(pollMs ?? Number.POSITIVE_INFINITY, passMs ?? Number.POSITIVE_INFINITY));
  }

  #tickIn(ms: number): void {
    this.#tickMs = this.#clock.nowMs() + ms;
    if (!this.#waiting.isOn) this.#timer = this.#clock.after(ms, () => this.#tick());
  }

  /** Sends to some that are ready, or to all of them. What has begun at `startMs` is part of it. */
  #pass(startMs: number, ready: Receivers[], areAll: boolean): void {
    // The few first: they would wait for the many.
    if (ready.length > 1) ready.sort((a, b) => a.size - b.size);
    for (const receivers of ready) {
      if (this.#ready.size > 0) this.#ready.delete(receivers);
      this.#send(receivers);
    }
    const endMs = this.#clock.nowMs();
    const restMs = (1 + restFactor) * this.#counted(endMs - startMs + this.#polledMs);
    this.#polledMs = 0;
    const notBeforeMs = Math.max(this.#notBeforeMs, startMs) + restMs;
    this.#notBeforeMs = Math.min(notBeforeMs, endMs + this.#options.maxDelayMs);
    // What has come during this one waits for the next.
    if (areAll) this.#dueMs = Math.max(this.#dueMs, this.#notBeforeMs);
    this.#choose(this.#notBeforeMs - endMs);
    this.#tickLater();
    if (this.#failures.length > 0) throw this.#failures.splice(0)[0];
  }

  /** How much of the time that a pass took counts, milliseconds. */
  #counted(tookMs: number): number {
    const watchers = Math.max(1, this.#sentTo);
    this.#sentTo = 0;
    const average = this.#watcherMs;
    const countedMs = average === undefined ? tookMs : Math.min(tookMs, mostOfAverage * average * watchers);
    const watcherMs = countedMs / watchers;
    this.#watcherMs = average === undefined ? watcherMs : average + newestPart * (watcherMs - average);
    return countedMs;
  }

  /** Chooses how bytes come in, where the next pass is put off for so long. */
  #choose(restMs: number): void {
    const { maxDelayMs } = this.#options;
    const isBusy = maxDelayMs > 0 && restMs >= maxDelayMs * busyPart && this.sources.size > 0;
    const isCalm = restMs <= maxDelayMs * calmPart;
    this.#changes = (this.#isPolling ? isCalm : isBusy) ? this.#changes + 1 : 0;
    if (this.#isPolling) {
      if (this.#changes === calmPasses) this.#events();
    } else if (this.#changes === busyPasses) {
      this.#isPolling = true;
      this.#changes = 0;
      this.#pollMs = usualPollMs;
      this.#emptyPolls = 0;
      this.#lastPollMs = this.#clock.nowMs();
      this.#waiting.stop();
      this.sources.start();
    }
  }

  #events(): void {
    this.#isPolling = false;
    this.#changes = 0;
    this.sources.stop();
  }
}
