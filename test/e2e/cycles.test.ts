// Peers that come and leave, in every way and at every stage, thousands of times: nothing of them is left, neither descriptors nor
// memory, and a stream beside them loses nothing. FSTREAM_CYCLES=10000 has each kind come so often, and prints what was measured.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { deadlineMs, noise, type Run, sha256, TestServer, until } from "./program.ts";
import { allListeners, answered, type Way, waysTo } from "./ways.ts";

setDefaultTimeout(30 * deadlineMs);

const cycles = Number(process.env.FSTREAM_CYCLES ?? 100);
const atOnce = 50;
/** The collector may not have run: so much more memory is no leak. Bytes for all cycles of a kind. */
const slackBytes = 12 * 2 ** 20;

let server: TestServer;
let watcher: Run;
let sender: { readonly sent: Promise<Uint8Array>; stop(): void };

beforeAll(async () => {
  server = await TestServer.start({
    listeners: allListeners("127.0.0.1"),
    server: 'trusted_proxies = ["127.0.0.1"]',
    fstream: 'hold = "0s"\nmax_channels_per_user = 1000',
  });
  sender = await steadyStream();
  watcher = server.watch({ fserv_arg_start: "live" });
  await server.watched("fier/default", 1);
});

afterAll(async () => {
  sender.stop();
  const media = await sender.sent;
  expect(await watcher.exit()).toBe(0);
  // It came a little later than the first byte.
  expect(watcher.length).toBeGreaterThan(0);
  expect(sha256(watcher.bytes)).toBe(sha256(media.subarray(media.length - watcher.length)));
  expect(await server.stop()).toBe(0);
});

/** Some hundred kilobytes a second, until it is stopped. */
async function steadyStream() {
  const peer = await server.dial();
  peer.request("broadcast,user=fier,user_password=123,reply=1");
  await peer.received(7);
  const on = { is: true };
  const pieces: Uint8Array[] = [];
  const sent = (async () => {
    for (let i = 0; on.is; i++) {
      pieces.push(noise(4096, i + 1).slice());
      peer.send(pieces[i]);
      await Bun.sleep(20);
    }
    await peer.sent();
    peer.finish();
    return new Uint8Array(Buffer.concat(pieces));
  })();
  return {
    sent,
    stop: () => {
      on.is = false;
    },
  };
}

type Cycle = (number: number) => Promise<void>;

const only = (listener: "tcp" | "tls" | "http" | "https", words = ""): Cycle => {
  return async () => {
    const peer = await server.dial(listener);
    if (words !== "") peer.send(words);
    peer.reset();
  };
};

/** Asks, waits for the answer, and leaves: every other time in order. */
const through = (way: Way, wait?: number): Cycle => {
  return async (number) => {
    const channel = way.purpose === "broadcast" ? `channel${number % atOnce}` : "default";
    const attempt = await way.ask(server, {
      channel,
      ...(wait === undefined ? {} : { wait, channel: "not live" }),
    });
    if (way.name.startsWith("PUT") || wait !== undefined) await Bun.sleep(1);
    else await answered(attempt);
    if (number % 2 === 0) attempt.peer.finish();
    await Bun.sleep(0);
    attempt.peer.reset();
  };
};

/** From another address each time, so that it is not slowed down. */
const wrongLogin: Cycle = async (number) => {
  const peer = await server.dial("http");
  peer.send(
    `POST /token HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.${18 + (number % 2)}.${(number >> 8) % 256}.${number % 256}\r\n` +
      `X-Forwarded-Proto: https\r\nAuthorization: Basic ${btoa("fier:a wrong one")}\r\nContent-Length: 0\r\n\r\n`,
  );
  expect(await peer.ended()).toBe("fin");
  expect(peer.text).toContain(" 401 ");
  peer.reset();
};

const named = (way: Way): [string, Cycle] => [way.name, through(way)];

const kinds: readonly (readonly [name: string, cycle: Cycle])[] = [
  ["TCP's handshake alone", only("tcp")],
  ["TLS's handshake alone", only("tls")],
  ["half a request", only("tcp", "\n\n\0\0\0\x20\0watch,")],
  ["half a request over HTTPS", only("https", "GET /watch/fier HTTP/1.1\r\n")],
  ["a watcher that waits", through(waysTo("watch")[0], 60)],
  ["a login that is refused", wrongLogin],
  ...waysTo("watch").map(named),
  ...waysTo("broadcast").map(named),
  ...waysTo("token").map(named),
];

const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
const files = () => readdirSync(`/proc/${server.run.process.pid}/fd`).length;

async function run(cycle: Cycle, count: number): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await cycle(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

test.skipIf(process.platform !== "linux")(
  "a peer that comes and leaves leaves nothing, of whichever kind",
  async () => {
    const idle = files();
    const first = await server.memory();
    for (const [name, cycle] of kinds) {
      await run(cycle, Math.max(atOnce, cycles / 10));
      const before = await server.memory();
      const startMs = performance.now();
      await run(cycle, cycles);
      const ms = performance.now() - startMs;
      await until(`the descriptors of ${name} come back`, () => files() <= idle);
      const after = await until(`the memory of ${name} comes back`, async () => {
        const bytes = await server.memory();
        return bytes < before + slackBytes && bytes;
      });
      if (process.env.FSTREAM_CYCLES !== undefined) {
        console.log(
          `${name}: ${cycles} in ${Math.round(ms)} ms, ${mb(before)} -> ${mb(after)} MB, ${files()} descriptors`,
        );
      }
    }
    if (process.env.FSTREAM_CYCLES !== undefined)
      console.log(`resident memory: ${mb(first)} -> ${mb(await server.memory())} MB`);
  },
);
