// Questions about what a media element has in its buffer. Times are in seconds. Pure.

type Ranges = Pick<TimeRanges, "length" | "start" | "end">;

/** Where all of it ends; 0 if there is nothing. */
export function endOf(buffered: Ranges): number {
  return buffered.length === 0 ? 0 : buffered.end(buffered.length - 1);
}

/** Which range a time lies in. */
export function rangeAt(buffered: Ranges, time: number): number | undefined {
  for (let i = buffered.length - 1; i >= 0; i--) {
    if (buffered.start(i) <= time + 0.05 && time <= buffered.end(i) + 0.05) return i;
  }
  return undefined;
}

/** Where the first range begins that begins after a time. */
export function startAfter(buffered: Ranges, time: number): number | undefined {
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) > time) return buffered.start(i);
  }
  return undefined;
}
