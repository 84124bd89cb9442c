// Work that holds everything up gets a share of the time, and no more.

import { expect, test } from "bun:test";
import { Spaced } from "../../src/auth/spaced.ts";

test("pieces of work run one after the other, with a rest of three times as long after each", async () => {
  const time = { ms: 0 };
  const spaced = new Spaced(
    () => time.ms,
    async (ms) => {
      await Promise.resolve();
      time.ms += ms;
    },
  );
  const starts: number[] = [];
  const piece = (ms: number) =>
    spaced.run(() => {
      starts.push(time.ms);
      time.ms += ms;
      return ms;
    });
  expect(await Promise.all([piece(10), piece(1), piece(5)])).toEqual([10, 1, 5]);
  expect(starts).toEqual([0, 40, 44]);
});

test("what fails has its rest too, and the next one runs", async () => {
  const slept: number[] = [];
  const spaced = new Spaced(
    () => 0,
    (ms) => Promise.resolve(void slept.push(ms)),
  );
  const failing = spaced
    .run(() => {
      throw new Error("it fails");
    })
    .catch((error: Error) => error.message);
  const next = spaced.run(() => "done");
  expect(await failing).toBe("it fails");
  expect(await next).toBe("done");
  expect(slept).toHaveLength(2);
});
