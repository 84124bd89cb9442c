// How a watch knows whether its stream was whole: it asks the server how it ended.

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Code } from "../../src/errors.ts";
import { certificates } from "../certificates.ts";
import { type Peer, type StandIn, standIn } from "./standin.ts";
import { against, rejection, watching } from "./watching.ts";

setDefaultTimeout(60_000);

/** A server of a stream with an id, which is `media` and ends in order, and of what it says of that end. */
function answering(answer: (peer: Peer) => Promise<void> | void, media = "media", reset = false) {
  return async (peer: Peer) => {
    if (peer.text.startsWith("end,")) return await answer(peer);
    await peer.frame("ok,id=0123abc");
    await peer.send(media);
    await peer.delivered();
    if (reset) peer.reset();
    else peer.fin();
  };
}

test("a stream with an id ends in order if its server says so, and all that it sent has come", async () => {
  for (const reset of [false, true]) {
    await against(
      answering((peer) => peer.frame("ok,bytes=5,skipped=0,reason=ended"), "media", reset),
      async (server) => {
        const { watcher, seen } = watching(server);
        await watcher.run();
        expect([seen.text, seen.warned]).toEqual(["media", []]);
        expect(server.requests).toEqual(["watch,user=fier,reply=1", "end,id=0123abc,reply=1"]);
      },
    );
  }
});

const cuts: [what: string, answer: (peer: Peer) => Promise<void> | void, words: string, code?: Code][] = [
  [
    "the server says that it sent more",
    (peer) => peer.frame("ok,bytes=6,skipped=0,reason=ended"),
    "the server sent 6 bytes, but 5 arrived",
  ],
  [
    "the server says that it sent less",
    (peer) => peer.frame("ok,bytes=4,skipped=0,reason=ended"),
    "the server sent 4 bytes, but 5 arrived",
  ],
  [
    "the server says that it was too slow",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=slow"),
    "this client was too slow",
    "slow",
  ],
  [
    "the server says that it stops",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=shutting_down"),
    "the server is shutting down",
    "shutting_down",
  ],
  [
    "the server says that the next broadcast has another password",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=forbidden"),
    "a different channel password",
    "forbidden",
  ],
  [
    "the server says that a limit was exceeded",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=limit"),
    "exceeded a limit",
    "limit",
  ],
  [
    "the server says that the broadcast broke off",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=not_live"),
    "the broadcast was interrupted",
  ],
  [
    "the server gives a reason that is not known",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=rained_off"),
    "the server says: rained_off",
  ],
  [
    "the server knows of no such end",
    (peer) => peer.frame("error,code=not_live,message*=no such end"),
    "no such end",
  ],
  ["the server answers with nonsense", (peer) => peer.frame("ok,bytes=-5,skipped=x"), "invalid answer"],
  ["the server hangs up", (peer) => peer.fin(), "did not answer"],
  ["the server sends something else", (peer) => peer.send("media"), "invalid answer"],
];

test.each(cuts)(
  "a stream with an id counts as cut short where, asked about it, %s",
  async (_, answer, words, code = "disconnected") => {
    await against(answering(answer), async (server) => {
      const error = await rejection(watching(server).watcher.run());
      expect(error.code).toBe(code);
      expect(error.message).toContain("cut short: ");
      expect(error.message).toContain(words);
    });
  },
);

test("a stream with an id was cut short if its server is gone, or says nothing for 5 s", async () => {
  for (const gone of [true, false]) {
    const asked: Peer[] = [];
    const server: StandIn = standIn(async (peer) => {
      asked.push(peer);
      if (peer.number > 1) return;
      await peer.frame("ok,id=abc");
      await peer.send("media");
      await peer.delivered();
      if (gone) server.stopListening();
      peer.fin();
    });
    const error = await rejection(watching(server).watcher.run());
    expect(error.code).toBe("disconnected");
    expect(error.message).toStartWith(
      "the stream may have been cut short: the server did not say how it ended: ",
    );
    expect(error.message).toContain(gone ? "connection refused" : "no answer within 5 s");
    expect(asked.length).toBe(gone ? 1 : 2);
    server.stop();
  }
});

test("a reset of a stream with an id is a cut, whatever becomes of the question", async () => {
  await against(
    answering((peer) => peer.reset(), "media", true),
    async (server) => {
      const error = await rejection(watching(server).watcher.run());
      expect(error).toMatchObject({ code: "disconnected", message: expect.stringContaining("was reset") });
    },
  );
});

test("a server that has no room for the question at first is asked again", async () => {
  await against(
    answering(async (peer) => {
      if (peer.number === 2) return peer.reset();
      if (peer.number === 3) return peer.fin();
      await peer.frame("ok,bytes=5,skipped=0,reason=ended");
    }),
    async (server) => {
      await watching(server).watcher.run();
      expect(server.requests.length).toBe(4);
    },
  );
});

test("a skip is reported, and is an error if the server was asked to close instead", async () => {
  await against(
    answering((peer) => peer.frame("ok,bytes=5,skipped=1234,reason=ended")),
    async (server) => {
      const { watcher, seen } = watching(server);
      await watcher.run();
      expect(seen.warned).toEqual(["the server skipped 1234 bytes of the stream: this client was too slow"]);
      const error = await rejection(watching(server, { closeWhenSlow: true }).watcher.run());
      expect(error).toMatchObject({ code: "slow", message: expect.stringContaining("1234") });
    },
  );
});

test("how much was skipped is reported of a stream that was cut short, too", async () => {
  await against(
    answering((peer) => peer.frame("ok,bytes=5,skipped=1234,reason=shutting_down")),
    async (server) => {
      const { watcher, seen } = watching(server);
      expect((await rejection(watcher.run())).code).toBe("shutting_down");
      expect(seen.warned).toEqual(["the server skipped 1234 bytes of the stream: this client was too slow"]);
    },
  );
});

test("with a retry a stream is asked about each time, and gone on with whatever the answer is", async () => {
  await against(
    async (peer) => {
      if (peer.text.startsWith("end,")) {
        await peer.frame(
          peer.number === 2 ? "ok,bytes=99,skipped=0,reason=ended" : "ok,bytes=6,skipped=3,reason=ended",
        );
        return;
      }
      if (peer.number > 4) return peer.fin();
      await peer.frame("ok,id=abc");
      await peer.send("media;");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen } = watching(server, { retryMs: 400 });
      expect((await rejection(watcher.run())).code).toBe("not_live");
      expect(seen.text).toBe("media;media;");
      expect(seen.said[0]).toBe(
        "the stream was cut short: the server sent 99 bytes, but 6 arrived; trying again",
      );
      expect(seen.said[1]).toBe("the stream ended; trying again");
      expect(seen.warned.length).toBe(1);
    },
  );
});

test("over TLS it is the same server, by its name, that is asked", async () => {
  const { loopback } = certificates;
  await using server = standIn(
    answering((peer) => peer.frame("ok,bytes=6000000,skipped=0,reason=ended")),
    { tls: loopback },
  );
  const address = `fstreams://localhost:${server.port}`;
  const trust = { type: "authorities", pem: loopback.cert } as const;
  const error = await rejection(watching({ address }, { trust }).watcher.run());
  expect(error.message).toContain("the server sent 6000000 bytes, but 5 arrived");
});
