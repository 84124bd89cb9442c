// What every authenticator of an operator's own has to hold to, whichever way it is asked: one suite, run over the module, the
// program and the service. What is asked of them says what they are to answer.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuthRequest, mayBroadcast } from "../../src/auth/authenticator.ts";
import type { OutsideOptions } from "../../src/auth/outsideauthenticator.ts";
import { FstreamError } from "../../src/errors.ts";
import { type Answering, kinds } from "../auth/answering.ts";
import { authRequest } from "../auth/request.ts";

const secret = 'Tr0ub4dor&3 "quoted"';

/** Notes each request with its beginning and its end, and does what the query says. */
const decide = `
  const write = (line: string) => appendFileSync(folder + "/asked", line + "\\n");
  write("begin");
  const [what, value = ""] = decodeURIComponent(request.query ?? "").split("=");
  try {
    switch (what) {
      case "say": return JSON.parse(value);
      case "quote": return { allow: false, reason: "no such password: " + request.password };
      case "throw": throw new Error("no database for " + request.password);
      case "exit": process.exit(1);
      case "never": return await new Promise((resolve) => setTimeout(resolve, 600_000));
      case "slow": await Bun.sleep(300); return true;
      default: return true;
    }
  } finally { write("end"); }`;

const saying = (decision: unknown) => `say=${encodeURIComponent(JSON.stringify(decision))}`;

/** What the log gets to know. */
function causeOf(error: FstreamError | undefined): string | undefined {
  return error?.cause instanceof FstreamError ? error.cause.message : undefined;
}

