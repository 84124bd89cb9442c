// The life of one-time tokens.

import { expect, test } from "bun:test";
import { Tokens } from "../../src/auth/tokens.ts";

const fier = { user: "fier", channels: ["cam*"] };
const zoe = { user: "zoe", channels: undefined };

function bench(options: { tokenLifetimeMs?: number; max?: number } = {}) {
  const clock = { now: 5000 };
  const tokens = new Tokens({ tokenLifetimeMs: 120_000, ...options }, () => clock.now);
  const refusal = (user: string, token: string) =>
    tokens.redeem(user, token).then(
      () => "accepted",
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  return { tokens, clock, refusal };
}

test("a token gives the grant it was issued for, once", async () => {
  const { tokens, refusal } = bench();
  const { token, expiresInSeconds } = await tokens.issue(fier);
  expect(expiresInSeconds).toBe(120);
  expect(await tokens.redeem("fier", token)).toEqual(fier);
  expect(await refusal("fier", token)).toBe("unauthorized: token already used");
});

test("tokens are long, random, and need no escape in the protocol or a URL", async () => {
  const { tokens } = bench();
  const all = new Set<string>();
  for (let i = 0; i < 200; i++) all.add((await tokens.issue(fier)).token);
  expect(all.size).toBe(200);
  for (const token of all) expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/);
});

test("every bit of the random bytes is in the token", async () => {
  const bytes = Uint8Array.from({ length: 24 }, (_, index) => index * 10);
  const tokens = new Tokens({ tokenLifetimeMs: 1, random: (count) => bytes.subarray(0, count) }, () => 0);
  const { token } = await tokens.issue(fier);
  expect(new Uint8Array(Buffer.from(token, "base64url"))).toEqual(bytes);
});

test("a token ends with what its grant allows, if that is sooner", async () => {
  const { tokens, clock, refusal } = bench();
  const { token, expiresInSeconds } = await tokens.issue({ ...fier, endsMs: 5000 + 10_500, maxWatchers: 3 });
  expect(expiresInSeconds).toBe(10);
  clock.now += 10_499;
  expect(await tokens.redeem("fier", token)).toEqual({ ...fier, endsMs: 15_500, maxWatchers: 3 });
  const late = await tokens.issue({ ...fier, endsMs: 15_500 });
  clock.now = 15_500;
  expect(await refusal("fier", late.token)).toBe("unauthorized: token expired");
});

test("a newer token ends the older one, and says so", async () => {
  const { tokens, refusal } = bench();
  const older = await tokens.issue(fier);
  const newer = await tokens.issue(fier);
  expect(await refusal("fier", older.token)).toBe("unauthorized: token replaced by a newer one");
  expect(await tokens.redeem("fier", newer.token)).toEqual(fier);
});

test("users' tokens have nothing to do with each other", async () => {
  const { tokens, refusal } = bench();
  const fiers = await tokens.issue(fier);
  const zoes = await tokens.issue(zoe);
  expect(await refusal("fier", zoes.token)).toBe("unauthorized: wrong user or token");
  expect(await refusal("zoe", fiers.token)).toBe("unauthorized: wrong user or token");
  expect(await tokens.redeem("zoe", zoes.token)).toEqual(zoe);
  expect(await refusal("fier", zoes.token)).toBe("unauthorized: wrong user or token"); // not "used": it is not fier's
  expect(await tokens.redeem("fier", fiers.token)).toEqual(fier);
});

test("a wrong token does not burn the right one", async () => {
  const { tokens, refusal } = bench();
  const { token } = await tokens.issue(fier);
  for (const wrong of ["", "x", token.slice(1), `${token}x`, token.toLowerCase().toUpperCase()])
    expect(await refusal("fier", wrong)).toBe("unauthorized: wrong user or token");
  expect(await tokens.redeem("fier", token)).toEqual(fier);
});

test("a user without a token is refused in the same words as a wrong token", async () => {
  const { refusal } = bench();
  expect(await refusal("nobody", "x")).toBe("unauthorized: wrong user or token");
});

test("a token is good to the last millisecond of its life, and then has expired", async () => {
  const { tokens, clock, refusal } = bench();
  const { token } = await tokens.issue(fier);
  clock.now += 119_999;
  expect(await tokens.redeem("fier", token)).toEqual(fier);
  const late = await tokens.issue(fier);
  clock.now += 120_000;
  expect(await refusal("fier", late.token)).toBe("unauthorized: token expired");
  expect(await refusal("fier", late.token)).toBe("unauthorized: token expired");
});

test("of two redemptions at once one wins", async () => {
  const { tokens, refusal } = bench();
  const { token } = await tokens.issue(fier);
  const outcomes = await Promise.all([refusal("fier", token), refusal("fier", token)]);
  expect(outcomes).toEqual(["accepted", "unauthorized: token already used"]);
});

test("a refusal comes with what to do", async () => {
  const { tokens } = bench();
  const { token } = await tokens.issue(fier);
  await tokens.redeem("fier", token);
  const error = await tokens.redeem("fier", token).catch((error: unknown) => error);
  expect(error).toMatchObject({ hint: expect.stringContaining("get a new one") });
});

test("live tokens are bounded, but a user that has one always gets a newer one", async () => {
  const { tokens, clock } = bench({ max: 2 });
  await tokens.issue(fier);
  await tokens.issue(zoe);
  const error = await tokens.issue({ user: "eve", channels: undefined }).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: "limit" });
  const { token } = await tokens.issue(zoe);
  expect(await tokens.redeem("zoe", token)).toEqual(zoe);
  clock.now += 120_000; // fier's is over
  await tokens.issue(zoe);
  expect(await tokens.issue({ user: "eve", channels: undefined })).toHaveProperty("token");
});

test("what became of old tokens is remembered only so far", async () => {
  const { tokens, refusal } = bench({ max: 2 });
  const issued: string[] = [];
  for (let i = 0; i < 4; i++) issued.push((await tokens.issue(fier)).token);
  expect(await refusal("fier", issued[0])).toBe("unauthorized: wrong user or token");
  expect(await refusal("fier", issued[1])).toBe("unauthorized: token replaced by a newer one");
  expect(await refusal("fier", issued[2])).toBe("unauthorized: token replaced by a newer one");
});
