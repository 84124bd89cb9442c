// The sockets of listeners: what they keep while connections are there, and nothing of it afterwards.

import { afterEach, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { ConnectionLimits } from "../../src/access/limits.ts";
import { type KeyPair, keyPairOf } from "../../src/keypair.ts";
import { createLog } from "../../src/log.ts";
import { Sockets } from "../../src/server/sockets.ts";
import type { Connection, ConnectionStage } from "../../src/session/connection.ts";
import { certificates } from "../certificates.ts";
import { tlsClient } from "../tlsclient.ts";

setDefaultTimeout(60_000);

const opened: Sockets[] = [];
afterEach(() => {
  for (const sockets of opened.splice(0)) sockets.stopListening();
});

const { loopback, elsewhere } = certificates;
const ignore = () => {};
const idle: ConnectionStage = { data() {}, drained() {}, ended() {}, closed() {}, stop() {} };

/** With `pair`: over TLS. */
function listening(handle: (connection: Connection) => ConnectionStage, pair?: () => KeyPair) {
  const limits = new ConnectionLimits({ maxConnections: 10_000, maxConnectionsPerIp: 1, exempt: () => true });
  const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
  const sockets = new Sockets(handle, limits, log);
  opened.push(sockets);
  return { port: sockets.listen({ host: "127.0.0.1", port: 0, tls: pair }), limits };
}

/** So many clients over TLS in a process of their own, since each of them keeps the chain that it was sent. */
function tlsClients(port: number, count: number) {
  const script = `
    for (let i = 0; i < ${count}; i++) {
      const { promise, resolve } = Promise.withResolvers();
      const socket = { data() {}, handshake: resolve, close: () => process.exit(1) };
      await Bun.connect({ hostname: "127.0.0.1", port: ${port}, tls: { rejectUnauthorized: false }, socket });
      await promise;
    }
    console.log("connected");
    await Bun.stdin.text();
    process.exit(0);`;
  return Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

test("a timer for fast peers is there while there are some, and not longer", async () => {
  const set = spyOn(globalThis, "setInterval");
  const clear = spyOn(globalThis, "clearInterval");
  try {
    const { port, limits } = listening((connection) => {
      const bytes = new Uint8Array(1024 * 1024);
      const fill = () => {
        while (connection.write(bytes, 0, bytes.length) === bytes.length);
      };
      setImmediate(fill);
      return { ...idle, drained: fill };
    });
    expect(set).not.toHaveBeenCalled();
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: ignore } });
    await until(() => set.mock.calls.length > 0);
    socket.terminate();
    await until(() => limits.connections === 0);
    expect(set).toHaveBeenCalledTimes(1);
    expect(clear.mock.calls).toEqual([[set.mock.results[0].value as NodeJS.Timeout]]);
  } finally {
    set.mockRestore();
    clear.mockRestore();
  }
});

test("connections over TLS share the context of the certificate: a long chain costs none of them memory", async () => {
  // A long chain: parsed again for each connection it would be seen.
  const chain = Array.from({ length: 50 }, () => elsewhere.cert).join("\n");
  const pair = keyPairOf(`${loopback.cert}\n${chain}`, loopback.key);
  const { port } = listening(
    () => idle,
    () => pair,
  );
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  const clients = tlsClients(port, 1000);
  const { value } = await clients.stdout.getReader().read();
  expect(Buffer.from(value ?? []).toString()).toBe("connected\n");
  Bun.gc(true);
  const grownBytes = process.memoryUsage.rss() - before;
  await clients.stdin.end();
  expect(await clients.exited).toBe(0);
  // A context with this chain takes 20 KB: 20 MB for all of them.
  expect(grownBytes).toBeLessThan(12e6);
});

test("a new pair is for connections that come from then on; those that are open go on", async () => {
  const first = keyPairOf(loopback.cert, loopback.key);
  const second = keyPairOf(elsewhere.cert, elsewhere.key);
  let pair = first;
  let heard = "";
  const { port } = listening(
    () => ({ ...idle, data: (bytes) => void (heard += Buffer.from(bytes).toString()) }),
    () => pair,
  );
  const before = await tlsClient(port);
  before.socket.write("before");
  await until(() => heard === "before");
  pair = second;
  const after = await tlsClient(port);
  expect([before.fingerprint, after.fingerprint]).toEqual([first.fingerprint, second.fingerprint]);
  before.socket.write(" and after");
  await until(() => heard === "before and after");
});

test("a connection that TLS can't be begun with is closed, and not counted any more", async () => {
  const pair = { ...keyPairOf(loopback.cert, loopback.key), key: elsewhere.key };
  const { port, limits } = listening(
    () => idle,
    () => pair,
  );
  expect((await tlsClient(port)).fingerprint).toBeUndefined();
  await until(() => limits.connections === 0);
});
