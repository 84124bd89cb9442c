// Wakes the one loop that waits for a change. The loop looks at the state first and waits only if there is nothing to do;
// since nothing runs in between, no notification is lost.

export class Signal {
  #wake: (() => void) | undefined;

  /** Resolves at the next `notify`. At most one waits at a time. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
