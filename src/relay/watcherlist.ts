// The watchers of one channel that are there, by what they do: a list of those that flow, which each pass of the fan-out
// goes through, and a set of those that are pending. Each watcher is in one of the two.

import { Flowing } from "./flowing.ts";
import { Pending } from "./pending.ts";
import type { Watcher } from "./watcher.ts";

export class WatcherList {
  /** In no order. May change while it is gone through: from the last to the first, then none is missed or met twice. */
  readonly flowing: Flowing[] = [];
  readonly pending = new Set<Pending>();

  get size(): number {
    return this.flowing.length + this.pending.size;
  }

  add(of: Pending | Flowing): void {
    of.watcher.become(of);
    if (of instanceof Pending) this.pending.add(of);
    else of.index = this.flowing.push(of) - 1;
  }

  remove(of: Pending | Flowing): void {
    if (of instanceof Pending) {
      this.pending.delete(of);
      return;
    }
    const last = this.flowing.pop() as Flowing;
    if (last === of) return;
    this.flowing[of.index] = last;
    last.index = of.index;
  }

  /**
   * Does something for each watcher that is still there when it is its turn, in the state that it is in then; of those that
   * flow, only for the ones whose cursors are before `offset`.
   */
  forEach(act: (of: Pending | Flowing) => void, offset = Number.POSITIVE_INFINITY): void {
    const flowing = this.flowing.filter(({ cursor }) => cursor < offset);
    for (const { watcher } of [...this.pending, ...flowing]) {
      const now = stateOf(watcher);
      if (now !== undefined) act(now);
    }
  }
}

/** What a watcher does now; undefined if it is gone. */
export function stateOf({ state, isGone }: Watcher): Pending | Flowing | undefined {
  return !isGone && (state instanceof Pending || state instanceof Flowing) ? state : undefined;
}
