// What a stream is, for programs: the same fields wherever it is told (protocol/README.md, "WebSocket").

import type { Channel } from "../relay/channel.ts";

/** A stream can claim any number of codecs of any names: so many are named, each with so many characters. */
const maxCodecs = 8;
const maxCodecLength = 64;

export interface StreamFields {
  /** As containers are called in media/containers.ts; empty: not known. */
  readonly container: string;
  readonly media_type: string;
  readonly codecs: readonly string[];
  readonly width?: number;
  readonly height?: number;
}

export function streamFields(info: Channel["info"]): StreamFields {
  const {
    container = "unknown",
    mediaType = "application/octet-stream",
    codecs = [],
    width,
    height,
  } = info ?? {};
  return {
    container: container === "unknown" ? "" : container,
    media_type: mediaType,
    codecs: codecs.slice(0, maxCodecs).map((codec) => codec.slice(0, maxCodecLength).toWellFormed()),
    ...(width === undefined || height === undefined ? {} : { width, height }),
  };
}
