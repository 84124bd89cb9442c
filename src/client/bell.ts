// Wakes the one loop that waits for something to have changed. The loop looks at the state first and waits
// only if there is nothing to do; since nothing runs in between, no ring is lost.

export class Bell {
  #wake: (() => void) | undefined;

  /** Resolves at the next ring. At most one waits at a time. */
  rung(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  ring(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
