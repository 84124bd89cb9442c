// Broadcasts over HTTP by the programs that people have: ffmpeg, curl, GStreamer and VLC. Each is watched with the protocol, and
// what comes there is compared or decoded.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canJudge, judge } from "./judge.ts";
import { deadlineMs, freePort, noise, Peer, type Run, sha256, TestServer, until } from "./program.ts";
import { hasCaddy, hasNginx, startCaddy, startNginx } from "./proxy.ts";

setDefaultTimeout(2 * deadlineMs);

const hasCurl = Bun.which("curl") !== null;
const whole = noise(3_000_000, 81);

let server: TestServer;
beforeAll(async () => {
  const listeners = { listen: "127.0.0.1:0", https_listen: "127.0.0.1:0", http_listen: "127.0.0.1:0" };
  server = await TestServer.start({ listeners, fstream: 'hold = "2s"' });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
  expect(server.run.stderr).not.toContain("fstream: error:");
});

/** A program at work, its outputs as text once it has ended. */
class Program {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #outputs: Promise<[stdout: string, stderr: string]>;

  constructor(command: readonly string[], cwd = tmpdir()) {
    const env = { PATH: process.env.PATH ?? "", HOME: cwd };
    this.process = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe", cwd, env });
    this.#outputs = Promise.all([this.process.stdout.text(), this.process.stderr.text()]);
  }

  /** Writes to its input and sees to it that it is on its way. */
  async send(bytes: Uint8Array | string): Promise<void> {
    await this.process.stdin.write(bytes);
    await this.process.stdin.flush();
  }

  /** Ends its input, once it got these bytes. */
  async outcome(
    input: Uint8Array | string = "",
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    try {
      await this.send(input);
      await this.process.stdin.end();
    } catch {
      // It does not read all of it: its status says more.
    }
    const [stdout, stderr] = await this.#outputs;
    return { status: await this.process.exited, stdout, stderr };
  }
}

const curl = (...flags: string[]) => new Program(["curl", "-sS", ...flags]);

/** Where a channel is broadcast to. */
function url(channel: string, login = "fier:123", at: "http" | "https" = "http"): string {
  const user = login === "" ? "" : `${login}@`;
  return `${at}://${user}127.0.0.1:${server.port(at)}/broadcast/fier/${channel}`;
}

/** A watcher that is there before the broadcast. */
async function watching(channel: string): Promise<Run> {
  const watcher = server.watch({ fserv_arg_channel: channel }, "--wait");
  await server.watched(`fier/${channel}`, 1);
  return watcher;
}

/** Expects what a watcher got to be all of `bytes`, in order. */
async function expectWhole(watcher: Run, bytes: Uint8Array): Promise<void> {
  const status = await watcher.exit();
  expect([status, watcher.stderr, sha256(watcher.bytes)]).toEqual([0, "", sha256(bytes)]);
}

const frames = 60;
const pictures = `-f lavfi -i testsrc2=size=320x180:rate=25 -frames:v ${frames}`;
const x264 = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -f mpegts";

function ffmpeg(options: string, to: string, input = pictures): Program {
  const words = `ffmpeg -nostdin -v error ${input} ${x264} ${options}`
    .split(" ")
    .filter((word) => word !== "");
  return new Program([...words, to]);
}

