// A server's certificate is renewed while it runs: on SIGHUP, and when its files change. What is under way goes on.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyPairOf } from "../../src/keypair.ts";
import { type Certificate, certificates } from "../certificates.ts";
import { shownFingerprint } from "../tlsclient.ts";
import { deadlineMs, noise, Peer, program, Run, sha256, TestServer, until, untimed } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const { loopback, elsewhere, issued, expired, future } = certificates;
const fingerprintOf = (pair: Certificate) => keyPairOf(pair.cert, pair.key).fingerprint;

function startWith({ cert, key }: Certificate): Promise<TestServer> {
  return TestServer.start({
    server: 'tls_cert = "cert.pem"\ntls_key = "key.pem"',
    files: { "cert.pem": cert, "key.pem": key },
  });
}

/** Puts a pair in place, as programs that renew certificates do: each file whole. */
function put(server: TestServer, pair: { readonly cert?: string; readonly key?: string }): void {
  for (const [name, pem] of Object.entries(pair)) {
    const file = join(server.folder, `${name}.pem`);
    rmSync(file, { force: true, recursive: true });
    writeFileSync(`${file}.new`, pem);
    renameSync(`${file}.new`, file);
  }
}

const pemOf = ({ cert, key }: Certificate) => ({ cert, key });
const shown = async (server: TestServer) =>
  await Promise.all((["tls", "https"] as const).map((name) => shownFingerprint(server.port(name))));

describe("a new certificate", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startWith(loopback);
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test.each([
    ["once its files have changed", loopback, elsewhere, () => {}],
    ["on SIGHUP", elsewhere, issued, () => server.run.process.kill("SIGHUP")],
  ])(
    "is what connections get that come afterwards, %s; those that are open lose no byte",
    async (when, before, after, ask) => {
      const channel = when.replaceAll(" ", "-");
      const whole = noise(3_000_000, 61);
      const address = `fstreams://127.0.0.1:${server.port("tls")}`;
      const client = (verb: string, ...flags: string[]) =>
        new Run([address, verb, "--channel", channel, ...flags], {
          fserv_arg_user: "fier",
          ...(verb === "broadcast" ? { fserv_arg_user_password: "123" } : {}),
        });
      expect(await shown(server)).toEqual([fingerprintOf(before), fingerprintOf(before)]);

      const watcher = client("watch", "--insecure", "--wait");
      await server.watched(`fier/${channel}`, 1);
      const broadcaster = client("broadcast", "--insecure");
      await broadcaster.send(whole.subarray(0, 1_000_000));
      await until("the first bytes come", () => watcher.length === 1_000_000);
      const asking = await Peer.dial(server.port("https"), true);
      asking.send("GET /healthz HTTP/1.1\r\nHost: loc");

      put(server, pemOf(after));
      ask();
      await server.says(new RegExp(`new certificate in use, .*${fingerprintOf(after)}\n`));
      expect(await shown(server)).toEqual([fingerprintOf(after), fingerprintOf(after)]);

      await broadcaster.send(whole.subarray(1_000_000, 2_000_000));
      await until("more bytes come", () => watcher.length === 2_000_000);
      const late = client("watch", "--fingerprint", fingerprintOf(after));
      await server.watched(`fier/${channel}`, 2);
      const pinned = await client("watch", "--fingerprint", fingerprintOf(before)).outcome();
      expect([pinned.status, pinned.stderr]).toEqual([
        1,
        expect.stringContaining("has a different fingerprint"),
      ]);
      asking.send("alhost\r\n\r\n");
      await until("it is answered", () => asking.text.endsWith("ok\n"));
      await broadcaster.finish(whole.subarray(2_000_000));
      expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(await watcher.exit()).toBe(0);
      expect(sha256(watcher.bytes)).toBe(sha256(whole));
      expect(await late.exit()).toBe(0);
      expect(late.length).toBeGreaterThan(0);
    },
  );
});

const wrong: [what: string, change: (server: TestServer) => void, reason: string][] = [
  [
    "of a key that is another's",
    (server) => put(server, { key: elsewhere.key }),
    "tls_key does not match tls_cert",
  ],
  ["that has expired", (server) => put(server, pemOf(expired)), "it expired on "],
  ["that is not valid yet", (server) => put(server, pemOf(future)), "it is not valid before "],
  [
    "that is half-written",
    (server) => put(server, { cert: elsewhere.cert.slice(0, 300) }),
    "is not a PEM certificate",
  ],
  ["whose key is gone", (server) => rmSync(join(server.folder, "key.pem")), "no such file"],
  ["whose key is none", (server) => put(server, { key: "rubbish" }), "is not a PEM key"],
];

test("a pair that can't be used is refused, with the reason, and the one before it stays; a good one is then taken", async () => {
  const server = await startWith(loopback);
  for (const [what, change, reason] of wrong) {
    const said = server.run.stderr.length;
    change(server);
    server.run.process.kill("SIGHUP");
    const line = await until(`a certificate ${what} is refused`, () =>
      server.run.stderr
        .slice(said)
        .split("\n")
        .slice(0, -1)
        .find((text) => text.includes("rejected")),
    );
    expect(untimed(line)).toStartWith(
      "fstream: warning: tls: new certificate rejected, keeping the previous one: ",
    );
    expect(line).toContain(reason);
    expect(await shown(server)).toEqual([fingerprintOf(loopback), fingerprintOf(loopback)]);
    put(server, pemOf(loopback));
    server.run.process.kill("SIGHUP");
    await until("it is as before", () =>
      server.run.stderr.slice(said).includes("the certificate is unchanged"),
    );
  }
  put(server, pemOf(elsewhere));
  await server.says(/new certificate in use/);
  expect(await shown(server)).toEqual([fingerprintOf(elsewhere), fingerprintOf(elsewhere)]);
  expect(await server.stop()).toBe(0);
});

test.skipIf(process.getuid?.() === 0)("a key that may not be read is refused", async () => {
  const server = await startWith(loopback);
  chmodSync(join(server.folder, "key.pem"), 0);
  await server.says(/rejected.*: tls_key: .* can't be read: permission denied/);
  expect(await server.stop()).toBe(0);
});

test("SIGHUP that comes while the server stops does not end it at once", async () => {
  const server = await TestServer.start();
  const watcher = server.watch({}, "--wait");
  await server.watched("fier/default", 1);
  const broadcaster = server.broadcast();
  await broadcaster.send("media");
  await until("it comes", () => watcher.length === 5);
  watcher.process.kill("SIGSTOP");
  server.run.process.kill("SIGTERM");
  await server.says(/SIGTERM: stopping/);
  server.run.process.kill("SIGHUP");
  await server.says(/SIGHUP: reloading/);
  watcher.process.kill("SIGCONT");
  expect(await server.run.exit()).toBe(0);
  await server.stop();
  await watcher.exit();
  await broadcaster.exit();
});

test.skipIf(process.platform !== "linux")(
  "a server on a terminal ends in order when that is closed",
  async () => {
    const server = await TestServer.start();
    const shown = { text: "" };
    const child = Bun.spawn([...program, "serve", "--config", join(server.folder, "fstream.toml")], {
      env: { PATH: process.env.PATH ?? "" },
      terminal: { data: (_, bytes) => void (shown.text += Buffer.from(bytes).toString("latin1")) },
    });
    await until("it is ready", () => shown.text.includes("fstream: ready"));
    child.kill("SIGHUP");
    expect(await child.exited).toBe(0);
    expect(shown.text).toContain("fstream: SIGHUP: stopping");
    child.terminal?.close();
    expect(await server.stop()).toBe(0);
  },
);
