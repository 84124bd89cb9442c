import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { Meter } from "../../src/client/meter.ts";
import { Output } from "../../src/client/output.ts";
import type { Trust } from "../../src/client/trust.ts";
import { WatchClient } from "../../src/client/watch.ts";
import type { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { certificates } from "../certificates.ts";
import { testClock } from "./clock.ts";
import { frameBytes, type Peer, type StandIn, standIn } from "./standin.ts";

setDefaultTimeout(60_000);

interface WatchTimes {
  waitMs?: number;
  retryMs?: number;
  meter?: Meter;
  closeOnLag?: boolean;
  firstByteMs?: number;
  trust?: Trust;
}

function watching(server: { address: string }, options: WatchTimes = {}) {
  const {
    waitMs = 0,
    retryMs = 0,
    meter,
    closeOnLag = false,
    firstByteMs,
    trust = { type: "system" },
  } = options;
  const seen = { text: "", flushed: "", said: [] as string[], warned: [] as string[], waits: [] as number[] };
  const clock = testClock();
  const output = new Output({
    write: (bytes) => {
      seen.text += Buffer.from(bytes).toString();
      return 0;
    },
    flush: () => {
      seen.flushed = seen.text;
      return 0;
    },
  });
  const watcher = new WatchClient({
    channel: "fier/default",
    dial: (peer) => dial(parseAddress(server.address), trust, peer),
    request: (wait) => {
      seen.waits.push(wait);
      return encodeRequest("watch", [
        ["user", "fier"],
        ["wait", wait > 0 ? String(wait) : ""],
        ["reply", "1"],
      ]);
    },
    waitMs,
    retryMs,
    closeOnLag,
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    output,
    clock,
    meter,
    say: (text) => seen.said.push(text),
    warn: (text) => seen.warned.push(text),
  });
  return { watcher, seen, clock };
}

/** What `promise` rejects with. */
async function rejection(promise: Promise<void>): Promise<FstreamError> {
  return await promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: FstreamError) => error,
  );
}

async function against(
  script: (peer: Peer) => Promise<void> | void,
  body: (server: StandIn) => Promise<void>,
) {
  await using server = standIn(script);
  await body(server);
}

async function stream(peer: Peer, text: string): Promise<void> {
  await peer.frame("ok");
  await peer.send(text);
}

test("a stream behind an ok frame ends in order with a FIN", async () => {
  await against(
    async (peer) => {
      await stream(peer, "media");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen } = watching(server);
      await watcher.run();
      expect([seen.text, seen.flushed]).toEqual(["media", "media"]);
    },
  );
});

test("a frame and a stream that come byte by byte are told apart", async () => {
  await against(
    async (peer) => {
      for (const byte of Buffer.concat([frameBytes("ok,x=y"), Buffer.from("media")])) {
        await peer.send(new Uint8Array([byte]));
        await peer.delivered();
      }
      peer.fin();
    },
    async (server) => {
      const { watcher, seen } = watching(server);
      await watcher.run();
      expect(seen.text).toBe("media");
    },
  );
});

test("the stream of a server that knows no replies is passed on from its first byte", async () => {
  for (const media of ["media", "\0\0", "\0\0\0\u0005\0ok,", frameBytes("okay").toString("latin1")]) {
    await against(
      async (peer) => {
        await peer.send(media);
        peer.fin();
      },
      async (server) => {
        const { watcher, seen } = watching(server);
        await watcher.run();
        expect(seen.text).toBe(media);
      },
    );
  }
});