describe.skipIf(!canJudge)("ffmpeg", () => {
  test.each([
    ["posts", "", "http", "post"],
    ["puts", "-method PUT -auth_type basic", "http", "put"],
    ["puts over TLS", "-method PUT", "https", "secure"],
    ["puts as to Icecast", "-content_type video/mp2t", "icecast", "icecast"],
    ["is a source as to an old Icecast", "-content_type video/mp2t -legacy_icecast 1", "icecast", "legacy"],
  ])("%s a stream, and every picture of it comes", async (_title, options, scheme, channel) => {
    const watcher = await watching(channel);
    const at = scheme === "https" ? "https" : "http";
    const to = url(channel, "fier:123", at).replace(/^http:/, scheme === "icecast" ? "icecast:" : "http:");
    expect(await ffmpeg(options, to).outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect([await watcher.exit(), watcher.stderr]).toEqual([0, ""]);
    const verdict = await judge(watcher.bytes);
    expect([verdict.errors, verdict.frames]).toEqual([[], frames]);
  });

  test("of which a token is all that crosses the network unencrypted", async () => {
    const { stdout } = await server
      .call("token", { fserv_arg_user: "fier", fserv_arg_user_password: "123" })
      .outcome();
    const watcher = await watching("token");
    const program = new Program([
      ...`ffmpeg -nostdin -v error ${pictures} ${x264}`.split(" "),
      "-headers",
      `Authorization: Bearer ${stdout.trim()}`,
      url("token", ""),
    ]);
    expect(await program.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await watcher.exit()).toBe(0);
    expect((await judge(watcher.bytes)).frames).toBe(frames);
  });

  test("that recovers by itself takes its channel back, and its watchers go on", async () => {
    const watcher = await watching("fifo");
    const live = "-re -f lavfi -i testsrc2=size=320x180:rate=25";
    const encode = "-c:v libx264 -preset ultrafast -tune zerolatency -g 10 -map 0:v";
    const fifo =
      "-f fifo -fifo_format mpegts -attempt_recovery 1 -recovery_wait_time 0.2 -restart_with_keyframe 1";
    const program = new Program([...`ffmpeg -v quiet ${live} ${encode} ${fifo}`.split(" "), url("fifo")]);
    await until("it comes", () => watcher.length > 50_000);
    const other = server.broadcast({ fserv_arg_channel: "fifo" });
    const replaced = await other.exit();
    expect(replaced).toBe(3);
    const { length } = watcher;
    await until("it goes on", () => watcher.length > length + 50_000);
    expect((await program.outcome("q")).status).toBe(0);
    expect(await watcher.exit()).toBe(0);
    const verdict = await judge(watcher.bytes, true);
    expect([verdict.errors, verdict.startsWithKey]).toEqual([[], true]);
  });

  test("that is killed leaves a broken broadcast, which its return goes on with", async () => {
    const watcher = await watching("killed");
    const program = ffmpeg("", url("killed"), "-re -f lavfi -i testsrc2=size=320x180:rate=25");
    await until("it comes", () => watcher.length > 50_000);
    program.process.kill("SIGKILL");
    await server.says(/fier\/killed: broadcast interrupted/);
    expect((await ffmpeg("", url("killed")).outcome()).status).toBe(0);
    expect([await watcher.exit(), watcher.stderr]).toEqual([0, ""]);
    const verdict = await judge(watcher.bytes, true);
    expect([verdict.errors, verdict.frames > frames]).toEqual([[], true]);
  });
});

describe.skipIf(!hasCurl)("curl", () => {
  test.each([
    ["pipes a stream", ["-T", "-"], "pipe"],
    ["pipes a stream without being asked for its login", ["-T", ".", "--no-progress-meter"], "dot"],
    ["posts what it has read", ["--data-binary", "@-"], "data"],
  ])("%s", async (_title, flags, channel) => {
    for (const at of ["http", "https"] as const) {
      const name = `${channel}-${at}`;
      const watcher = await watching(name);
      const sent = await curl("-k", ...flags, url(name, "fier:123", at)).outcome(whole);
      expect(sent).toEqual({ status: 0, stdout: `${whole.length} bytes\n`, stderr: "" });
      await expectWhole(watcher, whole);
    }
  });

  test("sends a file, whose size it says, also in HTTP/1.0", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fstream-curl-"));
    const file = join(folder, "file");
    await Bun.write(file, whole);
    for (const flag of ["--http1.1", "--http1.0"]) {
      const channel = `file${flag.slice(-1)}`;
      const watcher = await watching(channel);
      const sent = await curl(flag, "-T", file, url(channel)).outcome();
      expect(sent).toEqual({ status: 0, stdout: `${whole.length} bytes\n`, stderr: "" });
      await expectWhole(watcher, whole);
    }
    rmSync(folder, { recursive: true });
  });

  test("is refused before it has sent a byte, and says why", async () => {
    const cases: [login: string, code: number, words: string][] = [
      ["fier:wrong", 401, "wrong user or password\n"],
      ["ann:abc", 403, "the channel belongs to fier, but you logged in as ann\n"],
      ["", 401, "log in with user and password (Basic) or with a token (Bearer)\n"],
    ];
    for (const [login, code, words] of cases) {
      const format = "%{http_code} %{size_upload}";
      const refused = await curl("-T", "-", "-w", format, url("refused", login)).outcome(whole);
      expect(refused).toEqual({ status: 0, stdout: `${words}${code} 0`, stderr: "" });
      // Only then a refusal is a failure of curl's.
      expect((await curl("-f", "-T", "-", url("refused", login)).outcome(whole)).status).toBe(22);
    }
    // Nothing has begun there.
    expect(server.run.stderr).not.toContain("fier/refused: ");
  });

  test("without input, or without a body, leaves a broadcast as it is", async () => {
    const watcher = await watching("kept");
    const broadcaster = server.broadcast({ fserv_arg_channel: "kept" });
    await broadcaster.send("one");
    await until("it comes", () => watcher.length === 3);
    expect(await curl("-T", "-", url("kept")).outcome()).toMatchObject({ status: 0, stdout: "0 bytes\n" });
    expect((await curl("-d", "", url("kept")).outcome()).stdout).toBe("0 bytes\n");
    await broadcaster.finish("two");
    expect((await broadcaster.outcome()).status).toBe(0);
    await expectWhole(watcher, Buffer.from("onetwo"));
  });

  test("that is killed has its watchers held for its return", async () => {
    const watcher = await watching("cut");
    const cut = curl("-T", "-", "-N", url("cut"));
    await cut.send(whole.subarray(0, 200_000));
    await until("it comes", () => watcher.length >= 200_000);
    cut.process.kill("SIGKILL");
    await server.says(/fier\/cut: broadcast interrupted/);
    expect((await curl("-T", "-", url("cut")).outcome("more")).stdout).toBe("4 bytes\n");
    await expectWhole(watcher, Buffer.concat([whole.subarray(0, 200_000), Buffer.from("more")]));
  });

  test("learns that it was replaced", async () => {
    const watcher = await watching("replaced");
    const first = curl("-T", "-", "-N", "-w", "%{http_code}", url("replaced"));
    await first.send("first");
    await until("it comes", () => watcher.length === 5);
    expect((await curl("-T", "-", url("replaced")).outcome("second")).status).toBe(0);
    const { stdout } = await first.outcome("more");
    expect(stdout).toBe("the same user started another broadcast on this channel\n409");
    await expectWhole(watcher, Buffer.from("firstsecond"));
  });
});

