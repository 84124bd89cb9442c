import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { Meter } from "../../src/client/meter.ts";
import { Output } from "../../src/client/output.ts";
import { Watcher } from "../../src/client/watch.ts";
import type { FstreamError } from "../../src/errors.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { testClock } from "./clock.ts";
import { frameBytes, type Peer, type StandIn, standIn } from "./standin.ts";

setDefaultTimeout(60_000);

interface Patiences {
  waitMs?: number;
  retryMs?: number;
  meter?: Meter;
}

function watching(server: { address: string }, { waitMs = 0, retryMs = 0, meter }: Patiences = {}) {
  const seen = { text: "", flushed: "", said: [] as string[], waits: [] as number[] };
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
  const watcher = new Watcher({
    channel: "fier/default",
    dial: () => dial(parseAddress(server.address), { type: "system" }),
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
    output,
    clock,
    meter,
    say: (text) => seen.said.push(text),
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
        await Bun.sleep(1);
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
  const silent = against(
    () => undefined,
    async (server) => {
      expect((await rejection(watching(server, { waitMs: 1 }).watcher.run())).code).toBe("not_live");
    },
  );
  const long = against(
    async (peer) => {
      await stream(peer, "first ");
      await silent;
      await Bun.sleep(100);
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

test("with a retry every end is a reason to come back, and a success renews the patience", async () => {
  await against(
    async (peer) => {
      if (peer.number <= 3) await stream(peer, `part ${peer.number};`);
      if (peer.number === 2) {
        await peer.delivered();
        peer.reset();
      } else peer.fin();
    },
    async (server) => {
      const { watcher, seen, clock } = watching(server, { retryMs: 250 });
      expect((await rejection(watcher.run())).code).toBe("not_live");
      expect(seen.text).toBe("part 1;part 2;part 3;");
      expect(clock.slept).toEqual([100, 100, 100, 150]);
    },
  );
});

test("an output whose reader has gone ends it quietly, with a retry too", async () => {
  await against(
    async (peer) => {
      await stream(peer, "media");
    },
    async (server) => {
      const gone = new Output({
        write: () => {
          throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
        },
        flush: () => 0,
      });
      const watcher = new Watcher({
        channel: "fier/default",
        dial: () => dial(parseAddress(server.address), { type: "system" }),
        request: () => encodeRequest("watch", [["user", "fier"]]),
        waitMs: 0,
        retryMs: Number.POSITIVE_INFINITY,
        output: gone,
        clock: testClock(),
        meter: undefined,
        say: () => undefined,
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