test("what a TLS or HTTP server complains is no stream, and is not tried again", async () => {
  for (const complaint of ["\x15\x03\x03\0\x02\x02\x46", "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
    await against(
      async (peer) => {
        await peer.send(Buffer.from(complaint, "latin1"));
        peer.fin();
      },
      async (server) => {
        const { watcher, seen } = watching(server, { waitMs: 60_000, retryMs: 60_000 });
        expect(await rejection(watcher.run())).toMatchObject({
          code: "failed",
          hint: expect.stringContaining("61920"),
        });
        expect([seen.text, server.requests.length]).toEqual(["", 1]);
      },
    );
  }
});

test("a stream that ends with a reset was cut short, and every byte before it is there", async () => {
  await against(
    async (peer) => {
      await stream(peer, "x".repeat(100_000));
      await peer.delivered();
      peer.reset();
    },
    async (server) => {
      const { watcher, seen } = watching(server);
      const error = await rejection(watcher.run());
      expect(error).toMatchObject({ code: "disconnected", message: expect.stringContaining("was reset") });
      expect(seen.text.length).toBe(100_000);
    },
  );
});

test("over TLS, which no original server speaks, a connection that is closed without a whole word is lost", async () => {
  for (const bytes of ["", frameBytes("ok,id=0123").subarray(0, 9)]) {
    await using server = standIn(
      async (peer) => {
        await peer.send(bytes);
        peer.fin();
      },
      { tls: certificates.loopback },
    );
    const trust: Trust = { type: "fingerprint", sha256: certificates.loopback.sha256 };
    const { watcher, seen } = watching({ address: `fstreams://${server.address}` }, { trust });
    expect((await rejection(watcher.run())).code).toBe("disconnected");
    expect(seen.text).toBe("");
  }
});

test("a connection that is closed without a byte means that nothing is live", async () => {
  await against(
    (peer) => peer.fin(),
    async (server) => {
      expect((await rejection(watching(server).watcher.run())).code).toBe("not_live");
    },
  );
});

test("a refusal is the server's words with a hint, and is not tried again", async () => {
  await against(
    async (peer) => {
      await peer.frame("error,code=forbidden,message*=the channel's password is wrong%2C sorry");
      peer.fin();
    },
    async (server) => {
      const error = await rejection(watching(server, { waitMs: 60_000, retryMs: 60_000 }).watcher.run());
      expect(error.code).toBe("forbidden");
      expect(error.message).toBe("the channel's password is wrong, sorry");
      expect(error.hint).toContain("--channel-password");
      expect(server.requests.length).toBe(1);
    },
  );
});

test("with a wait the server is asked to wait, and asked again for what is left when it gives up early", async () => {
  await against(
    async (peer) => {
      if (peer.number === 3) await stream(peer, "media");
      else await peer.frame("error,code=not_live,message*=not live");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen, clock } = watching(server, { waitMs: 10_000 });
      await watcher.run();
      expect(seen.text).toBe("media");
      expect(clock.slept).toEqual([100, 200]);
      expect(seen.waits).toEqual([10, 10, 10]);
      expect(seen.said).toEqual(["not live; trying again"]);
    },
  );
});

test("the status line tells whom a watcher waits for, and no more once the stream begins", async () => {
  let line = "";
  const meter = new Meter({ write: (text) => void (line = text), columns: () => 80, nowMs: () => 0 });
  const begin = Promise.withResolvers<void>();
  await against(
    async (peer) => {
      await begin.promise;
      await stream(peer, "media");
      peer.fin();
    },
    async (server) => {
      const { watcher } = watching(server, { waitMs: 60_000, meter });
      const run = watcher.run();
      meter.show();
      expect(line).toContain("connecting");
      while (server.requests.length === 0) await Bun.sleep(1);
      meter.show();
      expect(line).toContain("waiting for fier/default to begin");
      begin.resolve();
      await run;
      meter.show();
      expect(line).toContain("0 B/s  5 B");
    },
  );
});

test("a wait that is over ends with what stood in the way", async () => {
  await against(
    async (peer) => {
      await peer.frame("error,code=not_live,message*=not live");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen, clock } = watching(server, { waitMs: 1000 });
      expect(await rejection(watcher.run())).toMatchObject({
        code: "not_live",
        message: "not live",
        hint: "fier/default did not begin within 1 s",
      });
      expect(clock.slept).toEqual([100, 200, 400, 300]);
      expect(seen.waits).toEqual([1, 1, 1, 1, 0]);
    },
  );
});

