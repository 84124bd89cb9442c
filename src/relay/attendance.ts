// Watchers that come and go, counted to be reported together: at once if nothing was reported for a minute, else when that is over.
// So there is one report a minute at the most, however many come and go.

/** Between two reports, milliseconds. */
const reportMs = 60_000;

/** Since the last report. */
export interface Attendance {
  readonly joined: number;
  readonly left: number;
}

export class AttendanceCount {
  /** Since the channel began. */
  total = 0;
  #joined = 0;
  #left = 0;
  #nextMs = Number.NEGATIVE_INFINITY;

  joined(): void {
    this.total++;
    this.#joined++;
  }

  left(): void {
    this.#left++;
  }

  /** What is to be reported now; undefined: nothing. */
  due(nowMs: number): Attendance | undefined {
    if (nowMs < this.#nextMs || this.#joined + this.#left === 0) return undefined;
    const attendance = { joined: this.#joined, left: this.#left };
    this.#joined = 0;
    this.#left = 0;
    this.#nextMs = nowMs + reportMs;
    return attendance;
  }
}
