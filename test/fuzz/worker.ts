// The process that examines cases, one by one; examiner.ts ends it where one takes too long.

import type { Case } from "./cases.ts";
import { bounds, examine, type Kind } from "./examine.ts";

/** One case to be examined. */
export interface Job {
  readonly given: Case;
  readonly slack: number;
  readonly ignored: readonly Kind[];
}

process.on("message", ({ given, slack, ignored }: Job) => {
  process.send?.(examine(given, bounds(slack), ignored));
});