test("a server that says nothing does not hold a wait that is over, and a stream that began is not cut by it", async () => {
  const began = Promise.withResolvers<void>();
  // Its limit begins after the other's, so that this is over as well.
  const silent = began.promise.then(() =>
    against(
      () => undefined,
      async (server) => {
        expect((await rejection(watching(server, { waitMs: 1 }).watcher.run())).code).toBe("not_live");
      },
    ),
  );
  const long = against(
    async (peer) => {
      await stream(peer, "first ");
      began.resolve();
      await silent;
      await peer.send("last");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen } = watching(server, { waitMs: 1 });
      await watcher.run();
      expect(seen.text).toBe("first last");
    },
  );
  await Promise.all([silent, long]);
});

test("a wait outlasts a server that is not there yet", async () => {
  let port = 0;
  await against(
    () => undefined,
    async (server) => {
      port = server.port;
    },
  );
  const { watcher, seen, clock } = watching(
    { address: `127.0.0.1:${port}` },
    { waitMs: Number.POSITIVE_INFINITY },
  );
  const watched = watcher.run();
  while (clock.slept.length < 3) await Bun.sleep(1);
  await using _server = standIn(
    async (peer) => {
      await stream(peer, "media");
      peer.fin();
    },
    { port },
  );
  await watched;
  expect(seen.text).toBe("media");
  expect(seen.said).toEqual([`connection refused by 127.0.0.1:${port}; trying again`]);
});

test("a wait does not outlast the stream: once bytes have come, a reset is the end", async () => {
  await against(
    async (peer) => {
      await stream(peer, "media");
      await peer.delivered();
      peer.reset();
    },
    async (server) => {
      expect((await rejection(watching(server, { waitMs: 60_000 }).watcher.run())).code).toBe("disconnected");
      expect(server.requests.length).toBe(1);
    },
  );
});

test("with a retry every end is a reason to come back, and what flows for long enough renews the patience", async () => {
  let watch: ReturnType<typeof watching> | undefined;
  await against(
    async (peer) => {
      if (peer.number <= 3) {
        await stream(peer, `part ${peer.number}`);
        while (watch?.seen.text.endsWith(`part ${peer.number}`) !== true) await Bun.sleep(1);
        watch.clock.advance(250);
        await peer.send(";");
      }
      if (peer.number === 2) {
        await peer.delivered();
        peer.reset();
      } else peer.fin();
    },
    async (server) => {
      watch = watching(server, { retryMs: 250 });
      const { watcher, seen, clock } = watch;
      expect((await rejection(watcher.run())).code).toBe("not_live");
      expect(seen.text).toBe("part 1;part 2;part 3;");
      expect(clock.slept).toEqual([100, 100, 100, 150]);
    },
  );
});

test("with a retry a stream that was silent for long before it was cut was not in vain", async () => {
  let watch: ReturnType<typeof watching> | undefined;
  await against(
    async (peer) => {
      await stream(peer, `part ${peer.number};`);
      while (watch?.seen.text.endsWith(`part ${peer.number};`) !== true) await Bun.sleep(1);
      watch.clock.advance(peer.number < 4 ? 3_600_000 : 0);
      await peer.delivered();
      peer.reset();
    },
    async (server) => {
      watch = watching(server, { retryMs: 250 });
      expect((await rejection(watch.watcher.run())).code).toBe("disconnected");
      expect(watch.seen.text).toBe("part 1;part 2;part 3;part 4;part 5;");
    },
  );
});

test("with a retry a server that ends what it has just begun, again and again, is in vain", async () => {
  await against(
    async (peer) => {
      await stream(peer, ".");
      peer.fin();
    },
    async (server) => {
      const { watcher, clock } = watching(server, { retryMs: 3000 });
      await watcher.run();
      expect(clock.slept).toEqual([100, 200, 400, 800, 1500]);
    },
  );
});

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

