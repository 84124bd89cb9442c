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
  // What has one codec often has its name: mp3, flac.
  const names = codecs.join(" + ");
  return [info.container, names === info.container ? "" : names, size]
    .filter((part) => part !== "")
    .join(", ");
}

/** "28.7 MB". */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/** So many of `what`, in the singular or the plural. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
