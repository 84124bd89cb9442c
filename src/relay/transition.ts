// What leads a watcher in mid-stream from where it stopped to another place: what makes up for a unit that was cut off, and
// what the format lets be repeated of the header there.

import type { Header } from "../media/detector.ts";
import type { Broadcast } from "./broadcast.ts";
import type { Position } from "./joinchoice.ts";

/**
 * Buffers that all watchers share, in their order; undefined if the watcher's player can't go on in `to` with such a header.
 */
export function transitionPrefix(
  from: Position,
  to: Broadcast,
  header: Header,
): readonly Uint8Array[] | undefined {
  const { cutPoints } = from.broadcast;
  const { container, info } = cutPoints;
  if (container !== "" && to.cutPoints.container !== "" && container !== to.cutPoints.container)
    return undefined;
  const padding = from.broadcast === to ? [] : cutPoints.padding(from.cursor);
  const isSame = cutPoints.fixedAt(from.cursor) === header.fixed;
  const isAlike = info.codecs.join() === to.cutPoints.info.codecs.join();
  const opening = isSame ? header.resume : isAlike ? header.chain : undefined;
  return opening === undefined ? undefined : [...padding, opening];
}
