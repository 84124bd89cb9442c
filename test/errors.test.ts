// Names as messages have them.

import { expect, test } from "bun:test";
import { channelLabel } from "../src/errors.ts";

test("a channel is its user's name and its own, of long ones their beginnings", () => {
  expect(channelLabel("fier", "default")).toBe("fier/default");
  expect(channelLabel("fier", "é".repeat(120))).toBe(`fier/${"é".repeat(63)}…`);
});
