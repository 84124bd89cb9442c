// Every container that fstream knows, in the order in which they are asked: first those with a magic
// number, then those found by repeated sync bytes, then those that may begin in the middle of something.

import { h264 } from "./annexb/h264.ts";
import { hevc } from "./annexb/hevc.ts";
import { ac3, cutAc3 } from "./audio/ac3.ts";
import { adts, cutAdts } from "./audio/adts.ts";
import { flac } from "./audio/flac.ts";
import { cutMp3, mp3 } from "./audio/mp3.ts";
import { wav } from "./audio/wav.ts";
import type { Container } from "./detector.ts";
import { flv } from "./flv/flv.ts";
import { matroska } from "./matroska/matroska.ts";
import { fmp4 } from "./mp4/fmp4.ts";
import { mpegts } from "./mpegts/mpegts.ts";
import { ogg } from "./ogg/ogg.ts";
import { ivf } from "./pictures/ivf.ts";
import { mjpeg } from "./pictures/mjpeg.ts";
import { y4m } from "./pictures/y4m.ts";

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
