// A tab that broadcasts over a slow connection makes less, and drops nothing.

import { expect, test } from "bun:test";
import { Uplink } from "../../src/web/browser/uplink.ts";

/** Sends over a connection of `capacity` bits a second; gives the rates and the largest backlog, bytes. */
function run(capacity: number, wanted: number, seconds: number) {
  const uplink = new Uplink(wanted, "video");
  const rates = [uplink.bitrate];
  let waiting = 0;
  let most = 0;
  for (let ms = 0; ms < seconds * 1000; ms += 100) {
    waiting = Math.max(0, waiting + (uplink.bitrate - capacity) / 80);
    most = Math.max(most, waiting);
    if (uplink.check(ms, waiting)) rates.push(uplink.bitrate);
  }
  return { rates, waiting, most };
}

test("a connection that is fast enough changes nothing", () => {
  expect(run(3_000_000, 2_500_000, 60)).toEqual({ rates: [2_500_000], waiting: 0, most: 0 });
});

test("a slow one lowers the rate until the backlog goes away", () => {
  const { rates, waiting, most } = run(700_000, 2_500_000, 60);
  expect(rates[rates.length - 1]).toBeLessThan(700_000);
  expect(rates.length).toBeLessThan(6);
  expect(waiting).toBe(0);
  expect(most).toBeLessThan(2_500_000);
});

test("the rate has a lower bound", () => {
  const { rates } = run(10_000, 2_500_000, 120);
  expect(rates[rates.length - 1]).toBe(120_000);
});

test("a moment's backlog is nothing", () => {
  const uplink = new Uplink(1_000_000, "video");
  expect(uplink.check(0, 200_000)).toBe(false);
  expect(uplink.check(1000, 200_000)).toBe(false);
  expect(uplink.check(1200, 0)).toBe(false);
  expect(uplink.check(2000, 200_000)).toBe(false);
});
