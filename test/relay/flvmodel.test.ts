// One channel of FLV, whose broadcasts are cut off anywhere, and watchers whose sockets do as they please, at random but the
// same at each run. What each watcher received is read here as a player would, tag by tag, without the relay's or the
// detector's help: each tag is one that was sent, whole, or made whole where its broadcast was cut off; pictures come in
// their order, behind the configuration that they were sent with, and where some are missing the next is a keyframe.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import { check } from "./operations.ts";
import { type Epoch, type Past, Simulation, type Source, type Subject } from "./simulation.ts";
import { flvConfig, flvFrame, flvHead } from "./streams.ts";

// To make a failing list of operations smaller takes long.
setDefaultTimeout(120_000);

/** Frames from one keyframe to the next; a configuration comes before each third one. */
const groupFrames = 7;
const configFrames = 3 * groupFrames;
/** Apart in time: two frames, two broadcasts. Milliseconds. */
const frameMs = 40;
const broadcastMs = 1_000_000;
const tagHeadBytes = 11;

/** A tag of a broadcast. */
interface Item {
  readonly bytes: Uint8Array;
  /** Where in the broadcast. */
  readonly at: number;
  readonly isFrame: boolean;
  readonly isKey: boolean;
  /** The configuration in force, as its payload. */
  readonly config: string;
}

class FlvSource implements Source {
  readonly bufsize = 0;
  /** As far as into the first keyframe, so that it is known what it is. */
  readonly firstBytes = 100;
  readonly items: Item[] = [];
  /** Where in the items each frame is. */
  readonly frames: number[] = [];
  readonly configs = new Set<string>();
  readonly index: number;
  #frames = 0;
  #config = "";
  /** What is made, and how much of it was taken. */
  #parts: Uint8Array[] = [flvHead];
  #madeBytes = flvHead.length;
  #takenBytes = 0;

  constructor(index: number) {
    this.index = index;
  }

