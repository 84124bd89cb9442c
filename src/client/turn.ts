// Loops that always have something to do, since a file or a fast peer always has more, must let others have their turn:
// timers, signals, the sockets themselves. Promises alone do not, as long as they have an answer at once.

/** How long such a loop may go on, milliseconds. */
const turnMs = 10;

export class Turn {
  #sinceMs = performance.now();

  /** To be awaited within the loop: resolves at once, or if its turn was long enough, after those of the others. */
  async pass(): Promise<void> {
    if (performance.now() - this.#sinceMs < turnMs) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    this.#sinceMs = performance.now();
  }
}
