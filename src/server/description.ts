// What a channel and its stream are, in a line of the log. A stream can claim any number of codecs of any names, so only
// the first few are named.

import { named } from "../errors.ts";
import type { Channel } from "../relay/channel.ts";

/** So many codecs of a stream are named. */
const maxCodecsNamed = 8;

/** What a stream is, for people: "mpegts, h264 + aac, 1280x720". */
export function describe(info: Channel["info"]): string {
  if (info === undefined || info.container === "unknown") {
    return `${info?.problem ?? "unknown format"}: relayed as is`;
  }
  const size = info.width === undefined || info.height === undefined ? "" : `${info.width}x${info.height}`;
  const codecs = info.codecs.slice(0, maxCodecsNamed).map(named);
  const more = info.codecs.length - codecs.length;
  if (more > 0) codecs.push(`${more} more`);
  return [info.container, codecs.join(" + "), size].filter((part) => part !== "").join(", ");
}
