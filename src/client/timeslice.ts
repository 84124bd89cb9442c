// Loops that always have something to do, since a file or a fast peer always has more, must yield to timers, signals and
// sockets. Awaiting promises alone does not, as long as they resolve at once.

/** How long such a loop may go on, milliseconds. */
const sliceMs = 10;

export class TimeSlice {
  #sinceMs = performance.now();

  /** To be awaited within the loop: resolves at once, or if the slice is used up, after an iteration of the event loop. */
  async yield(): Promise<void> {
    if (performance.now() - this.#sinceMs < sliceMs) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    this.#sinceMs = performance.now();
  }
}
