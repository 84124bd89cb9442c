// Every container that fstream knows, in the order in which they are asked: first those with a magic
// number, then those found by repeated sync bytes, then those that may begin in the middle of something.

import { ac3, cutAc3 } from "./ac3.ts";
import { adts, cutAdts } from "./adts.ts";
import type { Container } from "./detector.ts";
import { flac } from "./flac.ts";
import { flv } from "./flv.ts";
import { fmp4 } from "./fmp4.ts";
import { h264 } from "./h264.ts";
import { hevc } from "./hevc.ts";
import { ivf } from "./ivf.ts";
import { matroska } from "./matroska.ts";
import { mjpeg } from "./mjpeg.ts";
import { cutMp3, mp3 } from "./mp3.ts";
import { mpegts } from "./mpegts.ts";
import { ogg } from "./ogg.ts";
import { wav } from "./wav.ts";
import { y4m } from "./y4m.ts";

/** All containers. One may be there twice, in different ways of recognising it. */
export const containers: readonly Container[] = [
  matroska,
  fmp4,
  flv,
  ogg,
  flac,
  wav,
  ivf,
  y4m,
  mjpeg,
  adts,
  ac3,
  mp3,
  mpegts,
  h264,
  hevc,
  cutAdts,
  cutAc3,
  cutMp3,
];
