// The client with --retry, and servers that go and come back.

import { expect, setDefaultTimeout, test } from "bun:test";
import { standIn } from "../client/standin.ts";
import { deadlineMs, Run, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

test("with --retry a broadcast and a watch go on after the server was away", async () => {
  const parts: string[] = [];
  await using server = standIn(async (peer) => {
    if (peer.text.startsWith("watch")) {
      await peer.frame("ok");
      await peer.send(`part ${peer.number};`);
      await peer.delivered();
      if (peer.number === 1) return peer.reset();
      await peer.gone;
      return;
    }
    await peer.frame("ok");
    await peer.until(5);
    parts.push(peer.received().toString());
    if (parts.length === 1) return peer.reset();
    await peer.finished;
    await peer.frame(`ok,bytes=${peer.receivedBytes()}`);
    peer.fin();
  });
  const watch = new Run([server.address, "watch", "--retry"], fier);
  await until("the watcher is back", () => watch.length >= 14);
  expect(Buffer.from(watch.bytes).toString()).toBe("part 1;part 2;");
  watch.process.kill("SIGTERM");
  expect(await watch.exit()).toBe(143);

  const broadcast = new Run([server.address, "broadcast", "--retry", "--bufsize=5"], fier);
  await broadcast.send("chunk");
  await until("it says so", () => broadcast.stderr.includes("trying again"));
  while (server.requests.length < 4) await Bun.sleep(1);
  await broadcast.send("piece");
  await broadcast.finish();
  expect(await broadcast.exit()).toBe(0);
  expect(parts).toEqual(["chunk", "piece"]);
});

test("with --retry a broadcast says how much it dropped while there was no server", async () => {
  const before = standIn(() => undefined);
  before.stop();
  const broadcast = new Run([before.address, "broadcast", "--retry", "--bufsize=4"], fier);
  await until("it says so", () => broadcast.stderr.includes("trying again"));
  // More than a pipe holds: once all is written the greater part has been dropped.
  await broadcast.send(Buffer.alloc(4 * 1024 * 1024));
  await using _server = standIn(
    async (peer) => {
      await peer.frame("ok");
      await peer.finished;
      await peer.frame(`ok,bytes=${peer.receivedBytes()}`);
      peer.fin();
    },
    { port: before.port },
  );
  await broadcast.finish("last");
  const { status, stderr } = await broadcast.outcome();
  expect(status).toBe(0);
  expect(stderr).toMatch(
    /^fstream: connection refused by .*\nfstream: warning: \d{6,} bytes were dropped while disconnected\n$/,
  );
});
