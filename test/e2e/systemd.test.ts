// Life under a service manager, on Linux: what the server reports of itself, the sockets that it is given, and a restart that
// neither end of a stream has to do anything about.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canJudge, judge } from "./judge.ts";
import { deadlineMs, freePort, Peer, Run, TestServer, until, untimed } from "./program.ts";
import { activated, ListeningSocket, Notifications } from "./servicemanager.ts";

setDefaultTimeout(2 * deadlineMs);

const noListeners = { listen: "", tls_listen: "", https_listen: "", http_listen: "" };
/** Settings of a server that is passed its only socket, so that it must not bind to this. */
const oneListener = { ...noListeners, listen: "192.0.2.1:61920" };
const login = "broadcast,user=fier,user_password=123,reply=1";
const ok = "\0\0\0\x02\0ok";

/** A server that is passed these sockets, by the names of their listeners. */
function passed(sockets: Readonly<Record<string, ListeningSocket>>) {
  return {
    under: activated(Object.keys(sockets)),
    descriptors: Object.values(sockets).map(({ fd }) => fd),
  };
}

test("the server says which settings it runs with: an installed server's where its folder has none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-etc-"));
  const file = join(folder, "fstream.toml");
  await Bun.write(file, '[server]\nlisten = "127.0.0.1:0"\nhttps_listen = ""\n');
  const serve = new Run(["serve"], { CONFIGURATION_DIRECTORY: folder });
  await until("it is ready", () => serve.stderr.includes("fstream: ready\n"));
  expect(untimed(serve.stderr)).toStartWith(
    `fstream: settings file: ${file}\nfstream: listening on tcp 127.0.0.1:`,
  );
  serve.process.kill("SIGTERM");
  expect(await serve.exit()).toBe(0);
  const check = await new Run(["check"], { CONFIGURATION_DIRECTORY: folder }).outcome();
  expect(check.stderr).toContain(`the users folder ${join(folder, "users")} does not exist`);
  const without = new Run(["serve", "--listen", "127.0.0.1:0", "--https-listen", ""]);
  await until("it is ready", () => without.stderr.includes("fstream: ready\n"));
  expect(untimed(without.stderr)).toStartWith("fstream: no settings file: using defaults\n");
  without.process.kill("SIGTERM");
  expect(await without.exit()).toBe(0);
});