describe.skipIf(!hasCurl)("where passwords have to be encrypted", () => {
  test("a password is taken over TLS alone, and a token anywhere", async () => {
    const listeners = { listen: "127.0.0.1:0", https_listen: "127.0.0.1:0", http_listen: "127.0.0.1:0" };
    const strict = await TestServer.start({ listeners, fstream: "plain_passwords = false" });
    const to = (at: "http" | "https", path: string) => `${at}://127.0.0.1:${strict.port(at)}${path}`;
    const send = (at: "http" | "https", ...login: string[]) =>
      curl("-k", "-T", "-", "-w", "%{http_code}", ...login, to(at, "/broadcast/fier/default")).outcome(
        "media",
      );
    const password = ["-u", "fier:123"];
    expect((await send("http", ...password)).stdout).toBe(
      "this server accepts no passwords on a plain connection\n401",
    );
    expect((await send("https", ...password)).stdout).toBe("5 bytes\n200");
    const asked = curl("-k", "-d", "", ...password, to("https", "/token"));
    const bearer = ["-H", `Authorization: Bearer ${(await asked.outcome()).stdout.trim()}`];
    expect((await send("http", ...bearer)).stdout).toBe("5 bytes\n200");
    expect((await send("http", ...bearer)).stdout).toBe("token already used\n401");
    expect(await strict.stop()).toBe(0);
  });
});

const hasGStreamer = (element: string) =>
  Bun.which("gst-launch-1.0") !== null &&
  ["x264enc", "mpegtsmux", element].every(
    (each) => Bun.spawnSync(["gst-inspect-1.0", "--exists", each]).exitCode === 0,
  );

describe("GStreamer", () => {
  const source = `videotestsrc is-live=true num-buffers=${frames} ! video/x-raw,width=320,height=180,framerate=25/1`;
  const encoder = `${source} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! mpegtsmux`;
  const launch = (sink: string) =>
    new Program(["gst-launch-1.0", "-q", ...`${encoder} ! ${sink}`.split(" ")]);

  test.skipIf(!canJudge || !hasGStreamer("curlhttpsink"))("posts with curlhttpsink", async () => {
    const watcher = await watching("curlhttpsink");
    const location = url("curlhttpsink", "");
    const sink = `curlhttpsink location=${location} user=fier passwd=123 use-content-length=false`;
    expect((await launch(sink).outcome()).status).toBe(0);
    expect([await watcher.exit(), watcher.stderr]).toEqual([0, ""]);
    const verdict = await judge(watcher.bytes);
    expect([verdict.errors, verdict.frames]).toEqual([[], frames]);
  });

  test.skipIf(!canJudge || !hasGStreamer("souphttpclientsink"))(
    "puts many parts with souphttpclientsink, which are one broadcast",
    async () => {
      const watcher = await watching("soup");
      // It can hang, or crash, at its end: its status says nothing.
      const sink = launch(`souphttpclientsink location=${url("soup")}`);
      await server.says(
        /fier\/soup: broadcast interrupted after \d+ bytes: timed out waiting for the next part/,
      );
      sink.process.kill("SIGKILL");
      await sink.outcome();
      // Nothing has said that all is there.
      expect(await watcher.exit()).toBe(5);
      expect(server.run.stderr.match(/fier\/soup: broadcast from /g)).toHaveLength(1);
      // It sends its first part without the login, and not again; a join point comes all ten pictures.
      const { frames: came } = await judge(watcher.bytes);
      expect(came).toBeGreaterThanOrEqual(frames - 20);
    },
  );
});

