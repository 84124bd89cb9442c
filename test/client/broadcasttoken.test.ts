// Broadcasts that fetch a token for each connection.

import { expect, setDefaultTimeout, test } from "bun:test";
import { ChunkRejoin } from "../../src/client/rejoin.ts";
import { FstreamError } from "../../src/errors.ts";
import { broadcasting, takeAll } from "./broadcasting.ts";
import { testClock } from "./clock.ts";
import { standIn } from "./standin.ts";

setDefaultTimeout(60_000);

test("each connection gets a token of its own, and a refused one is fetched again without losing a byte", async () => {
  for (const retryMs of [0, 60_000]) {
    const tokens: string[] = [];
    let got = "";
    await using server = standIn(async (peer) => {
      if (peer.number < 3) {
        await peer.until(5);
        await peer.frame("error,code=unauthorized,message*=no");
        peer.fin();
        return;
      }
      await takeAll(peer);
      got = peer.received().toString();
    });
    const { source, run, clock } = broadcasting(server.address, {
      retryMs,
      // Opaque: what was dropped would be missing.
      rejoin: new ChunkRejoin(1),
      fetchToken: async () => {
        await new Promise(setImmediate);
        source.give(`, before token ${tokens.length + 1}`);
        await source.read();
        tokens.push(`t${tokens.length + 1}`);
        return tokens[tokens.length - 1];
      },
    });
    source.give("media");
    while (server.requests.length < 3) await Bun.sleep(1);
    source.give(", and more");
    source.end();
    expect(await run).toBe("done");
    expect(got).toBe("media, before token 1, before token 2, before token 3, and more");
    expect(server.requests).toEqual(
      ["t1", "t2", "t3"].map((token) => `broadcast,user=fier,token=${token},reply=1`),
    );
    // The last connection may sleep for its server's first word as well.
    expect(clock.slept.slice(0, 2)).toEqual([100, 200]);
  }
});

test("a token that is refused again and again is refused for good, with a hint at tokens and not at passwords", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("error,code=unauthorized,message*=wrong user or token");
    peer.fin();
  });
  const { run, hint } = broadcasting(server.address, { fetchToken: () => Promise.resolve("t") });
  expect(await run).toBe("unauthorized");
  expect(await hint).toContain("--token-from");
  expect(await hint).not.toContain("password");
  expect(server.requests.length).toBe(5);
});

test("a token that was accepted is not fetched again, whatever is refused then", async () => {
  let fetched = 0;
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.delivered();
    await peer.frame("error,code=unauthorized,message*=no");
    peer.fin();
  });
  const { run } = broadcasting(server.address, { fetchToken: async () => `t${++fetched}` });
  expect(await run).toBe("unauthorized");
  expect([fetched, server.requests.length]).toEqual([1, 1]);
});

test("a token that is refused late is fetched no more often than one that is refused at once", async () => {
  const clock = testClock();
  let fetched = 0;
  await using server = standIn(async (peer) => {
    clock.advance(peer.number % 2 === 0 ? 4900 : 0);
    await peer.frame("error,code=unauthorized,message*=no");
    peer.fin();
  });
  const { run } = broadcasting(server.address, { clock, fetchToken: async () => `t${++fetched}` });
  expect(await run).toBe("unauthorized");
  expect(fetched).toBe(5);
});

test("a password that is refused where the token is fetched is refused at once", async () => {
  await using server = standIn(() => undefined);
  const { run } = broadcasting(server.address, {
    retryMs: 60_000,
    fetchToken: () => Promise.reject(new FstreamError("unauthorized", "wrong")),
  });
  expect(await run).toBe("unauthorized");
  expect(server.requests.length).toBe(0);
});
