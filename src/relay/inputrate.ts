// The bit rate of a channel, on the average of the last seconds of real time: it falls when data stops, and does not depend on
// how much of the stream the ring still holds. The channel's sweep notes its byte count now and then; pieces that come in
// cost nothing.

/** What the rate is an average of, milliseconds. */
const windowMs = 5000;
/** Of the start of a broadcast, nothing shorter is averaged over: what comes at once is no rate. Milliseconds. */
const leastMs = 1000;
/** How close notes may be, milliseconds: 25 are kept at the most. */
const stepMs = 200;

interface Note {
  readonly ms: number;
  readonly bytes: number;
}

export class InputRate {
  /** The first is the newest that is older than the window, or the start. */
  #notes: Note[] = [];

  /** A broadcast begins at `nowMs`; its channel had got `bytes` bytes before. */
  begin(bytes: number, nowMs: number): void {
    this.#notes = [{ ms: nowMs, bytes }];
  }

  /** At `nowMs` the channel has got `bytes` bytes. */
  note(bytes: number, nowMs: number): void {
    const newest = this.#notes.at(-1);
    if (newest === undefined || nowMs - newest.ms < stepMs) return;
    this.#notes.push({ ms: nowMs, bytes });
    while (this.#notes[1].ms <= nowMs - windowMs) this.#notes.shift();
  }

  /** Bits a second, at `nowMs` with `bytes` bytes; 0 before the first broadcast. */
  at(bytes: number, nowMs: number): number {
    const [oldest] = this.#notes;
    if (oldest === undefined) return 0;
    // It is the first, but for what has become too old since the newest note.
    let from = oldest;
    for (const note of this.#notes) {
      if (note.ms > nowMs - windowMs) break;
      from = note;
    }
    return Math.round(((bytes - from.bytes) * 8000) / Math.max(nowMs - from.ms, leastMs));
  }
}
