// The authenticator that is on, and another in its place.

import { expect, test } from "bun:test";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { CurrentAuthenticator } from "../../src/auth/currentauthenticator.ts";
import { authRequest } from "./request.ts";

/** One that answers when the test says. */
function bench(name: string, needsPassword: boolean) {
  const answers: (() => void)[] = [];
  let stopped = 0;
  const authenticator: Authenticator = {
    needsPassword,
    authenticate: async () => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return { user: name, channels: undefined };
    },
    stop: () => void stopped++,
  };
  return { authenticator, answers, stopped: () => stopped };
}

test("one that is replaced answers what it was asked, and is stopped then; the other is asked from then on", async () => {
  const [first, second] = [bench("first", true), bench("second", false)];
  const current = new CurrentAuthenticator(first.authenticator);
  const asked = [current.authenticate(authRequest()), current.authenticate(authRequest())];
  expect(current.needsPassword).toBe(true);
  current.replace(second.authenticator);
  expect(current.needsPassword).toBe(false);
  const later = current.authenticate(authRequest());
  first.answers[0]();
  expect((await asked[0]).user).toBe("first");
  expect(first.stopped()).toBe(0);
  first.answers[1]();
  expect((await asked[1]).user).toBe("first");
  expect(first.stopped()).toBe(1);
  second.answers[0]();
  expect((await later).user).toBe("second");
  expect(second.stopped()).toBe(0);
  current.stop();
  expect([first.stopped(), second.stopped()]).toEqual([1, 1]);
});

test("one that is replaced while it is asked nothing is stopped at once", () => {
  const first = bench("first", true);
  new CurrentAuthenticator(first.authenticator).replace(bench("second", true).authenticator);
  expect(first.stopped()).toBe(1);
});
