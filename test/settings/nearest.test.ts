// The suggestion behind "did you mean".

import { expect, test } from "bun:test";
import { nearest } from "../../src/settings/nearest.ts";

const names = ["max_lag", "max_delay", "max_wait", "backlog", "hold", "hold_ended"];

test("a letter missing, added, wrong or swapped is taken for the name that was meant", () => {
  expect(nearest("max_lg", names)).toBe("max_lag");
  expect(nearest("backlogs", names)).toBe("backlog");
  expect(nearest("max_wsit", names)).toBe("max_wait");
  expect(nearest("blacklog", names)).toBe("backlog");
  expect(nearest("max_dealy", names)).toBe("max_delay");
  expect(nearest("HOLD", names)).toBe("hold");
  expect(nearest("max-lag", names)).toBe("max_lag");
});

test("of several near names the nearest is taken", () => {
  expect(nearest("max_wag", ["max_wait", "max_lag"])).toBe("max_lag");
});

test("what is like no name is taken for none", () => {
  for (const name of ["", "x", "zzz", "takeover", "a".repeat(100_000)])
    expect(nearest(name, names)).toBeUndefined();
});
