// SIGINT and SIGTERM at a client, against a server whose every move is the test's.

import { expect, setDefaultTimeout, test } from "bun:test";
import { type Peer, standIn } from "../client/standin.ts";
import { deadlineMs, Run, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

/** A server that takes a whole broadcast and confirms it. */
async function takeAll(peer: Peer): Promise<void> {
  await peer.frame("ok");
  await peer.finished;
  await peer.frame(`ok,bytes=${peer.receivedBytes()}`);
  peer.fin();
}

/** Signals a broadcast, and returns when it has handled that: since then it has read and sent, again and again. */
async function signalled(broadcast: Run, peer: Peer, signal: NodeJS.Signals): Promise<void> {
  broadcast.process.kill(signal);
  for (let i = 0; i < 5; i++) {
    const before = peer.receivedBytes();
    await broadcast.send(".");
    await peer.until(before + 1);
  }
}

test("on SIGINT a broadcast still reads stdin to its end, ends in order, and exits with the signal", async () => {
  const begun = Promise.withResolvers<Peer>();
  await using server = standIn(async (peer) => {
    begun.resolve(peer);
    await takeAll(peer);
  });
  const broadcast = new Run([server.address, "broadcast", "--quiet"], fier);
  await broadcast.send("media ");
  await signalled(broadcast, await begun.promise, "SIGINT");
  await broadcast.send("trailer");
  await broadcast.finish();
  expect(await broadcast.outcome()).toMatchObject({ status: 130, stderr: "" });
});

test.each([
  { signal: "SIGINT", status: 130, words: "finishing (up to 2 s); press Ctrl-C again to stop now" },
  { signal: "SIGTERM", status: 143, words: "finishing (up to 2 s); send another signal to stop now" },
] as const)("a broadcast whose stdin goes on says that it is finishing: $signal", async (row) => {
  await using server = standIn(takeAll);
  const broadcast = new Run([server.address, "broadcast"], fier);
  await until("the request is there", () => server.requests.length > 0);
  broadcast.process.kill(row.signal);
  expect(await broadcast.outcome()).toMatchObject({ status: row.status, stderr: `fstream: ${row.words}\n` });
});

test("a broadcast whose server never confirms the end has the signal's status all the same", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.gone;
  });
  const broadcast = new Run([server.address, "broadcast"], fier);
  await until("the request is there", () => server.requests.length > 0);
  broadcast.process.kill("SIGTERM");
  expect(await broadcast.exit()).toBe(143);
});

test.skipIf(Bun.which("timeout") === null)(
  "timeout(1), which signals its child and then the process group, ends a broadcast in order",
  async () => {
    const server = await TestServer.start({ listeners: { listen: "127.0.0.1:0", https_listen: "" } });
    const watch = server.watch({}, "--wait");
    const broadcast = new Run([server.address, "broadcast", "--quiet"], fier, ["timeout", "1"]);
    await broadcast.send("media");
    expect(await broadcast.exit()).toBe(124);
    expect(await watch.outcome()).toMatchObject({ status: 0, stdout: "media", stderr: "" });
    await server.stop();
  },
);

test.each([
  { confirmed: 5, status: 143, stderr: "" },
  { confirmed: 4, status: 5, stderr: "the server received only 4 of 5 bytes" },
])(
  "on SIGTERM a broadcast whose stdin never ends is half closed, and waits for the confirmation: %j",
  async ({ confirmed, status, stderr }) => {
    const half = Promise.withResolvers<Peer>();
    await using server = standIn(async (peer) => {
      await peer.finished;
      half.resolve(peer);
    });
    const broadcast = new Run([server.address, "broadcast"], fier);
    await broadcast.send("media");
    await until("the request is there", () => server.requests.length > 0);
    broadcast.process.kill("SIGTERM");
    const peer = await half.promise;
    await peer.frame(`ok,bytes=${confirmed}`);
    peer.fin();
    expect(await broadcast.outcome()).toMatchObject({ status, stderr: expect.stringContaining(stderr) });
  },
);

test("a second signal ends a broadcast while one with a single signal still waits for its stdin", async () => {
  await using server = standIn(takeAll);
  const [once, twice] = [1, 2].map(() => new Run([server.address, "broadcast"], fier));
  await until("both requests are there", () => server.requests.length === 2);
  once.process.kill("SIGINT");
  twice.process.kill("SIGINT");
  await until("the second signal ends it", () => {
    twice.process.kill("SIGINT");
    return twice.process.exitCode !== null;
  });
  expect(await twice.exit()).toBe(130);
  expect(once.process.exitCode).toBeNull();
  expect(await once.exit()).toBe(130);
});

test("after a signal a broadcast does not come back", async () => {
  const begun = Promise.withResolvers<Peer>();
  await using server = standIn((peer) => begun.resolve(peer));
  const broadcast = new Run([server.address, "broadcast", "--retry"], fier);
  const peer = await begun.promise;
  await signalled(broadcast, peer, "SIGINT");
  peer.reset();
  expect(await broadcast.outcome()).toMatchObject({
    status: 5,
    stderr: expect.stringContaining("was reset"),
  });
  expect(server.requests.length).toBe(1);
});

test("a signal ends waiting and retrying at once", async () => {
  const gone = standIn(() => undefined);
  gone.stop();
  for (const args of [
    ["watch", "--wait"],
    ["watch", "--retry=1h"],
    ["broadcast", "--retry"],
  ]) {
    const program = new Run([gone.address, ...args], fier);
    await until("it says so", () => program.stderr.includes("trying again"));
    program.process.kill("SIGTERM");
    const ran = await program.outcome();
    expect([ran.status, ran.stderr]).toEqual([
      143,
      `fstream: connection refused by ${gone.address}; trying again\n`,
    ]);
  }
});

test("on a signal a watch writes what has arrived and tells the signal", async () => {
  await using server = standIn(async (peer) => {
    await peer.frame("ok");
    await peer.send("media");
  });
  const watch = new Run([server.address, "watch"], fier);
  await until("the watcher sees it", () => watch.length >= 5);
  watch.process.kill("SIGINT");
  expect(await watch.outcome()).toMatchObject({ status: 130, stdout: "media", stderr: "" });
});