describe.skipIf(process.platform !== "linux")("under a service manager", () => {
  test.each([
    ["a path", join(mkdtempSync(join(tmpdir(), "fstream-notify-")), "socket")],
    ["an abstract name", `@fstream-test-${crypto.randomUUID()}`],
  ])("a server reports its life to a socket at %s", async (_, address) => {
    const notifications = new Notifications(address);
    const port = freePort();
    const environment = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "200000" };
    const starting = TestServer.start({
      listeners: { ...noListeners, listen: `127.0.0.1:${port}` },
      server: 'shutdown_grace = "3s"',
      environment,
    });
    await notifications.next(/./);
    // No sooner than it takes connections.
    const broadcaster = await Peer.dial(port);
    broadcaster.request(login);
    expect(notifications.all[0]).toBe("READY=1\nSTATUS=0 channels, 0 watchers");
    const server = await starting;
    await broadcaster.received(ok.length);
    await notifications.next(/^STATUS=1 channel, 0 watchers$/);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,reply=1");
    await notifications.next(/^STATUS=1 channel, 1 watcher$/);

    // The reports of a reload are in their order, and those of the watchdog never end.
    const before = notifications.all.length;
    server.run.process.kill("SIGHUP");
    const begun = await notifications.next(/^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*$/, before);
    const over = await notifications.next(/^READY=1$/, begun);
    const fed = await notifications.next(/^WATCHDOG=1$/, over);
    await notifications.next(/^WATCHDOG=1$/, fed);

    // A watcher that takes nothing more is waited for, and the manager knows.
    server.run.process.kill("SIGTERM");
    await notifications.next(/^STOPPING=1\nEXTEND_TIMEOUT_USEC=13000000$/, over);
    watcher.reset();
    broadcaster.reset();
    expect(await server.run.exit()).toBe(0);
    expect(notifications.all.filter((message) => message.startsWith("READY=1"))).toHaveLength(2);
    expect(server.run.stderr).not.toContain("service manager");
    await server.stop();
    notifications.close();
  });

  test("a server whose notifications nobody takes serves all the same", async () => {
    const server = await TestServer.start({
      environment: { NOTIFY_SOCKET: "/no/such/socket", WATCHDOG_USEC: "20000" },
    });
    expect(
      (await server.call("token", { fserv_arg_user: "fier", fserv_arg_user_password: "123" }).outcome())
        .status,
    ).toBe(0);
    await server.says(/warning: systemd: the service manager does not accept notifications\n/);
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr.split("service manager")).toHaveLength(2);
  });

  test("sockets that are passed take the places of addresses, and connections wait while there is no server", async () => {
    const sockets = {
      listen: new ListeningSocket(),
      tls_listen: new ListeningSocket("IPv6"),
      https_listen: new ListeningSocket(),
    };
    const early = await Peer.dial(sockets.listen.port);
    early.request(login);
    const listeners = { ...oneListener, https_listen: "192.0.2.1:61921" };
    const first = await TestServer.start({ listeners, ...passed(sockets) });
    await first.says(/listening on tls \[::1\]:\d+, passed by the service manager\n/);
    await early.received(ok.length);
    const watcher = await Peer.dial(sockets.tls_listen.port, true, "::1");
    watcher.request("watch,user=fier,reply=1");
    await first.watched("fier/default", 1);
    early.send("all of it");
    early.finish();
    await until("it comes", () => watcher.text.endsWith("all of it"));
    first.run.process.kill("SIGTERM");
    expect(await first.run.exit()).toBe(0);

    // Nobody accepts it yet, and it is not refused.
    const between = await Peer.dial(sockets.listen.port);
    between.request(login);
    const page = fetch(`https://127.0.0.1:${sockets.https_listen.port}/api/channels`, {
      tls: { rejectUnauthorized: false },
    });
    const second = await first.again({ ...passed(sockets) });
    await between.received(ok.length);
    expect((await page).status).toBe(200);
    between.reset();
    expect(await second.stop()).toBe(0);
    for (const socket of Object.values(sockets)) socket.close();
  });

  test("a passed socket without a listener's name is for the listener of its port; one for none is refused", async () => {
    const socket = new ListeningSocket();
    const { descriptors } = passed({ socket });
    const under = activated(["fstream.socket"]);
    const server = await TestServer.start({
      listeners: { ...noListeners, http_listen: `127.0.0.1:${socket.port}` },
      under,
      descriptors,
    });
    await server.says(/listening on http 127\.0\.0\.1:\d+, passed by the service manager\n/);
    expect((await fetch(`http://127.0.0.1:${socket.port}/api/channels`)).status).toBe(200);
    expect(await server.stop()).toBe(0);

    const listeners = ["--listen", "127.0.0.1:61000", "--https-listen", ""];
    const refused = await new Run(["serve", ...listeners], {}, under, descriptors).outcome();
    expect({ ...refused, stderr: untimed(refused.stderr) }).toEqual({
      status: 1,
      stdout: "",
      stderr:
        `fstream: no settings file: using defaults\nfstream: error: no listener matches the socket on 127.0.0.1:${socket.port} passed by the service manager: listen is on port 61000\n` +
        "fstream: hint: use the same port, or set FileDescriptorName= in the socket unit to one of listen, tls_listen, https_listen, http_listen\n",
    });
    socket.close();
    const closed = await new Run(["serve", ...listeners], {}, activated(["listen"])).outcome();
    expect(closed.status).toBe(1);
    expect(closed.stderr).toContain(
      "descriptor 3 (listen), passed by the service manager, is not a listening TCP socket\n",
    );
  });

  test("programs that it starts get none of what the manager gave it", async () => {
    const socket = new ListeningSocket();
    const address = `@fstream-test-${crypto.randomUUID()}`;
    const notifications = new Notifications(address);
    const script = `#!/bin/sh
      env | grep -E '^(NOTIFY|WATCHDOG|LISTEN)' >&2
      [ -e /proc/self/fd/3 ] && readlink /proc/self/fd/3 >&2
      echo "asked, of $KEPT" >&2`;
    const server = await TestServer.start({
      listeners: oneListener,
      files: { authenticate: script },
      auth: 'authenticator = "command"\ncommand = ["./authenticate"]',
      environment: { NOTIFY_SOCKET: address, WATCHDOG_USEC: "60000000", KEPT: "the rest" },
      ...passed({ listen: socket }),
    });
    const peer = await Peer.dial(socket.port);
    peer.request(login);
    await peer.received(ok.length);
    await server.says(/asked, of the rest\n/);
    expect(server.run.stderr).not.toMatch(/NOTIFY|WATCHDOG|LISTEN|socket:/);
    peer.reset();
    expect(await server.stop()).toBe(0);
    notifications.close();
    socket.close();
  });

  test.skipIf(!canJudge)(
    "it is restarted, and broadcast and watch with --retry go on by themselves",
    async () => {
      const socket = new ListeningSocket();
      const first = await TestServer.start({ listeners: oneListener, ...passed({ listen: socket }) });
      const at = `127.0.0.1:${socket.port}`;
      const video = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"];
      const sound = ["-f", "lavfi", "-i", "sine=f=440:r=48000"];
      const codecs = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 12 -c:a aac".split(
        " ",
      );
      const encoder = Bun.spawn(
        ["ffmpeg", "-v", "error", "-re", ...video, "-re", ...sound, ...codecs, "-f", "mpegts", "pipe:1"],
        { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
      );
      const broadcast = new Run([at, "broadcast", "--retry", "--quiet"], {
        fserv_arg_user: "fier",
        fserv_arg_user_password: "123",
      });
      const feeding = (async () => {
        for await (const chunk of encoder.stdout) await broadcast.send(chunk);
      })();
      const watch = new Run([at, "watch", "--retry", "--wait", "--quiet"], { fserv_arg_user: "fier" });
      await until("the stream comes", () => watch.length > 100_000);
      first.run.process.kill("SIGTERM");
      expect(await first.run.exit()).toBe(0);
      const second = await first.again(passed({ listen: socket }));
      const before = watch.length;
      await until("the stream goes on", () => watch.length > before + 100_000);
      expect([broadcast.process.exitCode, watch.process.exitCode]).toEqual([null, null]);
      encoder.kill();
      await feeding;
      await broadcast.finish();
      expect(await broadcast.exit()).toBe(0);
      watch.process.kill("SIGTERM");
      expect(await watch.exit()).toBe(143);
      const verdict = await judge(watch.bytes, true);
      // The keyframe that was under way may come again: nothing is wrong with it, but ffmpeg's output has had its time already.
      expect(verdict.errors.filter((line) => !line.includes("dts to muxer"))).toEqual([]);
      expect(verdict.startsWithKey).toBe(true);
      expect(verdict.frames).toBeGreaterThan(20);
      expect(await second.stop()).toBe(0);
      socket.close();
    },
  );
});
