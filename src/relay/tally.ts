// Counts of what happens, by kind, since the server began. Kinds are words of the code, never of a peer, so that there are
// only so many.

export class Tally<Kind extends string> {
  readonly #counts = new Map<Kind, number>();

  /** Kinds of `known` are there from the beginning, with 0: what has never happened can be told from what is not counted. */
  constructor(known: readonly Kind[] = []) {
    for (const kind of known) this.#counts.set(kind, 0);
  }

  add(kind: Kind): void {
    this.#counts.set(kind, this.count(kind) + 1);
  }

  count(kind: Kind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Each kind with its count, in the order of their first coming. */
  get entries(): readonly (readonly [Kind, number])[] {
    return [...this.#counts];
  }
}
