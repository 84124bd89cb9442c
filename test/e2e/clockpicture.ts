// A live encoder whose pictures say when they were made: the milliseconds of the clock as a row of light and dark blocks, above
// a red and a green field, with a tone of 440 Hz. So a test can read from what a player shows how far it is behind.

import type { Subprocess } from "bun";

const rate = 30;
const blocks = 20;
const blockWidth = 16;
const width = blocks * blockWidth;
const height = 180;
const clockHeight = 32;
/** The clock comes round after that, ms: 17 minutes. */
const roundMs = 2 ** blocks;

/** How the pictures are encoded, and into what. */
export const encodings = {
  mpegts: { video: "h264", sound: "aac", muxer: ["-flush_packets", "1", "-f", "mpegts"] },
  flv: { video: "h264", sound: "aac", muxer: ["-flush_packets", "1", "-f", "flv"] },
  fmp4: {
    video: "h264",
    sound: "aac",
    muxer: [
      "-f",
      "mp4",
      "-movflags",
      "frag_keyframe+empty_moov+default_base_moof",
      "-frag_duration",
      "500000",
    ],
  },
  webm: { video: "vp9", sound: "opus", muxer: ["-f", "webm", "-live", "1", "-cluster_time_limit", "300"] },
  matroska: {
    video: "h264",
    sound: "aac",
    muxer: ["-f", "matroska", "-live", "1", "-cluster_time_limit", "300"],
  },
  hevc: { video: "hevc", sound: "aac", muxer: ["-f", "mpegts"] },
} as const;

export type Encoding = keyof typeof encodings;

const codecs = {
  h264: ["libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30"],
  hevc: ["libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-g", "30"],
  vp9: [
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-lag-in-frames",
    "0",
    "-g",
    "30",
    "-b:v",
    "500k",
  ],
  aac: ["aac", "-b:a", "96k"],
  opus: ["libopus", "-b:a", "64k"],
} as const;

/** One picture, planar YUV 4:2:0. */
function picture(ms: number): Uint8Array {
  const luma = new Uint8Array(width * height).fill(81);
  for (let y = 0; y < clockHeight; y++) {
    for (let block = 0; block < blocks; block++) {
      const isLight = Math.floor(ms / 2 ** (blocks - 1 - block)) % 2 === 1;
      luma.fill(isLight ? 235 : 16, y * width + block * blockWidth, y * width + (block + 1) * blockWidth);
    }
  }
  const [w, h] = [width / 2, height / 2];
  const blue = new Uint8Array(w * h).fill(128);
  const red = new Uint8Array(w * h).fill(128);
  for (let y = clockHeight / 2; y < h; y++) {
    blue.fill(90, y * w, y * w + w / 2).fill(54, y * w + w / 2, (y + 1) * w);
    red.fill(240, y * w, y * w + w / 2).fill(34, y * w + w / 2, (y + 1) * w);
  }
  return Buffer.concat([luma, blue, red]);
}

/** A running encoder; its stream comes out of `stdout`. */
export class ClockEncoder {
  readonly process: Subprocess<"pipe", "pipe", "ignore">;
  #isStopped = false;
  readonly #done: Promise<void>;

  /** `scale`: the size of its pictures, such as "640:360"; `hasNoise`: they are hard to compress. */
  constructor(encoding: Encoding, scale = `${width}:${height}`, hasNoise = false) {
    const { video, sound, muxer } = encodings[encoding];
    const pictures = [
      "-f",
      "rawvideo",
      "-pix_fmt",
      "yuv420p",
      "-s",
      `${width}x${height}`,
      "-r",
      String(rate),
      "-i",
      "-",
    ];
    const tone = ["-re", "-f", "lavfi", "-i", "sine=f=440:r=48000"];
    const noise = hasNoise ? ",noise=alls=7:allf=t" : "";
    const filter = ["-vf", `scale=${scale}:flags=neighbor${noise}`];
    const output = ["-c:v", ...codecs[video], "-pix_fmt", "yuv420p", "-c:a", ...codecs[sound], ...muxer, "-"];
    this.process = Bun.spawn(["ffmpeg", "-v", "error", ...pictures, ...tone, ...filter, ...output], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    this.#done = this.#feed();
  }

  /** Ends the stream in order. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
    await this.process.exited;
  }

  async #feed(): Promise<void> {
    const startMs = Date.now();
    try {
      for (let frame = 0; !this.#isStopped && this.process.exitCode === null; frame++) {
        const aheadMs = startMs + (frame * 1000) / rate - Date.now();
        if (aheadMs > 0) await Bun.sleep(aheadMs);
        await this.process.stdin.write(picture(Date.now() % roundMs));
        await this.process.stdin.flush();
      }
      await this.process.stdin.end();
    } catch {
      // The encoder is gone.
    }
    if (this.#isStopped) this.process.kill();
  }
}

/**
 * An expression that reads the picture of a page's video: how many milliseconds ago it was made, and what colours its fields
 * have; null if there is none. `which`: of several players.
 */
export const lookAtPicture = (which = 0) => `(() => {
  const video = document.querySelectorAll("video")[${which}];
  if (!video || video.readyState < 2 || video.videoWidth === 0) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [${width}, ${height}];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, ${width}, ${height});
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)];
  let ms = 0;
  for (let block = 0; block < ${blocks}; block++)
    ms = ms * 2 + (at(block * ${blockWidth} + ${blockWidth / 2}, ${clockHeight / 2})[0] > 127 ? 1 : 0);
  return { behindMs: (Date.now() - ms + ${roundMs}) % ${roundMs}, left: at(${width / 4}, 120), right: at(${(3 * width) / 4}, 120) };
})()`;

/** What `lookAtPicture` gives. */
export interface Look {
  readonly behindMs: number;
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** An expression that listens to a page's video for a moment: the loudest frequency, Hz, and how loud it is, 0 to 255. */
export const listen = `(async () => {
  window.listening ??= (() => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    context.createMediaElementSource(document.querySelector("video")).connect(analyser).connect(context.destination);
    return { context, analyser };
  })();
  const { context, analyser } = window.listening;
  await context.resume();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const levels = new Uint8Array(analyser.frequencyBinCount);
  analyser.getByteFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  return { hertz: (loudest * context.sampleRate) / analyser.fftSize, level: levels[loudest] };
})()`;
