// The real stream: half a minute of FLV, H.264 and AAC at 4 Mbit/s together, a keyframe every two seconds, made with
// ffmpeg. The picture has noise in it, so that the encoder needs what it may use.

import { existsSync, renameSync } from "node:fs";
import { start } from "./process.ts";

const seconds = 30;

/** Makes the file unless it is there already. Throws if ffmpeg fails. */
export async function makeFlv(path: string): Promise<void> {
  if (existsSync(path)) return;
  const part = `${path}.part`;
  const picture = `testsrc2=size=1280x720:rate=25:duration=${seconds},noise=alls=24:allf=t`;
  const sound = `anoisesrc=duration=${seconds}:amplitude=0.2:sample_rate=48000`;
  const command =
    `ffmpeg -nostdin -v error -y -f lavfi -i ${picture} -f lavfi -i ${sound} ` +
    "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -b:v 3860k -maxrate 3860k -bufsize 3860k " +
    "-c:a aac -b:a 128k -ac 2 -f flv";
  const ffmpeg = start([...command.split(" "), part]);
  if ((await ffmpeg.exited) !== 0) throw new Error("ffmpeg could not make the FLV file");
  renameSync(part, path);
}
