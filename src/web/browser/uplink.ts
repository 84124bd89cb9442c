// How a broadcasting tab gets along with a slow connection. What the recorder makes and the network does not take waits in the
// socket; a backlog that lasts means that less has to be made. Nothing that was made is ever dropped, since what follows
// could not be decoded without it. Pure: the clock is passed in.

/** The least that still is a picture, or sound, bits a second. */
const leastBitrate = { video: 120_000, audio: 16_000 } as const;
/** Seconds of stream that may wait, and for how long there may be more. */
const allowedSeconds = 1;
const patienceMs = 1500;
/** More than that at once, and there is no waiting any more. */
const tooManySeconds = 4;
const reduction = 0.6;
/** Over such a time a backlog has to grow for the rate to be lowered: while it goes away nothing has to be done. */
const trendMs = 1500;

export class Uplink {
  readonly #least: number;
  #bitrate: number;
  #behindSinceMs: number | undefined;
  #samples: { readonly ms: number; readonly bytes: number }[] = [];

  /** `bitrate`: bits a second that are wanted. */
  constructor(bitrate: number, kind: keyof typeof leastBitrate) {
    this.#bitrate = bitrate;
    this.#least = leastBitrate[kind];
  }

  /** Bits a second that are to be made. */
  get bitrate(): number {
    return this.#bitrate;
  }

  /** `waitingBytes` are in the socket. True: the recorder is to begin again, with the rate that is now lower. */
  check(nowMs: number, waitingBytes: number): boolean {
    const seconds = (waitingBytes * 8) / this.#bitrate;
    if (seconds <= allowedSeconds) {
      this.#behindSinceMs = undefined;
      this.#samples = [];
      return false;
    }
    this.#behindSinceMs ??= nowMs;
    this.#samples = [
      ...this.#samples.filter(({ ms }) => ms >= nowMs - trendMs),
      { ms: nowMs, bytes: waitingBytes },
    ];
    const isGrowing = waitingBytes > this.#samples[0].bytes;
    const isLasting = nowMs - this.#behindSinceMs >= patienceMs || seconds > tooManySeconds;
    if (!isLasting || !isGrowing || this.#bitrate === this.#least) return false;
    this.#bitrate = Math.max(this.#least, Math.round(this.#bitrate * reduction));
    this.#behindSinceMs = undefined;
    this.#samples = [];
    return true;
  }
}
