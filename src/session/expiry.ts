// The end of a permit: what began with it is ended then.

import { FstreamError } from "../errors.ts";
import type { Clock, Timer } from "../relay/clock.ts";

/** Timers of more than 2^31 ms fire at once. */
const longestTimerMs = 24 * 3600 * 1000;

function expiredError(): FstreamError {
  return new FstreamError("unauthorized", "the login has expired");
}

/** Throws FstreamError if a permit that ends then is over. */
export function refuseExpired(clock: Clock, endsMs: number | undefined): void {
  if (endsMs !== undefined && clock.nowMs() >= endsMs) throw expiredError();
}

/** Calls `expired` with the reason when the clock says `endsMs`; never for undefined. */
export function atExpiry(
  clock: Clock,
  endsMs: number | undefined,
  expired: (error: FstreamError) => void,
): Timer | undefined {
  if (endsMs === undefined) return undefined;
  let timer: Timer;
  const act = () => expired(expiredError());
  const wait = () => {
    const leftMs = Math.max(1, endsMs - clock.nowMs());
    timer = leftMs <= longestTimerMs ? clock.after(leftMs, act) : clock.after(longestTimerMs, wait);
  };
  wait();
  return { cancel: () => timer.cancel() };
}
