// What watchers get of a stream that a detector has followed, and what ffmpeg says to it.

import { expect } from "bun:test";
import type { Container, Header, StreamInfo } from "../../src/media/detector.ts";
import { Recorder } from "./recorder.ts";

/** A recorder that remembers which header holds for each join. */
class Pairs extends Recorder {
  readonly pairs: { readonly offset: number; readonly header: Header }[] = [];

  override join(offset: number): void {
    super.join(offset);
    if (this.newest !== undefined) this.pairs.push({ offset, header: this.newest });
  }
}

/** A stream that was followed to its end. */
export interface Capture {
  readonly bytes: Uint8Array;
  readonly joins: readonly { readonly offset: number; readonly header: Header }[];
  readonly units: readonly number[];
  readonly headers: readonly Header[];
  readonly patches: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  readonly info: StreamInfo;
  readonly lost: boolean;
}

/** Follows `bytes` from offset 0 to their end. */
export function capture(container: Container, bytes: Uint8Array): Capture {
  const recorder = new Pairs();
  const detector = container.create(recorder);
  detector.feed(bytes, 0);
  const { pairs, units, headers, patches } = recorder;
  return { bytes, joins: pairs, units, headers, patches, info: detector.info, lost: detector.lost };
}

/** The stream as watchers get it that did not get it from its first byte. */
export function patched({ bytes, patches }: Pick<Capture, "bytes" | "patches">): Uint8Array {
  const copy = bytes.slice();
  for (const { offset, bytes: patch } of patches) copy.set(patch, offset);
  return copy;
}

export const hasFfmpeg = Bun.which("ffmpeg") !== null;

/** For tests that run ffmpeg some dozen times, on a machine that may be busy with others. */
export const decodeTimeoutMs = 120_000;

/**
 * Expects that ffmpeg reports no error for what watchers get: those that joined at any join, and those that had all from the
 * first byte up to some unit's end and went on at each later join. The first picture of each is a keyframe, unless
 * keyframes are not `isFlagged` as such; of the first track there are at least `least` frames, even from the last join.
 */
export async function expectClean(capture: Capture, least: number, isFlagged = true): Promise<void> {
  const { bytes, joins, units } = capture;
  const late = patched(capture);
  for (const { offset, header } of joins) {
    const got = await decode(Buffer.concat([header.start, late.subarray(offset)]));
    expect({ offset, ...got, frames: Math.min(got.frames, least) }).toEqual({
      offset,
      errors: "",
      frames: least,
      startsWithKey: isFlagged || got.startsWithKey,
    });
    const unit = units.findLast((unit) => unit < offset * 0.6);
    if (unit === undefined) continue;
    const skipped = Buffer.concat([bytes.subarray(0, unit), header.resume, late.subarray(offset)]);
    expect({ unit, offset, errors: (await decode(skipped)).errors }).toEqual({ unit, offset, errors: "" });
  }
}

async function decode(stream: Uint8Array) {
  const path = `${process.env.TMPDIR ?? "/tmp"}/fstream-decode-${process.pid}-${Bun.hash(stream)}`;
  await Bun.write(path, stream);
  const judge = run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-");
  const show = ["-show_entries", "frame=media_type,key_frame", "-of", "csv=p=0"];
  const probe = run("ffprobe", "-v", "quiet", "-select_streams", "0", ...show, path);
  const [errors, table] = await Promise.all([judge.stderr.text(), probe.stdout.text()]);
  await Bun.file(path).delete();
  const frames = table.split("\n").filter((line) => /^(audio|video),/.test(line));
  // of sound every frame will do, whatever ffprobe calls it
  return { errors, frames: frames.length, startsWithKey: /^(audio|video,1)/.test(frames[0] ?? "") };
}

function run(...command: string[]) {
  return Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}
