// All families. Together they make every container that src/media follows.

import { h264, hevc } from "./annexb.ts";
import { flv } from "./flv.ts";
import { matroska } from "./matroska.ts";
import { mp4 } from "./mp4.ts";
import { mpegts } from "./mpegts.ts";
import { ogg } from "./ogg.ts";
import type { Family } from "./parts.ts";
import { ivf, mjpeg, y4m } from "./pictures.ts";
import { ac3, adts, flac, mp3, wav } from "./sound.ts";

export const families: readonly Family[] = [
  mp4,
  flv,
  h264,
  mpegts,
  matroska,
  flac,
  hevc,
  ogg,
  adts,
  mp3,
  ac3,
  wav,
  ivf,
  y4m,
  mjpeg,
];

/** The family of a container's streams. */
export function familyOf(name: string): Family {
  const family = families.find((family) => family.name === name);
  if (family === undefined)
    throw new Error(`no streams of "${name}" are made: ${families.map((family) => family.name).join(", ")}`);
  return family;
}
