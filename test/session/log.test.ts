// What peers do is logged, and how much is written is not for them to say.

import { expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { opaque } from "../relay/streams.ts";
import { settled, TestServer } from "./peer.ts";

/** What the log has, but for what is there for debugging alone. */
function linesOf(server: TestServer): string[] {
  return server.lines.filter((line) => !line.startsWith("fstream: debug: "));
}

test("one network that is refused again and again is one line in 10 s, however it hops about in its /64", () => {
  const server = new TestServer();
  for (let i = 0; i < 100; i++) {
    server.connect(false, `2001:db8::${i.toString(16)}`).request("watch", { user: "x".repeat(150) });
    server.rig.clock.advance(10);
  }
  const lines = linesOf(server);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toStartWith(`fstream: watch of ${"x".repeat(63)}…/default from 2001:db8::0 refused: `);
  server.rig.clock.advance(10_000);
  server.connect(false, "2001:db8::1").request("watch", { user: "fier" });
  expect(linesOf(server)[1]).toStartWith("fstream: 99 similar messages suppressed; the last: watch of ");
});

test("refusals of any number of networks are a few lines a second, and none hides that a stream begins", async () => {
  const server = new TestServer();
  for (let i = 0; i < 5000; i++) {
    const peer = server.connect(false, `198.51.${i >> 8}.${i & 255}`);
    peer.request("watch", { user: "x".repeat(150), channel: "\u202e".repeat(80), reply: "1" });
    server.rig.clock.advance(2);
  }
  const lines = linesOf(server);
  expect(lines.length).toBeLessThan(150);
  for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(1024);
  await server.broadcast({}, opaque(10));
  expect(server.lines.at(-1)).toBe("fstream: fier/default: broadcast from 192.0.2.1 started\n");
});

test("a user that replaces its broadcast in a loop is a few lines a second, and another's are all there", async () => {
  const server = new TestServer();
  for (let i = 0; i < 1000; i++) {
    await server.broadcast();
    server.rig.clock.advance(10);
  }
  expect(linesOf(server).length).toBeLessThan(100);
  const before = server.lines.length;
  const other = await server.broadcast({ user: "ann" });
  other.fin();
  await settled();
  const since = server.lines.slice(before);
  expect(since).toContain("fstream: ann/default: broadcast from 192.0.2.1 started\n");
  expect(since).toContain("fstream: ann/default: broadcast ended after 0 bytes\n");
});

test.each([
  ["ECONNRESET", "connection reset by peer"],
  ["EPIPE", "connection closed by peer"],
] as const)("a broadcast that breaks off with %s is logged in words", async (code, words) => {
  const server = new TestServer();
  const sender = await server.broadcast({}, opaque(10));
  sender.die(code);
  await settled();
  expect(server.lines).toContain(`fstream: fier/default: broadcast interrupted after 10 bytes: ${words}\n`);
});

test("what a network is refused for another reason has a line of its own", async () => {
  const server = new TestServer({ plainPasswords: false, authenticateWatchers: true });
  const ask = (fields: Record<string, string>) =>
    server.connect().request("watch", { user: "fier", ...fields });
  for (let i = 0; i < 5; i++) ask({ channel: "a" });
  ask({ channel: "a", watcher: "ann", watcher_password: "x" });
  for (let i = 0; i < 5; i++) ask({ channel: "b" });
  await settled();
  const lines = linesOf(server);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toStartWith("fstream: warning: watch of fier/a from 192.0.2.1 refused: ");
  expect(lines[1]).toStartWith("fstream: warning: watch of fier/a by ann from 192.0.2.1 refused: ");
});

test("a takeover is one line, which says from whom", async () => {
  const server = new TestServer();
  await server.broadcast({}, opaque(10));
  const next = server.connect(false, "192.0.2.7");
  next.request("broadcast", { user: "fier", user_password: "123" });
  next.send(opaque(10));
  await settled();
  expect(linesOf(server)).toEqual([
    "fstream: fier/default: broadcast from 192.0.2.1 started\n",
    "fstream: fier/default: broadcast from 192.0.2.7 took over from 192.0.2.1\n",
  ]);
});

test("a broadcast that the operator ends is one line, which says from where", async () => {
  const server = new TestServer();
  await server.broadcast({}, opaque(10));
  const cause = new FstreamError("forbidden", "requested from 192.0.2.9");
  server.rig.relay.finish("fier", "default", new FstreamError("forbidden", "ended", { cause }));
  expect(linesOf(server).slice(1)).toEqual([
    "fstream: fier/default: broadcast from 192.0.2.1 ended: ended (requested from 192.0.2.9)\n",
  ]);
});

test("a question about an end that is not known, as of a watcher that has left, is for debugging alone", () => {
  const server = new TestServer();
  server.connect().request("end", { id: "abc", reply: "1" });
  expect(server.lines).toEqual([
    "fstream: debug: query about a stream's end from 192.0.2.1 refused: " +
      "no stream with this id has ended recently (not_live)\n",
  ]);
  // Nor does it keep another refusal from being logged.
  server.connect().request("watch", { user: "fier", reply: "1" });
  expect(linesOf(server)).toHaveLength(1);
});
