// What a watch waits for, and how long: a channel, a server, and with a retry the next stream.

import { expect, setDefaultTimeout, test } from "bun:test";
import { Meter } from "../../src/client/meter.ts";
import { standIn } from "./standin.ts";
import { against, rejection, stream, watching } from "./watching.ts";

setDefaultTimeout(60_000);

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

test("the status line says which channel a watcher waits for, and no more once the stream begins", async () => {
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
      expect(line).toContain("waiting for fier/default");
      begin.resolve();
      await run;
      meter.show();
      expect(line).toContain("0 B/s  5 B");
    },
  );
});

test("a wait that is over ends with the last error", async () => {
  await against(
    async (peer) => {
      await peer.frame("error,code=not_live,message*=not live");
      peer.fin();
    },
    async (server) => {
      const { watcher, seen, clock } = watching(server, { waitMs: 1000 });
      expect(await rejection(watcher.run())).toMatchObject({
        code: "not_live",
        message: "not live (waited 1 s)",
        hint: undefined,
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

test("with a retry every end is a reason to come back, and what flows for long enough begins its time anew", async () => {
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

test("with a retry a stream that was silent for long before it was cut counts as success", async () => {
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

test("with a retry a server that ends what it has just begun, again and again, is given up", async () => {
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
