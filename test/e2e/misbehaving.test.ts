// Peers that misbehave within what the protocol allows, of every kind at once: broadcasters that stop, trickle and blast, and watchers
// that never read, read a byte now and then, or send what nobody asked for. The stream beside them loses nothing, and memory stays where it is.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { feed } from "./paced.ts";
import { deadlineMs, noise, type Peer, sha256, TestServer } from "./program.ts";

setDefaultTimeout(4 * deadlineMs);

const mebi = 1024 * 1024;
const blast = new Uint8Array(mebi);
const hasBash = Bun.which("bash") !== null;

let server: TestServer;
const all = { areOver: false };
const children: Bun.Subprocess[] = [];
beforeAll(async () => {
  server = await TestServer.start({ fstream: 'backlog = "1MiB"\nmax_lag = "1s"' });
});
afterAll(async () => {
  all.areOver = true;
  for (const child of children) child.kill("SIGKILL");
  expect(await server.stop()).toBe(0);
  expect(server.run.stderr).not.toContain("fstream: error:");
});

const login = (channel: string) => `broadcast,user=ann,user_password=abc,channel=${channel}`;

async function dial(request: string): Promise<Peer> {
  const peer = await server.dial();
  peer.request(request);
  return peer;
}

/** Sends a piece, and the next one once the kernel has taken it, until all is over or the server ends it. */
async function pour(peer: Peer, piece: Uint8Array, pauseMs: number): Promise<void> {
  while (!all.areOver && peer.end === "open") {
    peer.send(piece);
    await peer.sent();
    await Bun.sleep(pauseMs);
  }
}

/** A watcher with a small buffer that reads a byte now and then: of its own process, as none here can read so little. */
function sip(channel: string): void {
  const port = server.port("tcp");
  const request = `watch,user=ann,channel=${channel},wait=60`;
  const length = [...Buffer.from([0, 0, 0, request.length])]
    .map((byte) => `\\x${byte.toString(16)}`)
    .join("");
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port}; printf '\\n\\n${length}\\0${request}' >&3
    while head -c 1 <&3 > /dev/null; do sleep 0.2; done`;
  children.push(Bun.spawn(["bash", "-c", script], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }));
}

test("a stream beside peers that misbehave in every way loses no byte, and none of them costs memory", async () => {
  const bytes = noise(30 * mebi, 91);
  const watcher = server.watch({}, "--wait");
  const reader = await dial("watch,user=fier,wait=60");
  await server.watched("fier/default", 2);
  const honest = await dial("broadcast,user=fier,user_password=123");
  await feed(honest, bytes.subarray(0, mebi), watcher, reader);

  const stopped = await dial(login("stopped"));
  stopped.send(blast);
  void pour(await dial(login("trickle")), blast.subarray(0, 1), 5);
  for (const channel of ["blast1", "blast2"]) void pour(await dial(login(channel)), blast, 0);
  const idle: Peer[] = [];
  for (const channel of ["stopped", "trickle", "blast1", "blast2"]) {
    for (let i = 0; i < 5; i++) {
      const never = await dial(`watch,user=ann,channel=${channel},wait=60${i === 0 ? ",lag=close" : ""}`);
      never.pause();
      idle.push(never);
    }
    if (hasBash) sip(channel);
    void pour(await dial(`watch,user=ann,channel=${channel},wait=60`), blast, 0);
  }
  for (let i = 0; i < 5; i++) (await dial("watch,user=fier")).pause();
  void pour(await dial("watch,user=fier"), blast, 0);
  await server.watched("ann/stopped", hasBash ? 7 : 6);
  await server.says(/ann\/blast\d: a slow watcher skipped/);
  const before = await server.memory();

  await feed(honest, bytes.subarray(mebi), watcher, reader);
  honest.finish();
  expect(await watcher.exit()).toBe(0);
  expect(await reader.ended()).toBe("fin");
  expect(sha256(watcher.bytes)).toBe(sha256(bytes));
  expect(sha256(reader.bytes)).toBe(sha256(bytes));
  expect((await server.memory()) - before).toBeLessThan(64 * mebi);

  // The one that has stopped is still there.
  stopped.finish();
  await server.says(/ann\/stopped: broadcast ended after 1048576 bytes/);
  for (const peer of idle) peer.reset();
});
