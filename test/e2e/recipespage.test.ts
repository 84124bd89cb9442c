// What docs/recipes.md shows, run: each of its blocks of shell, for two seconds, with test pictures in place of cameras; ffprobe looks at what
// its watchers get. Blocks without a language are for machines and devices that no test has.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deadlineMs, until } from "./program.ts";
import { canRun, Place, page, picture, prepare, root, seen, tone } from "./recipes.ts";

setDefaultTimeout(2 * deadlineMs);
beforeAll(() => {
  if (canRun) prepare();
});
afterAll(() => rmSync(root, { recursive: true }));

const end = { "-f mpegts - |": "-t 2 -f mpegts - |" };

/** The beginning of a block that broadcasts, what is changed in it, the channel, and the codecs that a watcher gets. */
const broadcasts: readonly [string, Readonly<Record<string, string>>, string, string][] = [
  ["ffmpeg -re -f lavfi -i testsrc2", { "1280x720": "320x180", ...end }, "default", "aac h264"],
  [
    "ffmpeg -f x11grab",
    { '-f x11grab -framerate 30 -i "$DISPLAY" -f pulse -i default': `-re ${picture} ${tone}`, ...end },
    "default",
    "aac h264",
  ],
  [
    "ffmpeg -f v4l2",
    {
      "-f v4l2 -input_format mjpeg -video_size 1280x720 -framerate 30 -i /dev/video0 -f alsa -i default": `-re ${picture} ${tone}`,
      ...end,
    },
    "webcam",
    "aac h264",
  ],
  [
    "ffmpeg -f avfoundation",
    { '-f avfoundation -framerate 30 -capture_cursor 1 -i "1:0"': `-re ${picture} ${tone}`, ...end },
    "default",
    "aac h264",
  ],
  ["rpicam-vid", {}, "pi", "h264"],
  [
    "ffmpeg -rtsp_transport",
    { "-rtsp_transport tcp -i rtsp://camera.example/stream": "-re -i film.mp4" },
    "yard",
    "aac h264",
  ],
  ["ffmpeg -re -i album.flac -c:a libopus", {}, "radio", "opus"],
  ["ffmpeg -re -i album.flac -c:a libmp3lame", {}, "radio", "mp3"],
  ["ffmpeg -f alsa", { "-f alsa -i default": "-re -i album.flac" }, "radio", "aac"],
  ["printf \"file '%s'", end, "loop", "aac h264"],
  [
    "ffmpeg -re -i film.mp4 -c copy -f mpegts - | fstream relay.example:61920 broadcast --channel cinema",
    {},
    "cinema",
    "aac h264",
  ],
  [
    "ffmpeg -re -i film.mp4 -c copy -f mpegts - |\n  fstream relay.example:61920 broadcast --token-from",
    {},
    "default",
    "aac h264",
  ],
  ["ffmpeg -re -i film.mp4 -c copy -f mpegts - |\n  fstream fstreams:", {}, "default", "aac h264"],
];

