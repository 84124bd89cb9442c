// The process that examines: it is asked case by case, and is ended from outside where one does not come back.

import type { Case } from "./cases.ts";
import { bounds, examine } from "./examine.ts";

/** What it is asked. */
export interface Question {
  readonly given: Case;
  readonly slack: number;
}

process.on("message", ({ given, slack }: Question) => {
  process.send?.(examine(given, bounds(slack)));
});