for (const kind of kinds) {
  describe(`an operator's own, by ${kind.name}`, () => {
    let root: string;
    const started: Answering[] = [];
    let number = 0;
    const start = async (options: Partial<OutsideOptions> = {}) => {
      const folder = join(root, String(number++));
      const answering = await kind.start(folder, decide, options);
      started.push(answering);
      const ask = (query: string, changes: Partial<AuthRequest> = {}) =>
        answering.authenticator.authenticate(authRequest({ password: secret, query, ...changes }));
      const refusal = (query: string, changes: Partial<AuthRequest> = {}) =>
        ask(query, changes).then(
          () => undefined,
          (error: unknown) => error as FstreamError,
        );
      const asked = () => readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
      return { ...answering, ask, refusal, asked };
    };
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "fstream-outside-"));
    });
    afterAll(async () => {
      for (const answering of started) answering.stop();
      await rm(root, { recursive: true });
    });

    test("lets in, with what the decision allows", async () => {
      const { ask } = await start({ nowMs: () => 1000 });
      expect(await ask(saying(true))).toEqual({ user: "fier", channels: undefined });
      const grant = await ask(
        saying({ allow: true, channels: ["cam*"], validSeconds: 2.5, maxBitrate: 1e6, maxWatchers: 3 }),
      );
      expect(grant).toEqual({
        user: "fier",
        channels: ["cam*"],
        endsMs: 3500,
        maxBitrate: 1e6,
        maxWatchers: 3,
      });
      expect([mayBroadcast(grant, "cam1"), mayBroadcast(grant, "default")]).toEqual([true, false]);
    });

    test("refuses, and gives the reason to the log alone unless it is to be told", async () => {
      const { refusal } = await start();
      for (const [decision, message, cause] of [
        [{ allow: false }, "wrong user or password", undefined],
        [{ allow: false, reason: "not on Sundays" }, "wrong user or password", "not on Sundays"],
        [{ allow: false, reason: "not on Sundays", tellReason: true }, "not on Sundays", undefined],
        [{ allow: false, tellReason: true }, "wrong user or password", undefined],
      ] as const) {
        const error = await refusal(saying(decision));
        expect([error?.code, error?.message]).toEqual(["unauthorized", message]);
        expect(causeOf(error)).toBe(cause as string);
      }
    });

    test("says in other words that there is nothing to log in with", async () => {
      const { refusal } = await start();
      const nothing = { password: undefined } as unknown as Partial<AuthRequest>;
      expect((await refusal(saying({ allow: false }), nothing))?.message).toContain(
        "user_password or token is missing",
      );
      const watch = { ...nothing, action: "watch" } as const;
      expect((await refusal(saying({ allow: false }), watch))?.message).toContain("must log in here");
    });

    test("lets a watcher in to the channels of the decision, and under its own name", async () => {
      const { ask, refusal } = await start();
      const ann = { action: "watch", watcher: "ann" } as const;
      expect(await ask(saying({ allow: true, channels: ["def*"] }), ann)).toMatchObject({ user: "ann" });
      const other = await refusal(saying({ allow: true, channels: ["cam*"] }), ann);
      expect([other?.code, other?.message]).toEqual([
        "unauthorized",
        "this watcher may not watch this channel",
      ]);
    });

    test("takes nothing for a decision that is none", async () => {
      const { refusal, ask, lines } = await start();
      for (const nonsense of [
        { allow: "yes" },
        { allow: true, chanels: [] },
        { allow: true, channels: "cam" },
        { allow: true, validSeconds: -1 },
        { allow: true, maxWatchers: "3" },
      ]) {
        const error = await refusal(saying(nonsense));
        expect([error?.code, error?.message]).toEqual(["internal", "the server can't check logins"]);
        expect(causeOf(error)).toStartWith("the answer is an invalid decision: ");
      }
      expect(lines.join("")).toContain("allow must be true or false");
      // The next one is answered all the same.
      expect(await ask("")).toMatchObject({ user: "fier" });
    });

    test("that fails lets nobody in, and is asked again the next time", async () => {
      const { refusal, ask } = await start();
      for (const failing of kind.name === "http" ? ["throw"] : ["throw", "exit"])
        expect((await refusal(failing))?.code).toBeOneOf(["busy", "internal", "unauthorized"]);
      expect(await ask("")).toMatchObject({ user: "fier" });
    });

    test("is waited for no longer than the timeout", async () => {
      const { refusal } = await start({ timeoutMs: 200 });
      const error = await refusal("never");
      expect([error?.code, causeOf(error)]).toEqual(["busy", "no answer within 200 ms"]);
    });

    test("that is slow with one keeps no other waiting", async () => {
      const { ask } = await start();
      const order: string[] = [];
      const slow = ask("never").catch(() => {});
      await ask("").then(() => order.push("fast"));
      expect(order).toEqual(["fast"]);
      started.at(-1)?.stop();
      if (kind.name !== "http") await slow;
    });

    test("is asked as many at a time as is allowed, and no more", async () => {
      const { ask, asked } = await start({ maxParallel: 2 });
      await Promise.all(Array.from({ length: 6 }, (_, at) => ask("slow", { address: `192.0.2.${at}` })));
      let running = 0;
      let most = 0;
      for (const line of asked()) {
        running += line === "begin" ? 1 : -1;
        most = Math.max(most, running);
      }
      expect([most, asked().length]).toEqual([2, 12]);
    });

    test("is not asked again about what it said is to be remembered, for as long as it said", async () => {
      let now = 0;
      const { ask, refusal, asked, authenticator } = await start({ nowMs: () => now });
      const times = () => asked().length / 2;
      const remembered = saying({ allow: true, cacheSeconds: 10 });
      await ask(remembered);
      await ask(remembered, { id: "2" });
      expect(times()).toBe(1);
      now = 10_001;
      await ask(remembered);
      expect(times()).toBe(2);
      // Any other password, address or channel is another question.
      await ask(remembered, { password: "other" });
      await ask(remembered, { address: "192.0.2.9" });
      expect(times()).toBe(4);
      await refusal(saying({ allow: false, cacheSeconds: 10 }));
      await refusal(saying({ allow: false, cacheSeconds: 10 }));
      expect(times()).toBe(5);
      await authenticator.reload();
      await ask(remembered);
      expect(times()).toBe(6);
      await ask("");
      await ask("");
      expect(times()).toBe(8);
    });

    test("may quote the password, which no log gets", async () => {
      const { refusal, lines } = await start();
      const error = await refusal("quote");
      expect(causeOf(error)).toBe("no such password: ***");
      await refusal("throw");
      expect(lines.join("\n")).not.toContain("Tr0ub4dor");
    });
  });
}
