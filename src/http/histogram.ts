// How values are distributed, as Prometheus counts it: for each bound how many have been at most that much, in total since
// the server began.

import { number, type Sample } from "./exposition.ts";

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds` rise; behind the last one comes infinity. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.#counts[at]++;
  }

  get samples(): readonly Sample[] {
    let most = 0;
    const buckets = this.#bounds.map((bound, index): Sample => {
      most += this.#counts[index];
      return { suffix: "_bucket", labels: { le: number(bound) }, value: most };
    });
    return [
      ...buckets,
      { suffix: "_bucket", labels: { le: number(Number.POSITIVE_INFINITY) }, value: this.#count },
      { suffix: "_sum", value: this.#sum },
      { suffix: "_count", value: this.#count },
    ];
  }
}
