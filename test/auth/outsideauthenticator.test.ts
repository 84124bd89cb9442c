// What is the same for all authenticators of an operator's own, whatever is asked (contract/outsideauthenticators.test.ts runs the
// kinds of it): here an asker answers when the test says.

import { expect, test } from "bun:test";
import type { AuthRequest } from "../../src/auth/authtypes.ts";
import { OutsideAuthenticator } from "../../src/auth/outsideauthenticator.ts";
import { FstreamError } from "../../src/errors.ts";
import { until } from "../e2e/program.ts";
import { keptLog } from "./answering.ts";
import { authRequest } from "./request.ts";

interface Open {
  readonly request: AuthRequest;
  readonly answer: (value: unknown) => void;
}

function bench(options: { timeoutMs?: number; maxParallel?: number } = {}) {
  let nowMs = 1000;
  const open: Open[] = [];
  const authenticator = new OutsideAuthenticator({
    asker: { ask: (request) => new Promise((answer) => open.push({ request, answer })) },
    log: keptLog().log,
    timeoutMs: options.timeoutMs ?? 60_000,
    maxParallel: options.maxParallel ?? 4,
    nowMs: () => nowMs,
  });
  const ask = (changes: Partial<AuthRequest> = {}) =>
    authenticator.authenticate(authRequest(changes)).then(
      ({ endsMs }) => endsMs,
      (error: unknown) => (error as FstreamError).code,
    );
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { open, ask, pass };
}

test("a decision is valid from when it was made, however often it is used, and not used beyond that", async () => {
  const { open, ask, pass } = bench();
  const first = ask();
  await until("it is asked", () => open.length === 1);
  open[0].answer({ allow: true, validSeconds: 2, cacheSeconds: 10 });
  expect(await first).toBe(3000);
  pass(1500);
  expect(await ask()).toBe(3000);
  pass(500);
  void ask();
  await until("it is asked again", () => open.length === 2);
});

test("what is still being asked after its time keeps its place, so that no more are asked at once", async () => {
  const { open, ask } = bench({ timeoutMs: 20, maxParallel: 2 });
  expect(await Promise.all([ask({ user: "a" }), ask({ user: "b" })])).toEqual(["busy", "busy"]);
  const third = ask({ user: "c" });
  expect(open.length).toBe(2);
  open[0].answer(true);
  await until("the third is asked", () => open.length === 3);
  open[2].answer(true);
  expect(await third).toBeUndefined();
});
