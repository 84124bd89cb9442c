// The process that examines cases, one by one; examiner.ts ends it where one takes too long.

import { type Batch, suspects } from "./batch.ts";
import type { Case } from "./cases.ts";
import { bounds, examine, type Kind, type Verdict } from "./examine.ts";

/** One case to be examined. */
export interface Job {
  readonly given: Case;
  readonly slack: number;
  readonly ignored: readonly Kind[];
}

const nothing: Verdict = { findings: [], container: "", bytes: 0, ms: 0 };

process.on("message", (job: Job | Batch) => {
  if ("count" in job) process.send?.({ ...nothing, suspects: suspects(job) });
  else process.send?.(examine(job.given, bounds(job.slack), job.ignored));
});
