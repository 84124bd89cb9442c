// What ffmpeg and ffprobe say to a capture that they read as a player does: from a pipe, without a hint at what it is.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const canJudge = Bun.which("ffmpeg") !== null && Bun.which("ffprobe") !== null;

export interface Verdict {
  /** ffmpeg's lines at `-v error`, decoding everything. */
  readonly errors: readonly string[];
  /** Pictures decoded; 0 where there is no video. */
  readonly frames: number;
  /** How long the decoded stream is, seconds. */
  readonly seconds: number;
  /** Whether the first picture is a keyframe; true where there is no video. */
  readonly startsWithKey: boolean;
}

/**
 * Decodes a capture to its end. With `hasGaps` ffmpeg accepts that time leaps: it takes a leap of more than 10 s for a
 * clock that was set anew, and corrects it, by the first stream's packets for all, so that others overlap.
 */
export async function judge(capture: Uint8Array, hasGaps = false): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), "fstream-judge-"));
  const path = join(folder, "capture");
  try {
    await Bun.write(path, capture);
    const general = ["ffmpeg", "-v", "error", "-progress", "pipe:1", "-nostats"];
    const leaps = hasGaps ? ["-dts_delta_threshold", "100000"] : [];
    const [progress, errors] = await run([...general, ...leaps, "-i", "pipe:0", "-f", "null", "-"], path);
    const first = ["-select_streams", "v:0", "-read_intervals", "%+#1", "-show_entries", "frame=key_frame"];
    const [key] = await run(["ffprobe", "-v", "quiet", ...first, "-of", "csv=p=0", "pipe:0"], path);
    return {
      errors: errors.split("\n").filter((line) => line !== ""),
      frames: last(progress, /^frame=\s*(\d+)$/gm),
      seconds: last(progress, /^out_time_us=(\d+)$/gm) / 1e6,
      startsWithKey: !key.startsWith("0"),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function run(command: string[], input: string): Promise<[stdout: string, stderr: string]> {
  const process = Bun.spawn(command, { stdin: Bun.file(input), stdout: "pipe", stderr: "pipe" });
  return await Promise.all([process.stdout.text(), process.stderr.text()]);
}

function last(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}
