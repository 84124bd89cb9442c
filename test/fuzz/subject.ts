// What is examined, through its stable interfaces alone: the sniffer with all detectors, and the relay with one channel.
// What they must keep to, and is cheap to see, is held against them here; time and memory are examine.ts's.

import { FstreamError } from "../../src/errors.ts";
import { lengthOf } from "../../src/media/bytes.ts";
import { containers } from "../../src/media/containers.ts";
import {
  type Container,
  type Detector,
  type Header,
  maxHeaderBytes,
  maxPaddingBytes,
  type Sink,
} from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import type { End } from "../../src/relay/broadcast.ts";
import type { Outlet, StartPoint, Watcher } from "../../src/relay/watcher.ts";
import { Rig, type Sender } from "../relay/rig.ts";
import type { PlannedWatcher, Scenario } from "./cases.ts";

/** Something that a stream is fed to, step by step. */
export interface Subject {
  /** Rules that were broken. */
  readonly faults: readonly string[];
  /** What it took the stream for, once that is known. */
  readonly container: string;
  /** The next bytes, in a buffer that is used again. */
  feed(bytes: Uint8Array): void;
  /** The stream is over. Each step is one piece of work. */
  end(): (() => void)[];
  /** What outlives the stream. */
  readonly remains: unknown;
}

class Faults {
  readonly list: string[] = [];

  /** Notes what does not hold; the first few are enough. */
  hold(holds: boolean, what: () => string): void {
    if (!holds && this.list.length < 5) this.list.push(what());
  }
}

/** A container whose detectors report what they throw, wherever it is caught. */
function watched(container: Container, faults: Faults): Container {
  const guard = <T>(where: string, act: () => T): T => {
    try {
      return act();
    } catch (error) {
      faults.hold(false, () => `${container.name} ${where} throws ${describe(error)}`);
      throw error;
    }
  };
  return {
    name: container.name,
    sniff: (start) => guard("sniff", () => container.sniff(start)),
    create(sink) {
      const detector = container.create(sink);
      return new Proxy<Detector>(detector, {
        get(target, field) {
          const value: unknown = Reflect.get(target, field, target);
          if (typeof value !== "function") return value;
          return (...given: unknown[]): unknown =>
            guard(String(field), () => Reflect.apply(value, target, given) as unknown);
        },
      });
    },
  };
}

/** An error in one line: what it says, and where it comes from. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frame = /src\/[\w/]+\.ts/.exec(error.stack ?? "")?.[0] ?? "";
  return `${error.name}: ${error.message} (${frame})`;
}

/** The sniffer and the detectors, with a sink that holds no more than the newest header. */
export class DetectorSubject implements Subject, Sink {
  readonly #faults = new Faults();
  readonly #sniffer: Sniffer;
  #fed = 0;
  #joined = -1;
  #ended = -1;
  #header: Header | undefined;
  #known = "unknown";
  readonly remains = undefined;

  constructor(all: readonly Container[] = containers) {
    this.#sniffer = new Sniffer(
      this,
      all.map((container) => watched(container, this.#faults)),
    );
  }

  get faults(): readonly string[] {
    return this.#faults.list;
  }

  get container(): string {
    return this.#known;
  }

  feed(bytes: Uint8Array): void {
    this.#fed += bytes.length;
    this.#sniffer.feed(bytes, this.#fed - bytes.length);
    if (this.#known === "unknown") this.#known = this.#sniffer.info.container;
  }

  end(): (() => void)[] {
    return [
      () => this.#sniffer.finishDetection(),
      () => {
        const length = lengthOf(this.#sniffer.padding());
        this.#faults.hold(length <= 2 * maxPaddingBytes, () => `${length} bytes of padding`);
      },
      () => {
        const length = this.#header?.start.length ?? 0;
        this.#faults.hold(length <= 2 * maxHeaderBytes, () => `a header of ${length} bytes`);
      },
    ];
  }

  header(header: Header): void {
    this.#header = header;
  }

  join(offset: number): void {
    this.#rises(offset, this.#joined, "join");
    this.#joined = offset;
  }

  unit(offset: number): void {
    this.#rises(offset, this.#ended, "unit");
    this.#faults.hold(offset <= this.#fed, () => `unit ${offset} with ${this.#fed} bytes fed`);
    this.#ended = offset;
  }

  patch(offset: number, bytes: Uint8Array): void {
    this.#faults.hold(
      offset >= 0 && offset + bytes.length <= this.#fed,
      () => `a patch outside of what was fed: ${offset}`,
    );
  }

  /** A join may lie ahead: where its keyframe will be is known with the head of what it is in. */
  #rises(offset: number, last: number, what: string): void {
    this.#faults.hold(
      offset >= last && Number.isSafeInteger(offset),
      () => `${what} ${offset} after ${last}`,
    );
  }
}

/** A watcher's way out that counts, and holds the relay to the rules of an outlet. */
class Counter implements Outlet {
  room = Number.POSITIVE_INFINITY;
  taken = 0;
  end: End | undefined;
  watcher: Watcher | undefined;
  #isFull = false;
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const isAllowed =
      this.end === undefined && !this.#isFull && length > 0 && offset + length <= bytes.length;
    this.#faults.hold(
      isAllowed,
      () => `a write of ${length} at ${offset}, ended ${this.end !== undefined}, full ${this.#isFull}`,
    );
    const taken = Math.min(this.room, length);
    this.room -= taken;
    this.taken += taken;
    this.#isFull = taken < length;
    return taken;
  }

  finish(end: End): void {
    this.#faults.hold(this.end === undefined, () => "finished twice");
    this.end = end;
  }

  give(bytes: number): void {
    this.room += bytes;
    if (!this.#isFull || this.end !== undefined) return;
    this.#isFull = false;
    this.watcher?.drained();
  }
}

