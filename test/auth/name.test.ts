// Which names can be users' names.

import { expect, test } from "bun:test";
import { maxUserNameBytes, userNameProblem } from "../../src/auth/name.ts";

test("plain names of any script are users' names", () => {
  const names = [
    "fier",
    "Fier",
    "a b",
    "fier.live",
    "-x",
    "_",
    "日本",
    "ñandú",
    "🎥",
    "console",
    "com",
    "com10",
    "nulls",
    "x=y",
  ];
  for (const name of [...names, "a".repeat(maxUserNameBytes)])
    expect({ name, problem: userNameProblem(name) }).toEqual({ name, problem: undefined });
});

test("whatever could lead elsewhere, or mean another's file, is not", () => {
  const names = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "c:",
    "a:b",
    ".hidden",
    "a.",
    "a ",
    "a..",
    ". ",
  ];
  const odd = ["a\0b", "a\nb", "a\x7f", "a\x9f", "\ud800", "a\udc00b"];
  const devices = ["con", "NUL", "Com1", "lpt9", "aux.txt", "prn .x", "com¹", "CONIN$", "conout$.log"];
  for (const name of [...names, ...odd, ...devices, "a".repeat(maxUserNameBytes + 1), "é".repeat(101)])
    expect({ name, problem: userNameProblem(name) }).toEqual({
      name,
      problem: expect.stringMatching(/^(can't|must)/),
    });
});
