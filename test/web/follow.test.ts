// A player stays near live without starving itself.

import { describe, expect, test } from "bun:test";
import { Follower } from "../../src/web/browser/follow.ts";

const tickMs = 250;

/** Plays a stream that comes `burst` seconds at once, from `ahead` seconds of delay; gives what is ahead, tick by tick. */
function play(
  follower: Follower,
  options: { ahead: number; burst?: number; seconds: number; fromMs?: number },
) {
  const { burst = 0.25, seconds, fromMs = 0 } = options;
  let { ahead } = options;
  let owed = 0;
  const seen: { ahead: number; rate: number; jumped: boolean }[] = [];
  for (let ms = fromMs; ms < fromMs + seconds * 1000; ms += tickMs) {
    const { rate, jumpTo } = follower.step(ms, ahead);
    if (jumpTo !== undefined) ahead = jumpTo;
    seen.push({ ahead, rate, jumped: jumpTo !== undefined });
    owed += tickMs / 1000;
    if (owed >= burst) {
      ahead += owed;
      owed = 0;
    }
    ahead -= (rate * tickMs) / 1000;
    if (ahead < 0) {
      follower.stalled(ms);
      ahead = 0;
    }
  }
  return seen;
}

const last = <T>(items: readonly T[]) => items[items.length - 1];

describe("a player that follows", () => {
  test("leaps over what lies behind it when it begins", () => {
    const seen = play(new Follower(), { ahead: 1.5, seconds: 10 });
    expect(seen.slice(0, 8).filter(({ jumped }) => jumped)).toHaveLength(1);
    expect(last(seen).ahead).toBeLessThan(0.8);
    expect(Math.min(...seen.map(({ ahead }) => ahead))).toBeGreaterThan(0);
  });

  test("catches up with a later delay of a second within ten, and then plays at the stream's own rate", () => {
    const follower = new Follower();
    play(follower, { ahead: 0.4, seconds: 10 });
    const seen = play(follower, { ahead: 1.2, seconds: 20, fromMs: 10_000 });
    expect(seen.some(({ jumped }) => jumped)).toBe(false);
    expect(Math.max(...seen.map(({ rate }) => rate))).toBeLessThanOrEqual(1.15);
    expect(seen[39].ahead).toBeLessThan(0.8);
    expect(last(seen).rate).toBe(1);
    expect(Math.min(...seen.map(({ ahead }) => ahead))).toBeGreaterThan(0);
  });

  test("jumps where the delay is long", () => {
    const seen = play(new Follower(), { ahead: 8, seconds: 10 });
    expect(seen.filter(({ jumped }) => jumped)).toHaveLength(1);
    expect(last(seen).ahead).toBeLessThan(0.8);
  });

  test("leaves a stream alone that comes in bursts of a second, which it needs", () => {
    const seen = play(new Follower(), { ahead: 1.2, burst: 1, seconds: 30 });
    expect(Math.min(...seen.map(({ ahead }) => ahead))).toBeGreaterThan(0);
    expect(last(seen).rate).toBe(1);
  });

  test("does not change the rate for small differences", () => {
    const seen = play(new Follower(), { ahead: 0.45, seconds: 30 });
    expect(new Set(seen.map(({ rate }) => rate))).toEqual(new Set([1]));
  });

  test("keeps more ahead each time it ran dry, within bounds, and less again later", () => {
    const follower = new Follower();
    const before = follower.target;
    follower.stalled(0);
    expect(follower.target).toBeGreaterThan(before);
    for (let i = 0; i < 100; i++) follower.stalled(i);
    expect(follower.target).toBeLessThanOrEqual(3);
    play(follower, { ahead: 3, seconds: 1200, fromMs: 1000 });
    expect(follower.target).toBe(before);
  });
});
