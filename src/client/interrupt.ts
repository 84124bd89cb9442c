// SIGINT and SIGTERM. The first asks for an orderly end, the second for an end at once; the listener decides
// what that is. The exit status is the shell's convention, 128 + the signal's number.

import { constants } from "node:os";

export type Interruption = "SIGINT" | "SIGTERM";

/** How long each step of an orderly end may take after the first signal, milliseconds. */
export const graceMs = 2000;

export class Interrupt {
  readonly #first = Promise.withResolvers<number>();
  readonly #second = Promise.withResolvers<number>();
  #status: number | undefined;

  /** Resolves with the exit status when the first signal comes. */
  get first(): Promise<number> {
    return this.#first.promise;
  }

  /** The same for the second one. */
  get second(): Promise<number> {
    return this.#second.promise;
  }

  /** The exit status for the first signal; undefined before it. */
  get status(): number | undefined {
    return this.#status;
  }

  /** To be called for each signal. */
  signal(name: Interruption): void {
    const status = 128 + constants.signals[name];
    if (this.#status === undefined) {
      this.#status = status;
      this.#first.resolve(status);
    } else {
      this.#second.resolve(this.#status);
    }
  }
}

/** An Interrupt that hears the process's signals from now on. */
export function processInterrupt(): Interrupt {
  const interrupt = new Interrupt();
  process.on("SIGINT", () => interrupt.signal("SIGINT"));
  process.on("SIGTERM", () => interrupt.signal("SIGTERM"));
  return interrupt;
}
