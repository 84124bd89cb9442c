// The process that examines: it is asked case by case, and is ended from outside where one does not come back.

import type { Case } from "./cases.ts";
import { bounds, examine, type Kind } from "./examine.ts";

/** What it is asked. */
export interface Question {
  readonly given: Case;
  readonly slack: number;
  readonly ignored: readonly Kind[];
}

process.on("message", ({ given, slack, ignored }: Question) => {
  process.send?.(examine(given, bounds(slack), ignored));
});
