// What a broadcaster should know of its own stream, said once: nobody who comes late can play it, keyframes are far apart, or it runs
// faster than it plays. Only the first of a stream is looked at, so that it costs a fast one next to nothing. It sees what is
// read, whatever becomes of it.

import { Sniffer } from "../media/sniffer.ts";
import type { ClientClock } from "./clock.ts";
import { foreignFormat, foreignFormatBytes } from "./foreignformat.ts";
import { ProgramClock } from "./programclock.ts";

export interface Advice {
  readonly message: string;
  readonly hint: string;
}

/** Of a stream so much is looked at, bytes: a minute or two of a usual one, and more than the distance of keyframes may be. */
const lookedAtBytes = 64 * 1024 * 1024;
/** Keyframes may be so far apart: milliseconds, with some room for ten seconds; and bytes, the backlog of a server. */
const keyframeMs = 10_500;
const keyframeBytes = 16 * 1024 * 1024;
/** No more of a pause counts as time that the stream took, milliseconds. */
const longestGapMs = 1000;
/** So much more of it than time has passed may come, as a server's backlog does: milliseconds, and times as fast. */
const aheadMs = 60_000;
const aheadTimes = 4;

const realTime =
  "ffmpeg plays a file in real time: ffmpeg -re -i FILE -c copy -f mpegts - | fstream ADDRESS broadcast";

/** Gives each piece of advice once, to `say`. */
export class Adviser {
  readonly #clock: ClientClock;
  readonly #isFile: boolean;
  readonly #say: (advice: Advice) => void;
  readonly #sniffer: Sniffer;
  readonly #programClock = new ProgramClock();
  #offset = 0;
  #start: Uint8Array = new Uint8Array(0);
  #startMs = 0;
  #lastMs = 0;
  /** The newest place to join, and how long the stream has run since it came. */
  #join = 0;
  #sinceJoinMs = 0;
  #isDone = false;

  /** `isFile`: the stream is read from a file, which takes no time. */
  constructor(clock: ClientClock, isFile: boolean, say: (advice: Advice) => void) {
    this.#clock = clock;
    this.#isFile = isFile;
    this.#say = say;
    this.#sniffer = new Sniffer({
      header: () => undefined,
      unit: () => undefined,
      join: (offset) => {
        this.#join = offset;
        this.#sinceJoinMs = 0;
      },
    });
  }

  /** The next bytes of the stream. */
  feed(bytes: Uint8Array): void {
    if (this.#isDone) return;
    const nowMs = this.#clock.nowMs();
    if (this.#offset === 0) this.#startMs = nowMs;
    else this.#sinceJoinMs += Math.min(longestGapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (this.#offset < foreignFormatBytes)
      this.#start = Buffer.concat([this.#start, bytes.subarray(0, foreignFormatBytes)]);
    this.#sniffer.feed(bytes, this.#offset);
    this.#programClock.feed(bytes, this.#offset);
    this.#offset += bytes.length;
    if (this.#sniffer.state === "sniffing") return;
    const advice = this.#advice(nowMs);
    if (advice !== undefined) this.#say(advice);
    this.#isDone = advice !== undefined || this.#sniffer.lost || this.#offset >= lookedAtBytes;
  }

  #advice(nowMs: number): Advice | undefined {
    const { problem } = this.#sniffer.info;
    if (problem !== undefined) {
      return { message: `watchers who join late can't play this stream: ${problem}`, hint: realTime };
    }
    if (this.#sniffer.lost) {
      const format = foreignFormat(this.#start);
      if (format === undefined) return undefined;
      return {
        message: `watchers who join late can't play this stream: ${format} can't be joined midway`,
        hint: "MPEG-TS can: ffmpeg ... -f mpegts - | fstream ADDRESS broadcast",
      };
    }
    if (this.#isFile) {
      return {
        message: "the file is being sent as fast as it can be read, not in real time",
        hint: realTime,
      };
    }
    const elapsedMs = nowMs - this.#startMs;
    const { playedMs } = this.#programClock;
    if (playedMs - elapsedMs > aheadMs && playedMs > aheadTimes * elapsedMs) {
      return { message: "the stream is being sent much faster than real time", hint: realTime };
    }
    if (this.#sinceJoinMs > keyframeMs || this.#offset - this.#join > keyframeBytes) {
      const distance =
        this.#sinceJoinMs > keyframeMs
          ? "10 s"
          : `${keyframeBytes / 1024 ** 2} MiB, the default backlog of a server`;
      return {
        message: `no keyframe for ${distance}: watchers who join wait for the next one`,
        hint: "set the encoder's keyframe interval to 1 or 2 s; for ffmpeg -g 60 at 30 frames a second",
      };
    }
    return undefined;
  }
}