const cuts: [what: string, answer: (peer: Peer) => Promise<void> | void, words: string][] = [
  [
    "the server says that it sent more",
    (peer) => peer.frame("ok,bytes=6,skipped=0,reason=ended"),
    "the server sent 6 bytes, and 5 came",
  ],
  [
    "the server says that it sent less",
    (peer) => peer.frame("ok,bytes=4,skipped=0,reason=ended"),
    "the server sent 4 bytes, and 5 came",
  ],
  [
    "the server says that it was too slow",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=slow"),
    "this end was too slow",
  ],
  [
    "the server says that it stops",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=shutting_down"),
    "the server is shutting down",
  ],
  [
    "the server gives a reason that is not known",
    (peer) => peer.frame("ok,bytes=5,skipped=0,reason=rained_off"),
    "its server says rained_off",
  ],
  [
    "the server knows of no such end",
    (peer) => peer.frame("error,code=not_live,message*=no such end"),
    "no such end",
  ],
  [
    "the server answers with nonsense",
    (peer) => peer.frame("ok,bytes=-5,skipped=x"),
    "the answer makes no sense",
  ],
  ["the server hangs up", (peer) => peer.fin(), "did not answer"],
  ["the server sends something else", (peer) => peer.send("media"), "the answer makes no sense"],
];

test.each(cuts)(
  "a stream with an id counts as cut short where, asked about it, %s",
  async (_, answer, words) => {
    await against(answering(answer), async (server) => {
      const error = await rejection(watching(server).watcher.run());
      expect(error.code).toBe("disconnected");
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
      "the stream may have been cut short: its server did not say how it ended: ",
    );
    expect(error.message).toContain(gone ? "connection refused" : "no answer for 5 s");
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

test("a skip is told, and is an error if the server was asked to close instead", async () => {
  await against(
    answering((peer) => peer.frame("ok,bytes=5,skipped=1234,reason=ended")),
    async (server) => {
      const { watcher, seen } = watching(server);
      await watcher.run();
      expect(seen.warned).toEqual(["the server skipped 1234 bytes of the stream: this end was too slow"]);
      const error = await rejection(watching(server, { closeOnLag: true }).watcher.run());
      expect(error).toMatchObject({ code: "disconnected", message: expect.stringContaining("1234") });
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
        "the stream was cut short: the server sent 99 bytes, and 6 came; trying again",
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
  expect(error.message).toContain("the server sent 6000000 bytes, and 5 came");
});

test("a server that says nothing at all is not waited for without end, and half a frame is no stream", async () => {
  const half = "\0\0\0\u0010\0ok,i";
  const cases: [said: string, waitMs: number][] = [
    ["", 0],
    [half, 0],
    [half, 1],
  ];
  for (const [said, waitMs] of cases) {
    await against(
      (peer) => peer.send(said),
      async (server) => {
        const { watcher, seen } = watching(server, { firstByteMs: 100, waitMs });
        const error = await rejection(watcher.run());
        expect(error.code).toBe(waitMs === 0 ? "disconnected" : "not_live");
        expect(error.message).toEndWith(
          `neither began the stream nor refused it${waitMs === 0 ? " within 0.1 s" : ""}`,
        );
        expect(seen.text).toBe("");
      },
    );
  }
});

test("an output whose reader has gone ends it quietly, with a retry too", async () => {
  await against(
    async (peer) => {
      await peer.frame("ok,id=abc");
      await peer.send("media");
      peer.fin();
    },
    async (server) => {
      const gone = new Output({
        write: () => {
          throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
        },
        flush: () => 0,
      });
      const watcher = new WatchClient({
        channel: "fier/default",
        dial: () => dial(parseAddress(server.address), { type: "system" }),
        request: () => encodeRequest("watch", [["user", "fier"]]),
        waitMs: 0,
        retryMs: Number.POSITIVE_INFINITY,
        closeOnLag: false,
        output: gone,
        clock: testClock(),
        meter: undefined,
        say: () => undefined,
        warn: () => undefined,
      });
      await watcher.run();
      expect(server.requests.length).toBe(1);
    },
  );
});

test("stopping writes what has arrived and ends without an error", async () => {
  await against(
    (peer) => stream(peer, "media"),
    async (server) => {
      const { watcher, seen } = watching(server, { retryMs: Number.POSITIVE_INFINITY });
      const run = watcher.run();
      while (!watcher.began) await Bun.sleep(1);
      watcher.stop();
      await run;
      expect(seen.text).toBe("media");
      expect(server.requests.length).toBe(1);
    },
  );
});
