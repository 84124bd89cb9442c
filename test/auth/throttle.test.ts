// Failed logins slow down their own network, and no other. The clock and the sleeping are the test's.

import { expect, test } from "bun:test";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { Throttle, throttled } from "../../src/auth/throttle.ts";
import { FstreamError } from "../../src/errors.ts";
import { authRequest } from "./request.ts";

/** An authenticator that knows "right", behind a throttle whose sleeps are written down and end when the test says. */
function bench(options: { maxRemembered?: number; hold?: boolean } = {}) {
  let now = 1000;
  const slept: number[] = [];
  const held: (() => void)[] = [];
  /** Has the login with a slow password that came first answered. */
  const answers: (() => void)[] = [];
  let asked = 0;
  const inner: Authenticator = {
    needsPassword: true,
    authenticate: async ({ user, password = "" }) => {
      asked++;
      if (password.startsWith("slow ")) await new Promise<void>((resolve) => answers.push(resolve));
      if (password === "slow right") return { user, channels: undefined };
      if (password === "busy") throw new FstreamError("busy", "busy");
      if (password !== "right") throw new FstreamError("unauthorized", "wrong");
      return { user, channels: undefined };
    },
  };
  const throttle = new Throttle({
    nowMs: () => now,
    sleep: (ms) => {
      slept.push(ms);
      return options.hold ? new Promise<void>((resolve) => held.push(resolve)) : Promise.resolve();
    },
    ...(options.maxRemembered === undefined ? {} : { maxRemembered: options.maxRemembered }),
  });
  const door = throttled(inner, throttle);
  const login = (address: string, password: string, user = "fier") =>
    door.authenticate(authRequest({ user, password, address })).then(
      () => "in",
      (error: FstreamError) => error.code,
    );
  const fail = async (address: string, times: number) => {
    for (let i = 0; i < times; i++) await login(address, "wrong");
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { login, fail, pass, slept, held, answers, throttle, asked: () => asked };
}

test("ten failures are free, then the delay doubles to five seconds and stays", async () => {
  const { fail, slept } = bench();
  await fail("192.0.2.1", 11);
  expect(slept).toEqual([]);
  await fail("192.0.2.1", 8);
  expect(slept).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test("no network is delayed by another's failures", async () => {
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
  await fail("192.0.2.1", 100); // no more are remembered than what the longest delay needs: 16
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
  expect(slept).toEqual([250, 500]);
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
  const { fail, login, slept } = bench({ maxRemembered: 2 });
  await fail("192.0.2.1", 11);
  await fail("192.0.2.2", 11);
  await fail("192.0.2.3", 1);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([]);
  await login("192.0.2.2", "right");
  expect(slept).toEqual([250]);
});

test("a network that goes on failing is not the one that is forgotten", async () => {
  const { fail, login, slept } = bench({ maxRemembered: 2 });
  await fail("192.0.2.1", 10);
  await fail("192.0.2.2", 11);
  await fail("192.0.2.1", 1);
  await fail("192.0.2.3", 1);
  await login("192.0.2.2", "right");
  expect(slept).toEqual([]);
  await login("192.0.2.1", "right");
  expect(slept).toEqual([250]);
});

test("attempts side by side count before they are answered: no more begin than may fail", async () => {
  const { login, slept, answers, asked } = bench({ hold: true });
  const all = Array.from({ length: 200 }, () => login("192.0.2.1", "slow wrong"));
  await settled();
  // Eleven are looked at, as many wait as may, and the others are refused.
  expect(asked()).toBe(11);
  expect(slept).toHaveLength(64);
  expect(slept.slice(0, 7)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
  for (const answer of answers.splice(0)) answer();
  await settled();
  expect(asked()).toBe(11);
  const answered = await Promise.all([...all.slice(0, 11), ...all.slice(75)]);
  expect(answered).toEqual([
    ...Array.from({ length: 11 }, () => "unauthorized"),
    ...Array.from({ length: 125 }, () => "busy"),
  ]);
});

test("those that wait when their network comes to have failures too many are no more than may be delayed", async () => {
  const { login, slept, answers, asked } = bench({ hold: true });
  const all = Array.from({ length: 75 }, () => login("192.0.2.1", "slow wrong"));
  const other = login("192.0.2.2", "slow wrong");
  await settled();
  expect([asked(), slept.length]).toEqual([12, 64]);
  for (const answer of answers.splice(0)) answer();
  const refused = await Promise.all([...all.slice(0, 11), ...all.slice(27)]);
  expect(refused.filter((code) => code === "unauthorized")).toHaveLength(11);
  expect(refused.filter((code) => code === "limit")).toHaveLength(48);
  expect(await other).toBe("unauthorized");
  expect(asked()).toBe(12);
});

test("a secret in the query is an attempt where no password is needed, and nothing at all is none", async () => {
  const slept: number[] = [];
  const throttle = new Throttle({ nowMs: () => 0, sleep: (ms) => Promise.resolve(void slept.push(ms)) });
  const inner = {
    needsPassword: false,
    authenticate: () => Promise.reject(new FstreamError("unauthorized", "")),
  };
  const { password: _, ...request } = authRequest();
  const door = throttled(inner, throttle);
  for (let i = 0; i < 20; i++) await door.authenticate(request).catch(() => {});
  expect(slept).toEqual([]);
  for (let i = 0; i < 13; i++) await door.authenticate({ ...request, query: "jwt=x" }).catch(() => {});
  expect(slept).toEqual([250, 500]);
});

test("what brings nothing has its share of what is under way, so that it is not ahead of those that bring something", async () => {
  const throttle = new Throttle({ nowMs: () => 0, sleep: () => new Promise(() => {}) });
  let asked = 0;
  const inner = {
    needsPassword: false,
    authenticate: () => {
      asked++;
      return new Promise<never>(() => {});
    },
  };
  const { password: _, ...request } = authRequest();
  const door = throttled(inner, throttle);
  const all = Array.from({ length: 200 }, () =>
    door.authenticate(request).catch((error: FstreamError) => error.code),
  );
  expect(await all[199]).toBe("busy");
  expect(asked).toBe(11);
  expect(throttle.pressureOf(request.address)()).toBeGreaterThan(11);
  expect(throttle.pressureOf("198.51.100.7")()).toBe(0);
});

test("right logins side by side wait for each other at most, never for a delay", async () => {
  const { login, answers, asked } = bench({ hold: true });
  const all = Array.from({ length: 60 }, () => login("192.0.2.1", "slow right"));
  await settled();
  expect(asked()).toBe(11);
  for (let i = 0; i < 60; i++) {
    answers.shift()?.();
    await settled();
  }
  expect(new Set(await Promise.all(all))).toEqual(new Set(["in"]));
});

test("what is known at once is never delayed in a network without failures, however much there is of it", async () => {
  const { throttle, slept } = bench({ hold: true });
  const all = Array.from({ length: 1000 }, () => throttle.run("192.0.2.1", "fier/default", () => "right"));
  expect(new Set(await Promise.all(all))).toEqual(new Set(["right"]));
  expect(slept).toEqual([]);
});

test("the /56 and the /48 of an IPv6 peer have what they may fail at too", async () => {
  for (const [width, most] of [
    ["56", 60],
    ["48", 200],
  ] as const) {
    const { fail, login, slept } = bench();
    for (let i = 0; i < most; i++) {
      const hop = width === "56" ? i % 256 : (i % 256) * 256;
      await fail(`2001:db8:0:${hop.toString(16)}::1`, 1);
    }
    expect(slept.length).toBeGreaterThan(10);
    slept.length = 0;
    // One that has not been there is delayed too, but not one beyond.
    await login("2001:db8:0:ff::1", "wrong");
    expect(slept).toHaveLength(1);
    await login("2001:db8:1:ff::1", "wrong");
    expect(slept).toHaveLength(1);
  }
});

test("a network that never stops failing does not use up what those around it may fail at", async () => {
  const { login, pass, slept } = bench();
  for (let i = 0; i < 500; i++) {
    await login("2001:db8:0:100::1", "wrong", `user${i}`);
    pass(1000);
  }
  slept.length = 0;
  await login("2001:db8:0:101::1", "right");
  await login("2001:db8:0:200::1", "right");
  expect(slept).toEqual([]);
});

test("what is guessed at from everywhere is guessed at once by each network, and one without failures is not delayed", async () => {
  const { login, slept } = bench();
  for (let i = 0; i < 110; i++) await login(`198.51.100.${i}`, "wrong");
  expect(slept).toEqual([]);
  await login("198.51.100.1", "wrong");
  expect(slept).toEqual([250]);
  expect(await login("192.0.2.1", "right")).toBe("in");
  // Others are not concerned.
  await login("198.51.100.2", "wrong", "ann");
  expect(slept).toEqual([250]);
});

test("waiting attempts are bounded in all, and one that has not failed does not wait", async () => {
  const { login, slept, held } = bench({ hold: true });
  const waiting: Promise<string>[] = [];
  for (let i = 0; i < 400; i++) {
    const address = `198.51.${i >> 8}.${i & 255}`;
    for (let j = 0; j < 11; j++) await login(address, "wrong", address);
    for (let j = 0; j < 11; j++) waiting.push(login(address, "wrong", address));
  }
  await settled();
  expect(slept).toHaveLength(4096);
  expect(await login("192.0.2.1", "right")).toBe("in");
  for (const release of held) release();
  expect((await Promise.all(waiting)).filter((code) => code === "busy")).toHaveLength(4400 - 4096);
});

test("the pressure of a network is what it has under way and failed at, 1 for one that asks for the first time", async () => {
  const { login, fail, throttle, answers } = bench({ hold: true });
  const asked = [login("192.0.2.1", "slow right"), login("192.0.2.2", "slow right")];
  await fail("192.0.2.2", 3);
  for (let i = 0; i < 64; i++) asked.push(login(`2001:db8:0:${i.toString(16)}::1`, "slow wrong"));
  await settled();
  expect(throttle.pressureOf("192.0.2.1")()).toBe(1);
  expect(throttle.pressureOf("192.0.2.2")()).toBe(4);
  expect(throttle.pressureOf("2001:db8::1")()).toBeGreaterThan(4);
  for (const answer of answers) answer();
});

test("the only attempt of a network has less pressure where there was a right one of late, more where there was a wrong one", async () => {
  const { login, fail, pass, throttle } = bench();
  const pressures = () =>
    ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8:1:1::1", "2001:db8:2:1::1"].map((address) => {
      void login(address, "slow right");
      return throttle.pressureOf(address)();
    });
  await login("192.0.2.1", "right");
  await fail("192.0.2.2", 1);
  for (let i = 2; i < 40; i++) await fail(`2001:db8:1:${i}00::1`, 1);
  await fail("2001:db8:2:2::1", 20);
  pass(60_000);
  expect(pressures()).toEqual([0, 2, 1, 2, 1]);
  const later = bench();
  await later.login("192.0.2.1", "right");
  await later.fail("192.0.2.2", 1);
  later.pass(25 * 3600 * 1000);
  for (const address of ["192.0.2.1", "192.0.2.2"]) {
    void later.login(address, "slow right");
    expect(later.throttle.pressureOf(address)()).toBe(1);
  }
});

/** Everything that waits for nothing but promises is done. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
