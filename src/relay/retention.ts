// What becomes of watchers whose bytes are about to leave the ring. Those that can are sent them now. The others stop at the
// end of the unit that they are in; segments with the rest of that unit are kept aside by the ring, once for all watchers in
// it, until each has been sent its part, has gone, or is placed elsewhere.

import { type End, slow } from "./broadcast.ts";
import type { Flowing } from "./flowing.ts";
import { stopAtUnitEnd, tooFarBehind } from "./lag.ts";
import type { Ring, Segment } from "./ring.ts";

/** What is done for a watcher here. */
export interface RetentionOwner {
  /** Sends what there is. Gives how the watcher flows then, undefined if it does not. */
  send(flowing: Flowing): Flowing | undefined;
  end(flowing: Flowing, end: End): void;
}

/**
 * Whether a watcher that is in a segment which is about to leave the ring, or before it, still needs it afterwards: then it
 * is one of those that have to `drop` it.
 */
export function keepSegment(watched: Flowing, segment: Segment, ring: Ring, owner: RetentionOwner): boolean {
  const { end } = segment;
  let flowing = sendAll(watched, end, owner);
  if (flowing === undefined || flowing.cursor >= end) return false;
  if (!stopAtUnitEnd(flowing)) {
    owner.end(flowing, tooFarBehind);
    return false;
  }
  if (flowing.stopOffset === flowing.cursor) flowing = owner.send(flowing);
  if (flowing === undefined || !needs(flowing, segment)) return false;
  flowing.keepPatch();
  if (!ring.mayKeep(segment)) {
    owner.end(flowing, slow("stalled mid-frame, and there is no more room for its data"));
    return false;
  }
  (flowing.kept ??= []).push(segment);
  return true;
}

/** Sends a watcher what its socket takes of what comes before `end`. One that skips is sent no more than its share at a time. */
function sendAll(watched: Flowing, end: number, owner: RetentionOwner): Flowing | undefined {
  let flowing: Flowing | undefined = watched;
  let sentBytes = -1;
  while (
    flowing !== undefined &&
    !flowing.isBlocked &&
    flowing.cursor < end &&
    flowing.sentBytes !== sentBytes
  ) {
    sentBytes = flowing.sentBytes;
    flowing = owner.send(flowing);
    if (watched.watcher.options.slowPolicy === "skip") break;
  }
  return flowing;
}

/** Whether a watcher has yet to be sent bytes of a segment that the tail has passed. */
function needs({ cursor, stopOffset }: Flowing, { start, end }: Segment): boolean {
  return cursor < Math.min(end, stopOffset) && stopOffset > start;
}

/** Drops the segments kept for a watcher that it has been sent all of. */
export function dropSent(flowing: Flowing, ring: Ring): void {
  const { kept = [], cursor } = flowing;
  while (kept.length > 0 && kept[0].end <= cursor) ring.drop(kept.shift() as Segment);
  if (kept.length === 0) flowing.kept = undefined;
}

/** Drops all segments that are kept for a watcher. */
export function dropAll(flowing: Flowing, ring: Ring | undefined): void {
  for (const segment of flowing.kept ?? []) ring?.drop(segment);
  flowing.kept = undefined;
}
