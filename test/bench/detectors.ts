// How fast each detector is: real media, made with ffmpeg for this run, repeated to 1 GiB or more and fed in
// pieces of 64 KiB. Prints one line for each stream: MB/s of the thread's own processor time, which other processes do not
// use up (they do take its caches), and how many join points were found.
//
//   bun test/bench/detectors.ts [NAME...]
//
// Repeating a stream makes its headers and times come again, which costs a detector rather more than less.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sniffer } from "../../src/media/sniffer.ts";
import { threadMs } from "../fuzz/clock.ts";

const pieceBytes = 64 * 1024;
/** Enough for the compiler to be done with what it compiles. */
const totalBytes = 1024 * 1024 * 1024;

const picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=8"];
const sound = ["-f", "lavfi", "-i", "anoisesrc=duration=8:amplitude=0.2:sample_rate=48000"];
const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-b:v", "4M"];
const aac = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"];
const both = [...picture, ...sound, ...x264, ...aac];
const fragmented = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];

/** ffmpeg's arguments but for the output, by what is measured. */
const streams: Record<string, string[]> = {
  mpegts: [...both, "-f", "mpegts"],
  "mpegts, audio": [...sound, ...aac, "-f", "mpegts"],
  flv: [...both, "-f", "flv"],
  fmp4: [...both, ...fragmented, "-f", "mp4"],
  "fmp4, low latency": [...both, ...fragmented, "-frag_duration", "200000", "-f", "mp4"],
  matroska: [...both, "-f", "matroska"],
  webm: [...picture, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", "-f", "webm"],
  h264: [...picture, ...x264, "-f", "h264"],
  hevc: [
    ...picture,
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-b:v",
    "4M",
    "-x265-params",
    "log-level=none",
    "-f",
    "hevc",
  ],
  ogg: [...sound, "-c:a", "libvorbis", "-b:a", "128k", "-f", "ogg"],
  adts: [...sound, ...aac, "-f", "adts"],
  mp3: [...sound, "-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"],
  ac3: [...sound, "-c:a", "ac3", "-b:a", "192k", "-f", "ac3"],
  flac: [...sound, "-c:a", "flac", "-f", "flac"],
  wav: [...sound, "-c:a", "pcm_s16le", "-ac", "2", "-f", "wav"],
  ivf: [...picture, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", "-f", "ivf"],
  y4m: [...picture, "-t", "1", "-f", "yuv4mpegpipe"],
  mjpeg: [...picture, "-c:v", "mjpeg", "-q:v", "5", "-f", "mjpeg"],
};

let made = 0;
const folder = mkdtempSync(join(tmpdir(), "fstream-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** The stream that ffmpeg makes of `args`. */
async function make(args: string[]): Promise<Uint8Array> {
  const file = join(folder, `${made++}`);
  const ffmpeg = Bun.spawn(["ffmpeg", "-nostdin", "-v", "error", "-y", ...args, "pipe:1"], {
    stdout: Bun.file(file),
    stderr: "inherit",
  });
  if ((await ffmpeg.exited) !== 0) throw new Error(`ffmpeg ${args.join(" ")} failed`);
  return await Bun.file(file).bytes();
}

const chosen = process.argv.slice(2);
for (const [name, args] of Object.entries(streams)) {
  if (chosen.length > 0 && !chosen.some((wanted) => name.startsWith(wanted))) continue;
  const stream = await make(args);
  let joins = 0;
  const sniffer = new Sniffer({ header() {}, join: () => joins++, unit() {} });
  let offset = 0;
  const from = threadMs();
  while (offset < totalBytes) {
    for (let at = 0; at < stream.length; at += pieceBytes) {
      sniffer.feed(stream.subarray(at, at + pieceBytes), offset + at);
    }
    offset += stream.length;
  }
  const seconds = (threadMs() - from) / 1000;
  const { container, damaged } = sniffer.info;
  console.log(
    [
      name.padEnd(18),
      `${Math.round(offset / 1e6 / seconds)} MB/s`.padStart(12),
      `  ${sniffer.state} ${container}`.padEnd(20),
      `${joins} joins, damaged ${damaged}, ${(offset / 1e6).toFixed(0)} MB of ${(stream.length / 1e6).toFixed(1)} MB repeated`,
    ].join(" "),
  );
}
