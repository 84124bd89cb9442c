// The fair queue for expensive work: how many run at once, in which order, and what is dropped when it is full.

import { expect, test } from "bun:test";
import { FairQueue, type FairQueueOptions } from "../../src/auth/fairqueue.ts";

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Work that ends when `endOne` says so, and the order in which pieces of it began. */
function bench(options: FairQueueOptions) {
  const queue = new FairQueue(options);
  const began: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (lane: string, name: string) =>
    queue
      .run(lane, async () => {
        began.push(name);
        await new Promise<void>((resolve) => ends.push(resolve));
        return name;
      })
      .catch((error: unknown) => error);
  const endOne = async () => {
    ends.shift()?.();
    await settle();
  };
  return { ask, began, endOne, queue };
}

test("no more than allowed runs at once, and the next begins when one ends", async () => {
  const { ask, began, endOne } = bench({ atOnce: 2, maxWaiting: 10 });
  const all = ["1", "2", "3", "4"].map((name) => ask("a", name));
  await settle();
  expect(began).toEqual(["1", "2"]);
  await endOne();
  expect(began).toEqual(["1", "2", "3"]);
  for (let i = 0; i < 3; i++) await endOne();
  expect(await Promise.all(all)).toEqual(["1", "2", "3", "4"]);
});

test("a key with one piece of work waits for one piece of another's many", async () => {
  const { ask, began, endOne } = bench({ atOnce: 1, maxWaiting: 10 });
  const all = [
    ask("a", "a1"),
    ask("a", "a2"),
    ask("a", "a3"),
    ask("a", "a4"),
    ask("b", "b1"),
    ask("c", "c1"),
  ];
  for (let i = 0; i < all.length; i++) await endOne();
  await Promise.all(all);
  expect(began).toEqual(["a1", "a2", "b1", "c1", "a3", "a4"]);
});

test("when too many wait the newest of the longest lane is refused as busy, not the only one of another", async () => {
  const { ask, began, endOne } = bench({ atOnce: 1, maxWaiting: 3 });
  const flood = ["a1", "a2", "a3", "a4", "a5"].map((name) => ask("a", name));
  const honest = ask("b", "b1");
  expect(await flood[4]).toMatchObject({ code: "busy" });
  expect(await flood[3]).toMatchObject({ code: "busy" });
  for (let i = 0; i < 4; i++) await endOne();
  expect(await honest).toBe("b1");
  expect(began).toEqual(["a1", "a2", "b1", "a3"]);
});

test("work that fails gives its place to the next, and its error to its caller", async () => {
  const { queue } = bench({ atOnce: 1, maxWaiting: 1 });
  const failing = queue.run("a", () => Promise.reject(new Error("no"))).catch((error: unknown) => error);
  const next = queue.run("a", () => Promise.resolve("yes"));
  expect(await failing).toEqual(new Error("no"));
  expect(await next).toBe("yes");
  expect(await queue.run("a", () => Promise.resolve("again"))).toBe("again");
});

test("the lane with the most pressure loses its newest, not the one that came last", async () => {
  const pressure: Record<string, number> = { a: 2, b: 3 };
  const { ask, began, endOne } = bench({
    atOnce: 1,
    maxWaiting: 3,
    pressureOf: (key) => () => pressure[key] ?? 1,
  });
  const [first, a, b, c] = [ask("first", "1"), ask("a", "a"), ask("b", "b"), ask("c", "c")];
  const d = ask("d", "d");
  expect(await b).toMatchObject({ code: "busy" });
  const e = ask("e", "e");
  expect(await a).toMatchObject({ code: "busy" });
  for (let i = 0; i < 4; i++) await endOne();
  expect(await Promise.all([first, c, d, e])).toEqual(["1", "c", "d", "e"]);
  expect(began).toEqual(["1", "c", "e", "d"]);
});

test("first attempts are not dropped, up to eight times as many as may wait", async () => {
  const { ask, endOne } = bench({ atOnce: 1, maxWaiting: 4, pressureOf: () => () => 1 });
  const all = Array.from({ length: 33 }, (_, index) => ask(`network ${index}`, `${index}`));
  expect(await ask("network 33", "33")).toMatchObject({ code: "busy" });
  for (let i = 0; i < 33; i++) await endOne();
  expect(await Promise.all(all)).toEqual(Array.from({ length: 33 }, (_, index) => `${index}`));
});

test("every other one served is a first attempt, the newest first; the others are served in order", async () => {
  const { ask, began, endOne } = bench({
    atOnce: 1,
    maxWaiting: 20,
    pressureOf: (key) => () => (key.startsWith("new") ? 1 : 2),
  });
  const all = ["a", "b", "c", "d", "e", "f", "g", "new 1", "new 2"].map((name) => ask(name, name));
  for (let i = 0; i < all.length; i++) await endOne();
  await Promise.all(all);
  expect(began).toEqual(["a", "b", "new 2", "c", "new 1", "d", "e", "f", "g"]);
});

test("of first attempts the least pressed are served first, of these the newest", async () => {
  const { ask, began, endOne } = bench({
    atOnce: 1,
    maxWaiting: 20,
    pressureOf: (key) => () => (key.startsWith("known") ? 0 : key.startsWith("new") ? 1 : 2),
  });
  const all = ["a", "b", "c", "d", "known 1", "known 2", "new 1", "new 2"].map((name) => ask(name, name));
  for (let i = 0; i < all.length; i++) await endOne();
  await Promise.all(all);
  expect(began).toEqual(["a", "b", "known 2", "c", "known 1", "d", "new 2", "new 1"]);
});

test("what has waited for too long is refused as busy, and nothing else is", async () => {
  const expiries: (() => void)[] = [];
  let cancelled = 0;
  const { ask, began, endOne } = bench({
    atOnce: 1,
    maxWaiting: 10,
    timeout: (expire) => {
      expiries.push(expire);
      return { cancel: () => cancelled++ };
    },
  });
  const [first, a, b, c] = [ask("first", "1"), ask("a", "a1"), ask("a", "a2"), ask("b", "b")];
  expiries[0]();
  expiries[2]();
  expect(await a).toMatchObject({ code: "busy" });
  expect(await c).toMatchObject({ code: "busy" });
  for (let i = 0; i < 2; i++) await endOne();
  expect(await Promise.all([first, b])).toEqual(["1", "a2"]);
  expect(began).toEqual(["1", "a2"]);
  expect([expiries.length, cancelled]).toEqual([3, 3]);
});
