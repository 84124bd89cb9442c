// The operator's token, as its file has it.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminToken } from "../../src/auth/admintoken.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-admintoken-"));
  file = join(folder, "token");
});
afterEach(() => rm(folder, { recursive: true }));

const good = "0123456789abcdef~+/=";

/** What the token of a file is refused with. */
async function problemOf(path: string): Promise<string> {
  return String(await new AdminToken(path).matches(good).catch((error: unknown) => error));
}

describe("the admin token", () => {
  test("is the file's text less one line end", async () => {
    for (const text of [good, `${good}\n`, `${good}\r\n`]) {
      await Bun.write(file, text);
      expect(await new AdminToken(file).read()).toBe(good);
    }
  });

  test("is read afresh each time", async () => {
    const token = new AdminToken(file);
    await Bun.write(file, good);
    expect(await token.matches(good)).toBe(true);
    await Bun.write(file, good.toUpperCase());
    expect(await token.matches(good)).toBe(false);
    expect(await token.matches(good.toUpperCase())).toBe(true);
  });

  test.each([
    ["", "nothing"],
    ["0123456789abcde", "too short a one"],
    [`${good}\n\n`, "two lines"],
    [`${good} ${good}`, "a space"],
    ["pässword-pässword", "more than ASCII"],
  ])("is refused where the file has %j: %s", async (text) => {
    await Bun.write(file, text);
    const error = await new AdminToken(file).read().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "failed", message: expect.stringContaining("admin_token_file: ") });
    if (text !== "") expect(String(error)).not.toContain(text.trim());
  });

  test("has to be there, in a small regular file", async () => {
    expect(await problemOf(file)).toContain("no such file");
    expect(await problemOf(folder)).toContain("a directory");
    await Bun.write(file, "x".repeat(4097));
    expect(await problemOf(file)).toContain("larger than 4 KiB");
  });
});
