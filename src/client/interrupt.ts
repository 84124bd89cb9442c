// SIGINT and SIGTERM. The first asks for an orderly end, the second for an end at once; the listener decides
// what that is. The exit status is the shell's convention, 128 + the signal's number.
//
// One signal may arrive twice: timeout(1) sends it to its child and then to the process group, a terminal sends Ctrl-C to the
// group, and a parent that got it too may pass it on. What comes within `sameMs` of the first is the same one.

import { constants } from "node:os";

export type Interruption = "SIGINT" | "SIGTERM";

/** How long an orderly end may take after the first signal, all of it, milliseconds. */
export const graceMs = 2000;

/** How much of that a broadcast goes on reading its input; the rest is for the server's confirmation. Milliseconds. */
export const inputGraceMs = 1500;

/** A signal so soon after the first is that one again; a person does not press a key twice as fast. Milliseconds. */
export const sameMs = 333;

export class Interrupt {
  readonly #nowMs: () => number;
  readonly #first = Promise.withResolvers<number>();
  readonly #second = Promise.withResolvers<number>();
  #status: number | undefined;
  #firstMs = 0;

  /** `nowMs`: milliseconds that only grow. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

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
      this.#firstMs = this.#nowMs();
      this.#first.resolve(status);
    } else if (this.#nowMs() - this.#firstMs >= sameMs) {
      this.#second.resolve(this.#status);
    }
  }
}

/** How long an orderly end may take before something is said about it, milliseconds. */
export const quietEndMs = 500;

/** What is said then. */
export function finishing(status: number): string {
  const again = status === 128 + constants.signals.SIGINT ? "press Ctrl-C again" : "send another signal";
  return `finishing (up to ${graceMs / 1000} s); ${again} to stop now`;
}

/** An Interrupt that hears the process's signals from now on. */
export function processInterrupt(): Interrupt {
  const interrupt = new Interrupt(() => performance.now());
  process.on("SIGINT", () => interrupt.signal("SIGINT"));
  process.on("SIGTERM", () => interrupt.signal("SIGTERM"));
  return interrupt;
}