const starts: Record<PlannedWatcher["start"], StartPoint> = {
  join: { type: "join" },
  next: { type: "next" },
  live: { type: "live" },
  back: { type: "back", ms: 5000 },
};
const reset = () => new FstreamError("disconnected", "the connection was reset");
/** What a channel may hold beyond its backlog. Bytes. */
const channelBytes = 16 * 1024 * 1024;

/** A relay with one channel, on a clock that stands still between pieces. */
export class RelaySubject implements Subject {
  readonly #faults = new Faults();
  readonly #scenario: Scenario;
  readonly #rig: Rig;
  readonly #maxBytes: number;
  readonly #streamBytes: number;
  #sender: Sender | undefined;
  #round = 0;
  #fed = 0;
  #total = 0;
  readonly #outlets: { readonly planned: PlannedWatcher; readonly outlet: Counter }[] = [];

  /** `streamBytes`: how long the whole stream is, as often as it comes in a round. */
  constructor(scenario: Scenario, streamBytes: number) {
    this.#scenario = scenario;
    this.#streamBytes = streamBytes;
    this.#maxBytes = 2 * scenario.backlogBytes + channelBytes;
    this.#rig = new Rig({
      backlogBytes: scenario.backlogBytes,
      maxBacklogTotalBytes: this.#maxBytes,
      broadcasterTimeoutMs: 4000,
      maxWatchersPerChannel: 0,
    });
    this.#come(0);
    this.#sender = this.#rig.broadcast();
  }

  get faults(): readonly string[] {
    return this.#faults.list;
  }

  get container(): string {
    return this.#rig.recognised[0] ?? "unknown";
  }

  get remains(): unknown {
    return this.#rig.relay;
  }

  get rounds(): number {
    return this.#scenario.rounds.length;
  }

  feed(bytes: Uint8Array): void {
    const round = this.#scenario.rounds[this.#round];
    if (this.#sender === undefined || round === undefined) return;
    this.#fed += bytes.length;
    this.#total += bytes.length;
    this.#sender.send(bytes);
    for (const { outlet, planned } of this.#outlets)
      if (planned.takesBytes > 0) outlet.give(planned.takesBytes);
    if (this.#scenario.ms > 0) this.#rig.clock.advance(this.#scenario.ms);
    this.#move(this.#round + Math.min(1, this.#fed / this.#streamBytes));
    const held = this.#rig.relay.backlogBytes;
    this.#faults.hold(held <= this.#maxBytes, () => `${held} bytes held of at most ${this.#maxBytes}`);
    const isLast = this.#round === this.#scenario.rounds.length - 1;
    if (isLast || this.#fed < round.upTo * this.#streamBytes) return;
    this.#endRound(round.how);
    this.#round++;
    this.#fed = 0;
    this.#sender = this.#rig.broadcast();
  }

  end(): (() => void)[] {
    const last = this.#scenario.rounds[this.#round];
    return [
      () => this.#endRound(last?.how ?? "finish", true),
      () => this.#rig.clock.advance(5000),
      () => this.#rig.clock.advance(30_000),
      () => {
        for (const { outlet } of this.#outlets) outlet.give(1e12);
      },
      () => this.#rig.clock.advance(60_000),
      () => this.#check(),
    ];
  }

  #endRound(how: string, isLast = false): void {
    if (how === "finish") this.#sender?.finish();
    else if (how === "break") this.#sender?.break(reset());
    else if (how === "stop") this.#rig.relay.stop();
    // silence is a matter of time, and a takeover of the next broadcast
    else if (how === "takeover" && isLast) this.#rig.broadcast().finish();
  }

  /** Watchers come and go as far as `place`. */
  #move(place: number): void {
    this.#come(place);
    for (const { planned, outlet } of this.#outlets) {
      if (planned.leavesAt === undefined || planned.leavesAt > place || outlet.end !== undefined) continue;
      outlet.watcher?.leave();
    }
  }

  #come(place: number): void {
    for (const planned of this.#scenario.watchers) {
      if (planned.at > place || this.#outlets.some((other) => other.planned === planned)) continue;
      const outlet = new Counter(this.#faults);
      outlet.room = planned.takesBytes === 0 ? Number.POSITIVE_INFINITY : planned.takesBytes;
      this.#outlets.push({ planned, outlet });
      outlet.watcher = this.#rig.relay.watch("fier", "default", outlet, {
        start: starts[planned.start],
        password: "",
        slowPolicy: planned.slowPolicy,
        waitMs: 60_000,
        greeter: { greeting: () => new Uint8Array(0) },
        awaitsDetection: false,
      });
    }
  }

  #check(): void {
    const { relay, channels } = this.#rig;
    this.#faults.hold(relay.backlogBytes === 0, () => `${relay.backlogBytes} bytes held when all is over`);
    this.#faults.hold(channels === 0, () => `${channels} channels when all is over`);
    for (const { planned, outlet } of this.#outlets) {
      const isOver = outlet.end !== undefined || planned.leavesAt !== undefined;
      this.#faults.hold(isOver, () => `a watcher from ${planned.at} on was not ended`);
      const hasAll =
        planned.at === 0 && planned.takesBytes === 0 && planned.leavesAt === undefined && this.rounds === 1;
      if (hasAll && outlet.end?.type === "orderly") {
        this.#faults.hold(
          outlet.taken === this.#total,
          () => `a watcher that kept up got ${outlet.taken} of ${this.#total} bytes`,
        );
      }
    }
  }
}