describe.skipIf(!canRun)("docs/recipes.md", () => {
  for (const [beginning, changes, channel, codecs] of broadcasts)
    test.concurrent(`${beginning.split("\n").at(-1)?.trim()} is watched`, async () => {
      const place = await Place.open();
      const watcher = await place.watcher(channel);
      await place.finish(place.block(beginning, changes));
      expect(await watcher.exit()).toBe(0);
      writeFileSync(join(place.folder, "watched"), watcher.bytes);
      expect(place.codecs("watched")).toBe(codecs);
      await place.close();
    });

  test.concurrent("films one after the other are one stream for their watchers", async () => {
    const place = await Place.open(
      page.block("toml", "[fstream]\nhold_ended", { "[fstream]": "", '"10s"': '"3s"' }),
    );
    const watcher = await place.watcher("loop");
    await place.finish(place.block("for film in films/*"));
    await watcher.exit();
    expect(place.server.run.stderr.match(/fier\/loop: broadcast .* started/g)).toHaveLength(2);
    const packets = watcher.length / 188;
    expect(packets).toBeInteger();
    writeFileSync(join(place.folder, "watched.ts"), watcher.bytes);
    expect(place.codecs("watched.ts")).toBe("aac h264");
    await place.close();
  });

  test.concurrent("other bytes are paced", async () => {
    const place = await Place.open();
    const watcher = await place.watcher("data");
    await place.finish(place.block("pv -q"));
    expect(await watcher.exit()).toBe(0);
    expect(watcher.length).toBe(500_000);
    await place.close();
  });

  test.concurrent("two qualities are two channels", async () => {
    const place = await Place.open();
    const [high, low] = await Promise.all([place.watcher("high"), place.watcher("low")]);
    await place.finish(
      place.block("ffmpeg -re -i film.mp4 -filter_complex", { "-2:360": "-2:90" }, "bash"),
      "bash",
    );
    for (const [name, watcher] of [
      ["high", high],
      ["low", low],
    ] as const) {
      expect(await watcher.exit()).toBe(0);
      writeFileSync(join(place.folder, name), watcher.bytes);
      expect(place.codecs(name)).toBe("aac h264");
    }
    expect(low.length).toBeLessThan(high.length);
    await place.close();
  });

  test.concurrent("a programme is taken out of a transponder", async () => {
    const place = await Place.open();
    const programmes = "-program title=one:program_num=101:st=0:st=1 -program title=two:program_num=102:st=2";
    const camera = "-map 0:v -map 0:a -map 0:v -c copy";
    const watching = place.start(
      place.block("fstream relay.example:61920 watch --user fier --channel mux", {
        "--channel mux": "--channel mux --wait",
      }),
    );
    await place.waits(1);
    const send = `ffmpeg -v error -re -i film.mp4 ${camera} ${programmes} -f mpegts - | fstream ${place.server.address} broadcast --channel mux`;
    await place.finish(send);
    const { status, stderr } = await watching.done();
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(place.codecs("programme.ts")).toBe("aac h264");
    await place.close();
  });

  test.concurrent("a log is followed and filtered", async () => {
    const place = await Place.open();
    const log = join(place.folder, "app.log");
    writeFileSync(log, "error: an old one\n");
    const reading = place.start(
      place.block("fstream relay.example:61920 watch --user fier --channel log", {
        "grep --line-buffered error": "grep -m 2 error",
      }),
    );
    await place.waits(1);
    const sending = place.start(place.block("tail -n 0 -F app.log"));
    await place.server.says(/fier\/log: broadcast .* started/);
    // tail begins to look a moment later.
    const read = reading.done();
    for (let line = 0; (await Promise.race([read, Bun.sleep(50)])) === undefined; line++)
      writeFileSync(log, `error: ${line}\nall is well: ${line}\n`, { flag: "a" });
    const { stdout } = await read;
    expect(stdout).toMatch(/^error: \d+\nerror: \d+\n$/);
    await sending.stop();
    await place.close();
  });

  test.concurrent("telemetry begins with a whole record", async () => {
    const place = await Place.open();
    const sending = place.start(place.block("while sleep 1", { "sleep 1": "sleep 0.1" }));
    await place.server.says(/fier\/load: broadcast .* started/);
    const watcher = place.server.watch({ fserv_arg_channel: "load" });
    await until("three records come", () => watcher.length >= 3 * 32);
    expect(Buffer.from(watcher.bytes).toString().split("\n").slice(0, 3).join("\n")).toMatch(
      /^(\S{19} load \d+\.\d+ *\n?){3}$/,
    );
    watcher.process.kill("SIGTERM");
    await watcher.exit();
    await sending.stop();
    await place.close();
  });

  test.concurrent("recordings on both ends are the same", async () => {
    const place = await Place.open();
    const recorders = [
      place.start(
        place.block("fstream relay.example:61920 watch --user fier --wait >", {
          "recording.ts": "waited.ts",
        }),
      ),
      place.start(
        place.block("fstream relay.example:61920 watch --user fier | tee", {
          "--user fier": "--user fier --wait",
          "recording.ts": "watched.ts",
        }),
      ),
      place.start(
        place.block("fstream relay.example:61920 watch --user fier --retry |\n  ffmpeg", {
          "--retry": "--wait",
          "-segment_time 3600 -segment_atclocktime 1": "-segment_time 1",
        }),
      ),
    ];
    await place.waits(3);
    await place.finish(place.block("ffmpeg -re -i film.mp4 -c copy -f mpegts - | tee -p"));
    for (const recorder of recorders) {
      const { status, stderr } = await recorder.done();
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    }
    const bytes = (name: string) => Bun.file(join(place.folder, name)).bytes();
    const sent = await bytes("recording.ts");
    expect(sent.length).toBeGreaterThan(20_000);
    expect(await bytes("waited.ts")).toEqual(sent);
    expect(await bytes("watched.ts")).toEqual(sent);
    const segments = readdirSync(place.folder).filter((name) => name.startsWith("fier-"));
    // Two, or one where both began within a second, after which they are named.
    expect(segments.length).toBeGreaterThanOrEqual(1);
    for (const name of segments) expect(place.codecs(name)).toBe("aac h264");
    await place.close();
  });

  test.concurrent("a second server relays the first one's", async () => {
    const [place, edge] = [await Place.open(), await Place.open()];
    const watcher = await edge.watcher("default");
    const relaying = place.start(
      place.block("fstream relay.example:61920 watch --user fier --retry --quiet |\n  fstream edge", {
        "edge.example:61920": edge.server.address,
      }),
    );
    await place.waits(1);
    await place.finish(
      `ffmpeg -v error -re -i film.mp4 -c copy -f mpegts - | tee sent.ts | fstream ${place.server.address} broadcast`,
    );
    const sent = statSync(join(place.folder, "sent.ts")).size;
    await until("all of it comes", () => watcher.length === sent);
    await relaying.stop();
    await watcher.exit();
    await Promise.all([place.close(), edge.close()]);
  });

  test.concurrent("a wall display plays what there is, again and again", async () => {
    const place = await Place.open();
    const showing = place.start(
      place.block("while :; do\n  fstream", { "mpv --fs": "tee -a shown.ts | mpv --fs" }),
    );
    const send = `ffmpeg -v error -re -i film.mp4 -c copy -f mpegts - | tee -a sent.ts | fstream ${place.server.address} broadcast`;
    for (const _ of [1, 2]) {
      await place.waits(1);
      await place.finish(send);
    }
    const size = (name: string) => statSync(join(place.folder, name)).size;
    await until("both are shown", () => size("shown.ts") === size("sent.ts"));
    await showing.stop();
    await place.close();
  });

  test.concurrent("alarms know whether a channel is on air", async () => {
    const place = await Place.open();
    const watching = (seconds = deadlineMs / 1000) =>
      place.block("timeout 10 fstream", { "timeout 10": `timeout ${seconds}` });
    const asking = () =>
      place.block("fstream https:", { "status --json": 'status --json --fingerprint "$pin"' });
    expect((await place.finish(watching())).stdout).toBe("off air\n");
    expect((await place.finish(asking())).stdout).toBe("fier is off air\n");
    const sending = place.start(
      `ffmpeg -v error -re -stream_loop -1 -i film.mp4 -c copy -f mpegts - | fstream ${place.server.address} broadcast`,
    );
    await place.server.says(/fier\/default: mpegts/);
    expect((await place.finish(watching(3))).stdout).toBe("on air\n");
    await until("its bit rate is known", async () => (await place.finish(asking())).stdout === "");
    await sending.stop();
    const [refused, nobody] = [
      watching().replace("--user fier", "--user fi/er"),
      watching().replace(place.server.address, "127.0.0.1:1"),
    ];
    expect((await place.finish(refused)).stdout).toBe("refused, or called wrongly\n");
    expect((await place.finish(nobody)).stdout).toBe("no connection, or the server is busy\n");
    await place.close();
  });
});

test.skipIf(!canRun)("every block of shell of the page is run", () => {
  const blocks = Array.from(page.text.matchAll(/^```(?:sh|bash)\n([^]*?)^```$/gm), ([, block]) => block);
  expect(blocks.filter((block) => !seen.has(block))).toEqual([]);
});
