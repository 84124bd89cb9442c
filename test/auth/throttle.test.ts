// Failed logins slow down the one who fails, and nobody else. The clock and the sleeping are the test's.

import { expect, test } from "bun:test";
import type { Authenticator, Login } from "../../src/auth/authenticator.ts";
import { throttled } from "../../src/auth/throttle.ts";
import { FstreamError } from "../../src/errors.ts";

/** An authenticator that knows "right", behind a throttle whose sleeps are written down and end when told. */
function bench(options: { maxNetworks?: number; hold?: boolean } = {}) {
  let now = 1000;
  const slept: number[] = [];
  const held: (() => void)[] = [];
  let asked = 0;
  const inner: Authenticator = {
    authenticate: async ({ user, password }: Login) => {
      asked++;
      if (password === "busy") throw new FstreamError("busy", "busy");
      if (password !== "right") throw new FstreamError("unauthorized", "wrong");
      return { user, channels: undefined };
    },
  };
  const door = throttled(inner, {
    nowMs: () => now,
    sleep: (ms) => {
      slept.push(ms);
      return options.hold ? new Promise((resolve) => held.push(resolve)) : Promise.resolve();
    },
    ...(options.maxNetworks === undefined ? {} : { maxNetworks: options.maxNetworks }),
  });
  const login = (address: string, password: string) =>
    door.authenticate({ user: "fier", password, address }).then(
      () => "in",
      (error: FstreamError) => error.code,
    );
  const fail = async (address: string, times: number) => {
    for (let i = 0; i < times; i++) await login(address, "wrong");
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { login, fail, pass, slept, held, asked: () => asked };
}

test("ten failures are free, then the delay doubles to five seconds and stays", async () => {
  const { fail, slept } = bench();
  await fail("192.0.2.1", 11);
  expect(slept).toEqual([]);
  await fail("192.0.2.1", 8);
  expect(slept).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test("nobody else is delayed by another's failures", async () => {
  const { fail, login, slept } = bench();
  await fail("192.0.2.1", 12);
  slept.length = 0;
  expect(await login("192.0.2.2", "right")).toBe("in");
  expect(await login("192.0.2.2", "wrong")).toBe("unauthorized");
  expect(slept).toEqual([]);
});

test("an IPv6 peer does not get away by hopping about in its /64", async () => {
  const { fail, login, slept } = bench();
  for (let i = 0; i < 11; i++) await fail(`2001:db8::${i.toString(16)}`, 1);
  await login("2001:db8::ffff", "wrong");
  expect(slept).toEqual([250]);
});

test("a right login is not a failure, however often, and does not clear another's failures", async () => {
  const { fail, login, slept } = bench();
  for (let i = 0; i < 50; i++) expect(await login("192.0.2.1", "right")).toBe("in");
  expect(slept).toEqual([]);
  await fail("192.0.2.1", 11);
  expect(await login("192.0.2.1", "right")).toBe("in");
  expect(await login("192.0.2.1", "right")).toBe("in");
  expect(slept).toEqual([250, 250]);
});

test("what was not the client's fault is no failure", async () => {
  const { login, slept } = bench();
  for (let i = 0; i < 30; i++) expect(await login("192.0.2.1", "busy")).toBe("busy");
  expect(slept).toEqual([]);
});

test("time pays failures back, one in ten seconds", async () => {
  const { fail, login, pass, slept } = bench();
  await fail("192.0.2.1", 100); // owed no more than what the longest delay needs: 16
  slept.length = 0;
  pass(50_000);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([250]);
  pass(10_000);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([250]);
  pass(3_600_000);
  await fail("192.0.2.1", 11);
  expect(slept).toEqual([250]);
});

test("delays run side by side, each of its own, and no login is looked at before its delay is over", async () => {
  const { fail, login, slept, held, asked } = bench({ hold: true });
  await fail("192.0.2.1", 11);
  const waiting = [login("192.0.2.1", "right"), login("192.0.2.1", "right")];
  await Promise.resolve();
  expect(slept).toEqual([250, 250]);
  expect(asked()).toBe(11);
  held[1]();
  expect(await waiting[1]).toBe("in");
  held[0]();
  expect(await waiting[0]).toBe("in");
});

test("guessing side by side is bounded: the seventeenth that waits is refused at once", async () => {
  const { fail, login, held } = bench({ hold: true });
  await fail("192.0.2.1", 11);
  const waiting = Array.from({ length: 16 }, () => login("192.0.2.1", "wrong"));
  expect(await login("192.0.2.1", "wrong")).toBe("limit");
  expect(await login("192.0.2.2", "right")).toBe("in");
  for (const release of held) release();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["unauthorized"]));
});

test("the memory is bounded: of too many networks the one that failed longest ago is forgotten", async () => {
  const { fail, login, slept } = bench({ maxNetworks: 2 });
  await fail("192.0.2.1", 11);
  await fail("192.0.2.2", 11);
  await fail("192.0.2.3", 1);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([]);
  await login("192.0.2.2", "right");
  expect(slept).toEqual([250]);
});

test("a network that goes on failing is not the one that is forgotten", async () => {
  const { fail, login, slept } = bench({ maxNetworks: 2 });
  await fail("192.0.2.1", 10);
  await fail("192.0.2.2", 11);
  await fail("192.0.2.1", 1);
  await fail("192.0.2.3", 1);
  await login("192.0.2.2", "right");
  expect(slept).toEqual([]);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([250]);
});
