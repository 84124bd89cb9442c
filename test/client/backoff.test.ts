import { expect, test } from "bun:test";
import { Backoff, mayPass } from "../../src/client/backoff.ts";
import { type Code, FstreamError } from "../../src/errors.ts";
import { testClock } from "./clock.ts";

test("pauses double from 100 ms to 5 s", async () => {
  const clock = testClock();
  const backoff = new Backoff(Number.POSITIVE_INFINITY, clock);
  for (let i = 0; i < 8; i++) expect(await backoff.pause()).toBe(true);
  expect(clock.slept).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test("jitter takes up to half of a pause away", async () => {
  const clock = testClock(0);
  await new Backoff(1000, clock).pause();
  expect(clock.slept).toEqual([50]);
});

test("attempts end when the duration has passed without success, and the last pause is cut to it", async () => {
  const clock = testClock();
  const backoff = new Backoff(250, clock);
  expect(await backoff.pause()).toBe(true);
  expect(await backoff.pause()).toBe(true);
  expect(await backoff.pause()).toBe(false);
  expect(clock.slept).toEqual([100, 150]);
});

test("without a duration there is no second attempt", async () => {
  const clock = testClock();
  expect(await new Backoff(0, clock).pause()).toBe(false);
  expect(clock.slept).toEqual([]);
});

test("a success begins anew, with the time and with the pauses", async () => {
  const clock = testClock();
  const backoff = new Backoff(250, clock);
  await backoff.pause();
  await backoff.pause();
  backoff.worked(250);
  clock.advance(10_000);
  expect(backoff.leftMs).toBe(250);
  expect(await backoff.pause()).toBe(true);
  expect(clock.slept).toEqual([100, 150, 100]);
});

test("what works only for a moment is no success: its time does not count, but the pauses still grow", async () => {
  const clock = testClock();
  const backoff = new Backoff(10_000, clock);
  for (let i = 0; i < 3; i++) {
    await backoff.pause();
    clock.advance(4000);
    backoff.worked(4000);
  }
  expect(clock.slept).toEqual([100, 200, 400]);
  expect(backoff.leftMs).toBe(10_000 - 700);
  backoff.worked(5000);
  expect(backoff.leftMs).toBe(10_000);
});

test("only what may pass by itself is worth another attempt", () => {
  const passing: Code[] = ["not_live", "slow", "busy", "limit", "shutting_down", "internal", "disconnected"];
  const lasting: Code[] = ["unauthorized", "forbidden", "replaced", "bad_request", "failed", "usage"];
  for (const code of passing) expect([code, mayPass(new FstreamError(code, ""))]).toEqual([code, true]);
  for (const code of lasting) expect([code, mayPass(new FstreamError(code, ""))]).toEqual([code, false]);
});
