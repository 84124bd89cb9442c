// Wrong logins from many networks, few from each, each of them expensive work: a login from elsewhere still gets in,
// within a few pieces of that work. Time is what the work takes.

import { expect, setDefaultTimeout, test } from "bun:test";
import { FairQueue } from "../../src/auth/fairqueue.ts";
import { Throttle } from "../../src/auth/throttle.ts";
import { FstreamError } from "../../src/errors.ts";

setDefaultTimeout(60_000);

/** Two hashes at a time take so long, milliseconds. */
const hashMs = 200;

/** `networks` that make `atOnce` wrong logins at once. */
function flood(networks: number, atOnce: number, addressOf = ipv4) {
  const time = { ms: 0 };
  const throttle = new Throttle({ nowMs: () => time.ms, sleep: () => new Promise<void>(() => {}) });
  const queue = new FairQueue({
    atOnce: 2,
    maxWaiting: 64,
    pressureOf: (address) => throttle.pressureOf(address),
  });
  const hashing: (() => void)[] = [];
  const flooding = { next: 0, attempts: 0 };
  const login = (address: string, user: string, right: boolean) =>
    throttle.run(address, user, () =>
      queue.run(address, async () => {
        await new Promise<void>((resolve) => hashing.push(resolve));
        if (!right) throw new FstreamError("unauthorized", "wrong");
      }),
    );
  const attack = () => {
    flooding.attempts++;
    const number = flooding.next++ % networks;
    const done = () => {
      flooding.attempts--;
    };
    login(addressOf(number), `user ${number}`, false).then(done, done);
  };
  /** A piece of work is done, and the flood makes an attempt for each that was answered. */
  const step = async () => {
    while (flooding.attempts < atOnce) attack();
    await settled();
    for (const end of hashing.splice(0, 2)) end();
    await settled();
    time.ms += hashMs;
  };
  /** How many pieces of work are done until a right login from there has its answer. */
  const stepsOf = async (address: string) => {
    const state = { over: false };
    let failure: unknown;
    login(address, "fier", true)
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        state.over = true;
      });
    for (let steps = 1; steps < 1000; steps++) {
      await step();
      if (failure !== undefined) throw failure;
      if (state.over) return steps;
    }
    return Number.POSITIVE_INFINITY;
  };
  return { step, stepsOf };
}

function ipv4(number: number): string {
  return `198.51.${number >> 8}.${number & 255}`;
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("a right login, from a known network or an unknown one, does not wait behind a flood", async () => {
  const { step, stepsOf } = flood(250, 200);
  await stepsOf("192.0.2.1");
  for (let i = 0; i < 300; i++) await step();
  for (let i = 2; i < 12; i++) {
    expect(await stepsOf(`192.0.2.${i}`)).toBeLessThan(5);
    expect(await stepsOf("192.0.2.1")).toBeLessThan(5);
  }
});

test("a login from a known network does not wait behind a flood from ever new networks either", async () => {
  const { step, stepsOf } = flood(60_000, 200);
  await stepsOf("192.0.2.1");
  for (let i = 0; i < 300; i++) await step();
  for (let i = 0; i < 10; i++) expect(await stepsOf("192.0.2.1")).toBeLessThan(5);
});

test.each([
  ["/56", 1],
  ["/48", 256],
])(
  "first attempts from hundreds of networks in few IPv6 %s make no login from elsewhere busy",
  async (_, apart) => {
    // More than may wait, if each counted for itself.
    const addressOf = (number: number) =>
      `2001:db8:${(number % 20).toString(16)}:${(Math.floor(number / 20) * apart).toString(16)}::1`;
    const { step, stepsOf } = flood(1000, 1000, addressOf);
    await step();
    expect(await stepsOf("192.0.2.1")).toBeLessThan(5);
    expect(await stepsOf("2001:db8:ffff::1")).toBeLessThan(5);
  },
);
