// Players watch a live stream over HTTP and HTTPS on every listener: each plays it, says nothing that is wrong, and ends in order
// where the stream does.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { canJudge, judge } from "./judge.ts";
import { newTrust, Playing, players, type Trust } from "./players.ts";
import { deadlineMs, type Run, TestServer, until } from "./program.ts";

setDefaultTimeout(3 * deadlineMs);

const listeners = ["tcp", "http", "https", "tls"] as const;
type Listener = (typeof listeners)[number];

const h264 = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -b:v 300k -g 25";
const aac = "-c:a aac -b:a 96k -ac 2";
const streams: Readonly<Record<string, string>> = {
  mpegts: `${h264} ${aac} -f mpegts`,
  flv: `${h264} ${aac} -f flv`,
  fmp4: `${h264} ${aac} -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof`,
  matroska: `${h264} ${aac} -f matroska`,
  webm: "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 300k -g 25 -c:a libopus -f webm",
  ogg: "-vn -c:a libvorbis -f ogg",
  mp3: "-vn -c:a libmp3lame -b:a 192k -f mp3",
};

/** An encoder that encodes as fast as time passes, and the client that it feeds. */
class Live {
  readonly #encoder: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #client: Run;
  readonly #fed: Promise<void>;
  #broken = false;
  sent = 0;

  constructor(server: TestServer, channel: string, options: string, password = "") {
    const noisy = "aevalsrc=0.4*sin(440*2*PI*t)+0.1*random(0):s=44100";
    const inputs = [
      "-re",
      "-f",
      "lavfi",
      "-i",
      "testsrc2=size=192x108:rate=25",
      "-re",
      "-f",
      "lavfi",
      "-i",
      noisy,
    ];
    this.#encoder = Bun.spawn(["ffmpeg", "-v", "error", ...inputs, ...options.split(" "), "pipe:1"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    this.#client = server.broadcast({ fserv_arg_channel: channel, fserv_arg_channel_password: password });
    this.#fed = this.#feed();
  }

  async #feed(): Promise<void> {
    for await (const bytes of this.#encoder.stdout) {
      if (this.#broken) continue;
      await this.#client.send(bytes);
      this.sent += bytes.length;
    }
    if (!this.#broken) await this.#client.finish();
  }

  /** Cuts the stream off. */
  async break(): Promise<void> {
    this.#broken = true;
    this.#client.process.kill("SIGKILL");
    this.#encoder.kill("SIGKILL");
    await Promise.all([this.#fed, this.#client.exit()]);
  }

  /** Ends the stream in order. */
  async end(): Promise<number> {
    this.#encoder.kill("SIGINT");
    await this.#fed;
    return await this.#client.exit();
  }
}

describe.skipIf(!canJudge)("a live stream", () => {
  let server: TestServer;
  let trust: Trust;
  beforeAll(async () => {
    server = await TestServer.start({ server: 'http_listen = "127.0.0.1:0"', fstream: 'hold = "0s"' });
    const pem = await Bun.file(join(server.folder, "state", "self-signed.pem")).text();
    trust = newTrust(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? "");
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
    rmSync(join(trust.folder, ".."), { recursive: true });
  });

  function urlOf(listener: Listener, channel: string, password = ""): string {
    const login = password === "" ? "" : `any:${password}@`;
    const scheme = listener === "tcp" || listener === "http" ? "http" : "https";
    return `${scheme}://${login}127.0.0.1:${server.port(listener)}/watch/fier/${channel}`;
  }

  test.each(Object.entries(streams))(
    "of %s plays in every player that is installed",
    async (container, options) => {
      // One has a password: some players give that of their URL at once, others only once they are asked for it.
      const password = container === "flv" ? "456" : "";
      const live = new Live(server, container, options, password);
      const playing: Playing[] = [];
      try {
        await server.says(new RegExp(`fier/${container}: ${container}\\b`));
        // They join in the middle of it.
        await until("some of it is there", () => live.sent > 40_000);
        for (const [index, player] of players.entries()) {
          const all = container === "mpegts";
          const offset = Object.keys(streams).indexOf(container) + index;
          for (const listener of all ? listeners : [listeners[offset % listeners.length]])
            playing.push(new Playing(player, urlOf(listener, container, password), trust));
        }
        for (const each of playing) await until(`${each.title} plays`, () => each.looks());
        expect(await live.end()).toBe(0);
        for (const each of playing) {
          const { status, complaints } = await each.end();
          expect({ what: each.title, status, complaints }).toEqual({
            what: each.title,
            status: 0,
            complaints: [],
          });
          if (each.player.name !== "curl") continue;
          const { errors, startsWithKey, seconds } = await judge(each.bytes);
          expect({ errors, startsWithKey }).toEqual({ errors: [], startsWithKey: true });
          expect(seconds).toBeGreaterThan(1);
        }
      } finally {
        for (const each of playing) each.kill();
        await live.end();
      }
    },
  );

  test("that is cut off and begins anew goes on in ffmpeg, which asks for it again and waits", async () => {
    const channel = "again";
    const reconnects = "-reconnect 1 -reconnect_streamed 1 -reconnect_at_eof 1 -reconnect_delay_max 1".split(
      " ",
    );
    const url = `${urlOf("http", channel)}?wait=60`;
    const ffmpeg = Bun.spawn(
      ["ffmpeg", "-v", "quiet", "-progress", "pipe:1", ...reconnects, "-i", url, "-f", "null", "-"],
      { stdout: "pipe", stderr: "ignore" },
    );
    let frames = 0;
    void (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of ffmpeg.stdout)
        frames = Number(/frame=(\d+)/.exec(decoder.decode(bytes))?.[1] ?? frames);
    })();
    try {
      for (let round = 1; round <= 3; round++) {
        await server.watched(`fier/${channel}`, round);
        const before = frames;
        const live = new Live(server, channel, streams.mpegts);
        await until("it decodes", () => frames >= before + 50);
        await live.break();
      }
    } finally {
      ffmpeg.kill("SIGKILL");
      await ffmpeg.exited;
    }
  });
});
