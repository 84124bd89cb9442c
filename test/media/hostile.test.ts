// Streams that once cost the server more time or memory than they may, or broke a rule: test/fixtures/hostile has each as
// scripts/fuzz has kept it, and none does any more. They are examined in a process of their own, since one that does
// may not come back.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../fuzz/cases.ts";
import { Examiner } from "../fuzz/examiner.ts";
import { hostile } from "../fuzz/search.ts";

/** So much wider bounds on time do on any machine; what is kept was once far beyond. */
const slack = 4;
const files = existsSync(hostile) ? readdirSync(hostile).filter((name) => name.endsWith(".json")) : [];
const examiner = new Examiner(slack);
setDefaultTimeout(120_000);
afterAll(() => examiner.stop());

test.each(files.sort())("%s costs no more than other streams", async (file) => {
  const { given } = JSON.parse(readFileSync(join(hostile, file), "utf8")) as { given: Case };
  const { findings } = await examiner.examine(given);
  expect(findings.map(({ text }) => text)).toEqual([]);
});
