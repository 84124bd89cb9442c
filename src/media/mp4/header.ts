// What joiners of fragmented MP4 are given first: the file's header, fragments with the pictures of a bridge where the
// join needs one, and what stands in place of the beginning of a fragment that is joined in its middle.

import type { AvcBridge } from "../annexb/avc.ts";
import { concat } from "../bytes.ts";
import { type Header, LazyHeader, noHeader } from "../detector.ts";
import { sampleFragment, sampleFragmentBytes } from "./moofwriter.ts";
import type { Movie, Track } from "./moov.ts";

/**
 * The time between the pictures of a bridge (annexb/avc.ts), which come before the join. In mid-stream they are shown, as
 * repetitions of the last one before the skip; at the start they are not.
 */
const bridgeStepSeconds = 0.1;

/** The header of a join at a fragment's start. */
export function fileHeader(ftyp: Uint8Array, { moov, fixed }: Movie): Header {
  const { resume } = noHeader;
  return new LazyHeader(ftyp.length + moov.length, fixed, () => ({ start: concat([ftyp, moov]), resume }));
}

/** A join that may need more than the file's header. */
export interface Join {
  /** What stands right before it: empty at a fragment's start. */
  readonly head: Uint8Array;
  /** The video, if there is one, and when its samples in the fragment begin, in its ticks; -1 if that is not said. */
  readonly track: Track | undefined;
  readonly time: number;
  /** For a decoder that starts or goes on here. */
  readonly bridge: AvcBridge | undefined;
}

/** The header of such a join, in a stream whose joins at fragments' starts have `base`: that itself if no more is needed. */
export function joinHeader(base: Header, { head, track, time, bridge }: Join): Header {
  const { fixed } = base;
  const ending = track?.ending ?? noHeader.start;
  if (track === undefined || time < 0 || (bridge === undefined && ending.length === 0)) {
    if (head.length === 0) return base;
    const bytes = base.bytes + 2 * head.length;
    return new LazyHeader(bytes, fixed, () => ({ start: concat([base.start, head]), resume: head }));
  }
  const bridgeBytes = 2 * (bridge?.maxBytes(sampleFragmentBytes) ?? 0) + sampleFragmentBytes + ending.length;
  return new LazyHeader(base.bytes + 2 * head.length + bridgeBytes, fixed, () => ({
    start: concat([base.start, ...bridgeFragments(track, bridge, time, 1), head]),
    resume: concat([
      ...(ending.length === 0 ? [] : [sampleFragment(track, ending, Math.max(0, time - 1))]),
      ...bridgeFragments(track, bridge, time, Math.round(track.timescale * bridgeStepSeconds)),
      head,
    ]),
  }));
}

/** The samples of a bridge, each in a fragment of its own, `step` ticks apart up to `time`. */
function bridgeFragments(
  track: Track,
  bridge: AvcBridge | undefined,
  time: number,
  step: number,
): Uint8Array[] {
  const samples = bridge?.samples() ?? [];
  return samples.map((sample, i) =>
    sampleFragment(track, sample, Math.max(0, time - (samples.length - i) * step)),
  );
}