/** VLC does not run as root. */
const asNobody = process.getuid?.() === 0 ? ["runuser", "-u", "nobody", "--"] : [];
const hasVlc = ["cvlc", "ffmpeg", ...asNobody.slice(0, 1)].every((each) => Bun.which(each) !== null);

test.skipIf(!canJudge || !hasVlc)("VLC sends a stream as to Icecast", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fstream-vlc-"));
  chmodSync(folder, 0o777);
  const file = join(folder, "tone.ogg");
  const make = new Program([
    "ffmpeg",
    "-v",
    "error",
    "-f",
    "lavfi",
    "-i",
    "sine",
    "-t",
    "3",
    "-c:a",
    "libvorbis",
    file,
  ]);
  expect((await make.outcome()).status).toBe(0);
  const watcher = await watching("vlc");
  const to = url("vlc").replace("http://", "");
  const sout = `#std{access=shout,mux=ogg,dst=${to}}`;
  const vlc = new Program([...asNobody, "cvlc", "-I", "dummy", file, "--sout", sout, "vlc://quit"], folder);
  expect((await vlc.outcome()).status).toBe(0);
  expect([await watcher.exit(), watcher.stderr]).toEqual([0, ""]);
  // Its Ogg has an error of its own at the beginning.
  const { seconds } = await judge(watcher.bytes);
  expect(seconds).toBeGreaterThan(2);
  rmSync(folder, { recursive: true });
});

describe.each([
  ["nginx", hasNginx, startNginx],
  ["Caddy", hasCaddy, startCaddy],
] as const)("behind %s", (title, isHere, start) => {
  test.skipIf(!isHere || !hasCurl)("a broadcast comes as it is sent, and ends as it ends", async () => {
    const behind = await TestServer.start({
      listeners: { listen: "127.0.0.1:0", http_listen: "127.0.0.1:0", https_listen: "" },
      server: 'trusted_proxies = ["127.0.0.1"]',
      fstream: 'plain_passwords = false\nhold = "2s"',
    });
    const port = freePort();
    const proxy = await start(behind.port("http"), port);
    for (const version of ["--http1.1", "--http2"]) {
      const channel = `${title}${version}`;
      const watcher = behind.watch({ fserv_arg_channel: channel }, "--wait");
      await behind.watched(`fier/${channel}`, 1);
      const to = `https://localhost:${port}/broadcast/fier/${channel}`;
      const send = () => curl("-k", version, "--ipv4", "-T", "-", "-N", "-u", "fier:123", to);
      const cut = send();
      await cut.send("first");
      await until("it comes", () => watcher.length === 5);
      cut.process.kill("SIGKILL");
      await behind.says(new RegExp(`fier/${channel}: broadcast interrupted`));
      expect(await send().outcome(whole)).toEqual({
        status: 0,
        stdout: `${whole.length} bytes\n`,
        stderr: "",
      });
      await expectWhole(watcher, Buffer.concat([Buffer.from("first"), whole]));
    }
    await proxy.stop();
    expect(await behind.stop()).toBe(0);
  });
});

describe("bytes on a connection", () => {
  test("are relayed as they come, in chunks of one byte too", async () => {
    const watcher = await watching("bytewise");
    const peer = await Peer.dial(server.port("http"));
    const login = `Authorization: Basic ${btoa("fier:123")}`;
    peer.send(
      `PUT /broadcast/fier/bytewise HTTP/1.1\r\nHost: a\r\n${login}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    for (let i = 0; i < 20; i++) {
      peer.send(`1\r\n${String.fromCharCode(97 + i)}\r\n`);
      await until("it comes", () => watcher.length === i + 1);
    }
    peer.send("1;x=y\r\nz\r\n".repeat(200_000)).send("0\r\n\r\n");
    await until("it is answered", () => peer.text.endsWith("200020 bytes\n"));
    expect(await peer.ended()).toBe("fin");
    await expectWhole(watcher, Buffer.from(`abcdefghijklmnopqrst${"z".repeat(200_000)}`));
  });
});
