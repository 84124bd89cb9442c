// Which watchers are too far behind, and what becomes of them. By the backlog: the tail has come to where they are
// (retention.ts). By `max_lag`: in the stream's own time, so that none falls behind a broadcaster that is silent, and
// counted from where the watcher asked to start.

import { type End, slow } from "./broadcast.ts";
import type { Flowing } from "./flowing.ts";
import type { Stream } from "./stream.ts";

/** The end of a watcher that is too far behind, and does not skip. */
export const tooFarBehind: End = slow("too far behind the broadcast");

/** Whether a watcher is further behind than `maxLagMs`, and there is a join point ahead where it could go on. */
export function exceedsLag(flowing: Flowing, stream: Stream, maxLagMs: number): boolean {
  const { timeline, head } = stream;
  const { cursor, broadcast, stopOffset, allowedLagMs } = flowing;
  if (maxLagMs === 0 || cursor === head || Number.isFinite(stopOffset)) return false;
  if (cursor >= timeline.offsetAt(timeline.newestMs - maxLagMs - allowedLagMs)) return false;
  const join = stream.state.type === "live" ? stream.state.broadcast.cutPoints.newestJoin(head) : undefined;
  // Not back to where it has been: while no join point is ahead, it goes on as long as the ring lets it.
  const end = broadcast.cutPoints.unitEnd(cursor);
  return join !== undefined && end !== undefined && join.offset > end;
}

/**
 * Has a watcher that is too far behind stop at the end of the unit that it is in, as far as that is known. False if it is to
 * be closed instead.
 */
export function stopAtUnitEnd(flowing: Flowing): boolean {
  if (flowing.watcher.options.slowPolicy === "close") return false;
  const end = flowing.broadcast.cutPoints.unitEnd(flowing.cursor);
  if (end !== undefined) flowing.stopAt(end);
  return true;
}
