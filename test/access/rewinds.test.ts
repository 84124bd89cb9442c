// What the watchers of an address may begin with: some backlogs at once, and as much again in a minute.

import { expect, test } from "bun:test";
import { Rewinds } from "../../src/access/rewinds.ts";

const options = { maxRewindsPerIp: 4, backlogBytes: 100 };

function bench(changes: Partial<typeof options> = {}) {
  const clock = { ms: 1000 };
  const exhausted: string[] = [];
  const rewinds = new Rewinds(
    { ...options, ...changes },
    {
      nowMs: () => clock.ms,
      exempt: (address) => address === "127.0.0.1",
      exhausted: (address) => exhausted.push(address),
    },
  );
  const left = (address: string) => rewinds.of(address)?.bytes;
  const take = (address: string, bytes: number) => rewinds.of(address)?.take(bytes);
  return { clock, rewinds, left, take, exhausted };
}

test("an address may begin with some backlogs at once, and a minute brings as many again", () => {
  const { clock, left, take, exhausted } = bench();
  expect(left("192.0.2.1")).toBe(400);
  take("192.0.2.1", 100);
  take("192.0.2.1", 250);
  expect(left("192.0.2.1")).toBe(50);
  expect(left("192.0.2.2")).toBe(400);
  clock.ms += 6007;
  expect(left("192.0.2.1")).toBe(90);
  clock.ms += 60_000;
  expect(left("192.0.2.1")).toBe(400);
  expect(exhausted).toEqual(["192.0.2.1", "192.0.2.1"]);
});

test("what is taken beyond it, because no less can be given, is no debt", () => {
  const { clock, left, take } = bench();
  for (let i = 0; i < 100; i++) take("192.0.2.1", 100);
  expect(left("192.0.2.1")).toBe(0);
  clock.ms += 15_000;
  expect(left("192.0.2.1")).toBe(100);
});

test("watchers that came at the same time share what is left", () => {
  const { rewinds } = bench();
  const [one, other] = [rewinds.of("192.0.2.1"), rewinds.of("192.0.2.1")];
  one?.take(400);
  expect(other?.bytes).toBe(0);
});

test("the networks around an IPv6 /64 have what they may take too", () => {
  const { left, take } = bench();
  for (let i = 0; i < 4; i++) take(`2001:db8:0:${i}::1`, 400);
  expect(left("2001:db8:0:ff::1")).toBe(0);
  expect(left("2001:db8:0:1ff::1")).toBe(400);
  for (let i = 1; i < 4; i++) for (let j = 0; j < 4; j++) take(`2001:db8:0:${i}0${j}::1`, 400);
  expect(left("2001:db8:0:9ff::1")).toBe(0);
  expect(left("2001:db8:1::1")).toBe(400);
});

test("exempt addresses have no limit, and nobody has where there is none", () => {
  expect(bench().rewinds.of("127.0.0.1")).toBeUndefined();
  expect(bench({ maxRewindsPerIp: 0 }).rewinds.of("192.0.2.1")).toBeUndefined();
});
