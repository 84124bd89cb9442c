import { expect, test } from "bun:test";
import { mayPass, Patience } from "../../src/client/patience.ts";
import { type Code, FstreamError } from "../../src/errors.ts";
import { testClock } from "./clock.ts";

test("pauses double from 100 ms to 5 s", async () => {
  const clock = testClock();
  const patience = new Patience(Number.POSITIVE_INFINITY, clock);
  for (let i = 0; i < 8; i++) expect(await patience.pause()).toBe(true);
  expect(clock.slept).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test("jitter takes up to half of a pause away", async () => {
  const clock = testClock(0);
  await new Patience(1000, clock).pause();
  expect(clock.slept).toEqual([50]);
});

test("attempts end when the duration has passed in vain, and the last pause is cut to it", async () => {
  const clock = testClock();
  const patience = new Patience(250, clock);
  expect(await patience.pause()).toBe(true);
  expect(await patience.pause()).toBe(true);
  expect(await patience.pause()).toBe(false);
  expect(clock.slept).toEqual([100, 150]);
});

test("no patience means no second attempt", async () => {
  const clock = testClock();
  expect(await new Patience(0, clock).pause()).toBe(false);
  expect(clock.slept).toEqual([]);
});

test("a success begins anew, with the time and with the pauses", async () => {
  const clock = testClock();
  const patience = new Patience(250, clock);
  await patience.pause();
  await patience.pause();
  patience.worked(250);
  clock.advance(10_000);
  expect(patience.leftMs).toBe(250);
  expect(await patience.pause()).toBe(true);
  expect(clock.slept).toEqual([100, 150, 100]);
});

test("what works only for a moment is no success: its time is not in vain, but the pauses still grow", async () => {
  const clock = testClock();
  const patience = new Patience(10_000, clock);
  for (let i = 0; i < 3; i++) {
    await patience.pause();
    clock.advance(4000);
    patience.worked(4000);
  }
  expect(clock.slept).toEqual([100, 200, 400]);
  expect(patience.leftMs).toBe(10_000 - 700);
  patience.worked(5000);
  expect(patience.leftMs).toBe(10_000);
});

test("only what may pass by itself is worth another attempt", () => {
  const passing: Code[] = ["not_live", "slow", "busy", "limit", "shutting_down", "internal", "disconnected"];
  const lasting: Code[] = ["unauthorized", "forbidden", "replaced", "bad_request", "failed", "usage"];
  for (const code of passing) expect([code, mayPass(new FstreamError(code, ""))]).toEqual([code, true]);
  for (const code of lasting) expect([code, mayPass(new FstreamError(code, ""))]).toEqual([code, false]);
});