  take(bytes: number): Uint8Array {
    while (this.#madeBytes < this.#takenBytes + bytes) this.#make();
    const whole = concat(this.#parts);
    const from = this.#takenBytes - (this.#madeBytes - whole.length);
    this.#takenBytes += bytes;
    this.#parts = [whole.subarray(from + bytes)];
    return whole.subarray(from, from + bytes);
  }

  #make(): void {
    const i = this.#frames++;
    const timeMs = this.index * broadcastMs + i * frameMs;
    if (i % configFrames === 0) {
      const config = flvConfig(timeMs, this.index * 100 + i / configFrames);
      this.#config = payloadOf(config);
      this.configs.add(this.#config);
      this.#push(config, false, false);
    }
    const isKey = i % groupFrames === 0;
    this.#push(flvFrame(timeMs, isKey, 60 + ((i * 7919 + this.index * 104_729) % 1500)), true, isKey);
  }

  #push(bytes: Uint8Array, isFrame: boolean, isKey: boolean): void {
    if (isFrame) this.frames.push(this.items.length);
    this.items.push({ bytes, at: this.#madeBytes, isFrame, isKey, config: this.#config });
    this.#parts.push(bytes);
    this.#madeBytes += bytes.length;
  }
}

/** What a tag carries, for comparisons: a configuration is repeated with another time. */
function payloadOf(tag: Uint8Array): string {
  return tag.subarray(tagHeadBytes, tag.length - 4).toHex();
}

/** Reads what a watcher received. */
class Player {
  readonly #epoch: Epoch<FlvSource>;
  /** The broadcast and the item that came last. */
  #broadcast = -1;
  #item = -1;
  #config = "";
  readonly #configs: ReadonlySet<string>;
  /** Times that something was left out within a broadcast, or of the broadcasts from the first one that was seen on. */
  skips = 0;

  constructor(epoch: Epoch<FlvSource>) {
    this.#epoch = epoch;
    this.#configs = new Set(epoch.broadcasts.flatMap(({ source }) => [...source.configs]));
  }

  read(received: Uint8Array): void {
    const head = Math.min(received.length, flvHead.length);
    expect(received.subarray(0, head)).toEqual(flvHead.subarray(0, head));
    let at = flvHead.length;
    while (at < received.length) {
      const size = sizeOf(received.subarray(at));
      if (size === undefined || at + size > received.length) break;
      this.#tag(received.subarray(at, at + size));
      at += size;
    }
    if (at < received.length) this.#rest(received.subarray(at));
  }

  #tag(tag: Uint8Array): void {
    if (this.#configs.has(payloadOf(tag))) {
      this.#config = payloadOf(tag);
      return;
    }
    const view = new DataView(tag.buffer, tag.byteOffset);
    const timeMs = (view.getUint32(4) >>> 8) + tag[7] * 2 ** 24;
    const { broadcasts } = this.#epoch;
    const broadcast = broadcasts.findIndex(({ source }) => source.index === Math.floor(timeMs / broadcastMs));
    const index = broadcasts[broadcast]?.source.frames[(timeMs % broadcastMs) / frameMs] ?? -1;
    const item = broadcasts[broadcast]?.source.items[index];
    if (item === undefined || Buffer.compare(item.bytes, tag) !== 0) {
      if (this.#isPadded(tag)) return;
      throw new Error(`a tag of ${tag.length} bytes at ${timeMs} ms was never sent`);
    }
    const isLater = broadcast > this.#broadcast || (broadcast === this.#broadcast && index > this.#item);
    expect(isLater).toBe(true);
    expect(this.#config).toBe(item.config);
    if (!this.#follows(broadcast, index)) {
      if (this.#broadcast >= 0) this.skips++;
      expect(item.isKey).toBe(true);
    }
    this.#broadcast = broadcast;
    this.#item = index;
  }

  /** Whether an item is the frame next to the one that came last, in its broadcast or as the first of the next one. */
  #follows(broadcast: number, index: number): boolean {
    const { broadcasts } = this.#epoch;
    const { items } = broadcasts[broadcast].source;
    const isNext = (from: number) => !items.slice(from, index).some(({ isFrame }) => isFrame);
    if (broadcast === this.#broadcast) return isNext(this.#item + 1);
    const between = broadcasts.slice(this.#broadcast + 1, broadcast);
    return this.isComplete && isNext(0) && !between.some(hasPicture);
  }

  /** Whether nothing whole is left of the broadcast that it is in. */
  get isComplete(): boolean {
    const past = this.#epoch.broadcasts[this.#broadcast];
    if (past === undefined) return false;
    const rest = past.source.items.slice(this.#item + 1);
    return !rest.some((item) => item.isFrame && isWhole(item, past));
  }

  /** Whether it has all that can be seen of the broadcasts. */
  get isAtEnd(): boolean {
    return this.isComplete && !this.#epoch.broadcasts.slice(this.#broadcast + 1).some(hasPicture);
  }

  get hasStarted(): boolean {
    return this.#broadcast >= 0;
  }

  /** Items that did not come as a whole, and may come next: the one next in its broadcast, or a keyframe. */
  #cutOffs(): { broadcast: number; item: number; came: Uint8Array; length: number }[] {
    const found = [];
    for (const [broadcast, past] of this.#epoch.broadcasts.entries()) {
      const item = past.source.items.findIndex((each) => !isWhole(each, past));
      if (item < 0 || broadcast < this.#broadcast) continue;
      const { bytes, at, isKey } = past.source.items[item];
      const isNext = this.#broadcast < 0 || (broadcast === this.#broadcast && this.isComplete);
      if (!isNext && !isKey) continue;
      const came = bytes.subarray(0, Math.max(0, past.to - past.from - at));
      if (came.length > 0) found.push({ broadcast, item, came, length: bytes.length });
    }
    return found;
  }

  /** Whether a tag is what came of the one that a broadcast was cut off in, and zeros, and its size. */
  #isPadded(tag: Uint8Array): boolean {
    for (const { broadcast, item, came, length } of this.#cutOffs()) {
      if (Buffer.compare(tag.subarray(0, came.length), came) !== 0) continue;
      if (came.length >= 4 && tag.length !== length) continue;
      const zeros = tag.subarray(came.length, Math.max(came.length, tag.length - 4));
      if (zeros.some((byte) => byte !== 0)) continue;
      if (this.#broadcast >= 0 && !this.isComplete) this.skips++;
      this.#broadcast = broadcast;
      this.#item = item;
      return true;
    }
    return false;
  }

  /** What is there of a tag that is not. */
  #rest(rest: Uint8Array): void {
    if (rest.length < tagHeadBytes + 5) return;
    const past = this.#epoch.broadcasts;
    const isOf = (bytes: Uint8Array) => Buffer.compare(bytes.subarray(0, rest.length), rest) === 0;
    const isConfig = rest[tagHeadBytes] === 0x17 && rest[tagHeadBytes + 1] === 0;
    const isSent = past.some(({ source }) => source.items.some(({ bytes }) => isOf(bytes)));
    const isPadded = this.#cutOffs().some(({ came, length }) => {
      const zeros = (end: number) => concat([came, new Uint8Array(Math.max(0, end - came.length))]);
      // The size behind the tag's last byte may have come in part.
      const size = new Uint8Array(4);
      new DataView(size.buffer).setUint32(0, length - 4);
      return isOf(zeros(rest.length)) || isOf(concat([zeros(length - 4).subarray(0, length - 4), size]));
    });
    if (!isConfig && !isSent && !isPadded) {
      const at = `behind item ${this.#item} of broadcast ${this.#broadcast} of ${past.length}`;
      throw new Error(`${rest.length} bytes ${at} are of no tag: ${rest.subarray(0, 32).toHex()}`);
    }
  }
}

/** Whether all of an item was sent. */
function isWhole({ at, bytes }: Item, { from, to }: Past<FlvSource>): boolean {
  return at + bytes.length <= to - from;
}

/** Whether a broadcast came as far as its first picture: one that did not has nothing to go on with. */
function hasPicture(past: Past<FlvSource>): boolean {
  return past.source.items.some((item) => item.isKey && isWhole(item, past));
}

/** How long the tag is that begins there, with the size behind it; undefined if that is not there. */
function sizeOf(bytes: Uint8Array): number | undefined {
  return bytes.length < 4 ? undefined : tagHeadBytes + ((bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) + 4;
}

function judge({ outlet, arrival, takesAll, epoch, gone }: Subject<FlvSource>): void {
  if (outlet.receivedBytes === 0) return;
  const player = new Player(epoch);
  player.read(outlet.received);
  if (arrival.slowPolicy === "close") expect(player.skips).toBe(0);
  if (!takesAll) return;
  expect(player.skips).toBe(0);
  if (gone || outlet.ending === "forbidden" || !player.hasStarted) return;
  const last = epoch.broadcasts.at(-1);
  // One that is over before its first keyframe has come leads nowhere.
  const first = last?.source.items.find(({ isKey }) => isKey);
  if (last === undefined || first === undefined || last.to - last.from < first.at + first.bytes.length)
    return;
  expect(player.isAtEnd).toBe(true);
}

describe("a channel of FLV at random", () => {
  const starts = ["join", "next", "back"] as const;

  test.each([
    ["with a backlog of a few groups", { passwords: [""], largest: 8000, runs: 60 }, {}],
    [
      "with passwords, a lag limit and a hold after orderly ends",
      { passwords: ["", "a", "a", "b"], largest: 8000, runs: 60 },
      { maxLagMs: 3000, holdEndedMs: 3000 },
    ],
    ["with pieces larger than the backlog", { passwords: [""], largest: 90_000, runs: 20 }, {}],
  ] as const)("%s", (_, { passwords, largest, runs }, changes) => {
    check({ kinds: 1, largest, starts, passwords }, runs, 1, (operations) => {
      let index = 0;
      const simulation = new Simulation({ joinTimeoutMs: 1e9, ...changes }, () => new FlvSource(index++));
      simulation.run(operations);
      for (const subject of simulation.subjects) judge(subject);
    });
  });
});
