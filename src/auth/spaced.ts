// Pieces of work that hold the whole process up while they run, such as starting a program (vfork(2) lets its parent go on only once
// the child runs): one at a time, and after each a rest of a few times as long, so that however many are asked for most of the time
// is left for all else. A piece of a millisecond makes 250 a second.

/** How many times as long as a piece took the next one is put off. */
const restFactor = 3;

export class Spaced {
  readonly #nowMs: () => number;
  readonly #sleep: (ms: number) => Promise<void>;
  #last: Promise<void> = Promise.resolve();

  constructor(
    nowMs: () => number = () => performance.now(),
    sleep: (ms: number) => Promise<void> = Bun.sleep,
  ) {
    this.#nowMs = nowMs;
    this.#sleep = sleep;
  }

  /** What `work` gives, once its turn has come. */
  async run<T>(work: () => T): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    const startMs = this.#nowMs();
    try {
      return work();
    } finally {
      void this.#sleep(restFactor * (this.#nowMs() - startMs)).then(resolve);
    }
  }
}
