// A broadcast that comes in several requests, each with a part (protocol/README.md, "Parts"): PUTs with
// `Content-Range: bytes FIRST-LAST/*` (RFC 9110, section 14.5). GStreamer's souphttpclientsink sends some sixteen a second, the first
// without that field, and nothing at its end; curl sends one where it resumes an upload. One that another part may follow is kept
// here in between, live and with its channel, and ends if none comes in time, or another broadcast of that channel begins.

import { FstreamError } from "../errors.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { Broadcasting, BroadcastingRequest } from "../session/broadcasting.ts";

/** Which bytes of the whole a part is: from `first` to `last`, of `total`, where that is known. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly total: number | undefined;
}

/** How long another part is waited for, milliseconds: of what is known to come in parts, and of what may have been all. */
const nextPartMs = 5000;
const maybeNextPartMs = 2000;

/** The range of a request; undefined where it has none. Throws FstreamError `bad_request`. */
export function contentRangeOf(headers: Headers): ContentRange | undefined {
  const given = headers.get("content-range");
  if (given === null) return undefined;
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\*|\d{1,15})$/i.exec(given);
  if (match !== null) {
    const range = {
      first: Number(match[1]),
      last: Number(match[2]),
      total: match[3] === "*" ? undefined : Number(match[3]),
    };
    if (range.first <= range.last && range.last < (range.total ?? Number.POSITIVE_INFINITY)) return range;
  }
  throw new FstreamError("bad_request", "the Content-Range is not bytes FIRST-LAST/TOTAL, or /* at the end");
}

interface Kept {
  readonly broadcasting: Broadcasting;
  /** Of the whole: what the next part should begin with. */
  readonly next: number;
  readonly timer: Timer;
  readonly conclude: () => void;
}

/** A broadcast to go on with. */
export interface Continued {
  readonly broadcasting: Broadcasting;
  /** Bytes at the beginning of the part that came before. */
  readonly known: number;
}

export class Parts {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a broadcast of that channel waits for its next part. */
  has(request: BroadcastingRequest): boolean {
    return this.#kept.has(keyOf(request));
  }

  /**
   * The broadcast of that channel that a part with this range is of. Where another one waits there it is over now, as it would be
   * without a further part.
   */
  take(request: BroadcastingRequest, range: ContentRange | undefined): Continued | undefined {
    const kept = this.#forget(keyOf(request));
    if (kept === undefined) return undefined;
    const { broadcasting, next } = kept;
    const isSame =
      broadcasting.channelPassword === request.channelPassword && broadcasting.bufsize === request.bufsize;
    if (isSame && range !== undefined && range.first <= next && next <= range.last + 1)
      return { broadcasting, known: next - range.first };
    kept.conclude();
    return undefined;
  }

  /**
   * Keeps a broadcast whose part with this range is over, `next` bytes of the whole having come. `isWhole`: the part is; one
   * that broke off may be sent again.
   */
  keep(
    request: BroadcastingRequest,
    broadcasting: Broadcasting,
    range: ContentRange | undefined,
    next: number,
  ): void {
    const key = keyOf(request);
    const conclude = () =>
      range === undefined
        ? broadcasting.end()
        : broadcasting.abort(new FstreamError("disconnected", "timed out waiting for the next part"));
    const timer = this.#clock.after(range === undefined ? maybeNextPartMs : nextPartMs, () => {
      this.#forget(key);
      conclude();
    });
    broadcasting.whenDismissed = () => this.#forget(key);
    this.#kept.set(key, { broadcasting, next, timer, conclude });
  }

  #forget(key: string): Kept | undefined {
    const kept = this.#kept.get(key);
    kept?.timer.cancel();
    this.#kept.delete(key);
    return kept;
  }
}

/** Names have no control characters in them. */
function keyOf({ user, channel }: BroadcastingRequest): string {
  return `${user}\n${channel}`;
}
