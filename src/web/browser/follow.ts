// How a player stays near live. What counts is the least that was buffered ahead within the last moments: what comes in
// bursts (a fragment a second) needs the whole burst, and only what is never used is delay. A delay that lasts is caught up
// with by playing a little faster, then at exactly the stream's own rate again; a long one by a jump. Each time the player
// ran dry it keeps more ahead, and slowly less again. Pure: the clock is passed in.

/** What to do. `jumpTo`: seconds to keep ahead of the place to jump to. */
export interface Step {
  readonly rate: number;
  readonly jumpTo?: number;
}

const windowMs = 1500;
/** Seconds kept ahead, at the least and at the most. */
const leastAhead = 0.25;
const mostAhead = 3;
/** What has to be ahead beyond that for a chase to begin, and for a jump. */
const chaseBeyond = 0.25;
const jumpBeyond = 3;
/** At the beginning a jump is hardly seen, and a joiner may be a keyframe's distance behind. */
const firstJumpBeyond = 0.5;
const stallCost = 0.3;
const calmMs = 20_000;

/** Decides for one playback; to be asked a few times a second. */
export class Follower {
  /** Seconds kept ahead. */
  #target = leastAhead;
  #samples: { readonly ms: number; readonly ahead: number }[] = [];
  #rate = 1;
  #lastStallMs = Number.NEGATIVE_INFINITY;
  /** Of the last jump; of the first decision, as long as there was none. */
  #lastJumpMs: number | undefined;

  /** Seconds that it keeps ahead at the moment. */
  get target(): number {
    return this.#target;
  }

  /** `ahead` seconds are buffered beyond what is played at the moment. */
  step(nowMs: number, ahead: number): Step {
    this.#samples = this.#samples.filter(({ ms }) => ms > nowMs - windowMs);
    this.#samples.push({ ms: nowMs, ahead });
    if (nowMs - this.#lastStallMs > calmMs && this.#target > leastAhead) {
      this.#target = Math.max(leastAhead, this.#target - stallCost / 3);
      this.#lastStallMs = nowMs;
    }
    if (nowMs - this.#samples[0].ms < windowMs / 2) return { rate: this.#rate };
    const excess = Math.min(...this.#samples.map((sample) => sample.ahead)) - this.#target;
    const tooMuch = this.#lastJumpMs === undefined ? firstJumpBeyond : jumpBeyond;
    const mayJump = nowMs - (this.#lastJumpMs ?? Number.NEGATIVE_INFINITY) > 2 * windowMs;
    this.#lastJumpMs ??= nowMs;
    if (excess > tooMuch && mayJump) {
      this.#lastJumpMs = nowMs;
      this.reset();
      return { rate: 1, jumpTo: this.#target + chaseBeyond / 2 };
    }
    if (excess > chaseBeyond) this.#rate = excess > 0.8 ? 1.15 : 1.08;
    else if (excess < 0.05) this.#rate = 1;
    return { rate: this.#rate };
  }

  /** A stream begins. */
  begin(): void {
    this.#lastJumpMs = undefined;
    this.reset();
  }

  /** The player ran dry. */
  stalled(nowMs: number): void {
    this.#target = Math.min(mostAhead, this.#target + stallCost);
    this.#lastStallMs = nowMs;
    this.reset();
  }

  /** What was seen so far counts no more: after a jump, a pause. */
  reset(): void {
    this.#samples = [];
    this.#rate = 1;
  }
}
