// A watch from its first byte to its end: what the server says first, and what becomes of the bytes.

import { expect, setDefaultTimeout, test } from "bun:test";
import { parseAddress } from "../../src/client/address.ts";
import { dial } from "../../src/client/dial.ts";
import { Output } from "../../src/client/output.ts";
import type { Trust } from "../../src/client/trust.ts";
import { WatchClient } from "../../src/client/watch.ts";
import { encodeRequest } from "../../src/protocol/request.ts";
import { certificates } from "../certificates.ts";
import { testClock } from "./clock.ts";
import { frameBytes, standIn } from "./standin.ts";
import { against, rejection, stream, watching } from "./watching.ts";

setDefaultTimeout(60_000);

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

test("a frame and a stream that come byte by byte are distinguished", async () => {
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

test("an error of a TLS or HTTP server is no stream, and is not tried again", async () => {
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

test("over TLS, which no original server speaks, a connection that is closed without a whole reply is lost", async () => {
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

test("a refusal is the server's message with a hint, and is not tried again", async () => {
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
          `sent neither the stream nor an error${waitMs === 0 ? " within 0.1 s" : " (waited 0.001 s)"}`,
        );
        expect(seen.text).toBe("");
      },
    );
  }
});

test("where nothing comes for long after the connection, or after the answer, that is reported once", async () => {
  for (const [answers, what] of [
    [false, "an answer"],
    [true, "data"],
  ] as const) {
    const reported = Promise.withResolvers<void>();
    await against(
      async (peer) => {
        if (answers) await peer.frame("ok");
        await reported.promise;
        if (!answers) await peer.frame("ok");
        await peer.send("media");
        peer.fin();
      },
      async (server) => {
        const { watcher, seen } = watching(server, { noticeMs: 10 });
        const run = watcher.run();
        while (seen.said.length === 0) await Bun.sleep(1);
        reported.resolve();
        await run;
        expect(seen.text).toBe("media");
        expect(seen.said).toEqual([`connected to ${server.address}, waiting for ${what}`]);
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
        closeWhenSlow: false,
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
