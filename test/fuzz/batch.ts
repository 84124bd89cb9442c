// Many small streams with changed bytes, one after the other: thousands in the time in which examine.ts measures a few. What
// looks wrong here is examined there, made smaller and kept.

import { containers } from "../../src/media/containers.ts";
import type { Container } from "../../src/media/detector.ts";
import { dice } from "../protocol/dice.ts";
import { changedBytes } from "./bytes.ts";
import type { Case } from "./cases.ts";
import { threadMs } from "./clock.ts";
import { familyOf } from "./families.ts";
import { render } from "./parts.ts";
import { splitFault } from "./reports.ts";
import { DetectorSubject, describe } from "./subject.ts";

/** Streams are cut off there, so that thousands can be tried. Bytes. */
const maxBytes = 128 * 1024;
/** A stream that takes longer is looked at again; the bound proper is examine.ts's. */
const slowMs = 40;

/** Streams of `container` from `seed` on, one for each seed. */
export interface Batch {
  readonly container: string;
  readonly seed: number;
  readonly count: number;
}

/** The case of one seed: what `Examiner.examine` is given. */
export function caseOf(container: string, seed: number): Case {
  return { container, parts: changedBytes(container, dice(seed)), pieceBytes: 16_384, seed, again: 1 };
}

/** The seeds of a batch whose streams look wrong: a throw, a rule broken, too much time, reports that depend on the pieces. */
export function suspects({ container, seed, count }: Batch): number[] {
  const found: number[] = [];
  for (let each = seed; each < seed + count; each++) {
    const { parts } = caseOf(container, each);
    const bytes = render(familyOf(container), parts, maxBytes);
    if (fault(bytes, each) !== undefined) found.push(each);
  }
  return found;
}

/** What is wrong with how `bytes` are followed, in a few words. `all` stand in for the project's own containers. */
export function fault(bytes: Uint8Array, seed: number, all = containers): string | undefined {
  const firstMs = spent(bytes, all);
  const ms = firstMs > slowMs ? Math.min(spent(bytes, all), spent(bytes, all)) : firstMs;
  if (ms > slowMs) return `${bytes.length} bytes take ${ms.toFixed(0)} ms`;
  const subject = new DetectorSubject(all);
  const roll = dice(seed);
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + roll(8000));
      subject.feed(bytes.subarray(at, end));
      at = end;
    }
    for (const step of subject.end()) step();
  } catch (error) {
    return describe(error);
  }
  return subject.faults[0] ?? splitFault(bytes, roll, all);
}

/** Milliseconds of processor time for `bytes`. */
function spent(bytes: Uint8Array, all: readonly Container[]): number {
  const from = threadMs();
  try {
    new DetectorSubject(all).feed(bytes);
  } catch {
    return 0;
  }
  return threadMs() - from;
}
