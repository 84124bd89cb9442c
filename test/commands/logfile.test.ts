import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFile } from "../../src/commands/logfile.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fstream-logfile-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: LogFile, text: string): void {
  let isDone = false;
  file.write(new TextEncoder().encode(text), () => {
    isDone = true;
  });
  expect(isDone).toBe(true);
}

test("lines are appended, in a folder that is made for them", () => {
  const path = join(folder, "new", "fstream.log");
  write(new LogFile(path), "one\n");
  write(new LogFile(path), "two\n");
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

test("a file that is full is put aside, in place of the one before it", () => {
  const path = join(folder, "fstream.log");
  writeFileSync(path, "before\n");
  const file = new LogFile(path, 10);
  for (const line of ["one\n", "two\n", "three\n", "four\n"]) write(file, line);
  expect(readdirSync(folder).sort()).toEqual(["fstream.log", "fstream.log.old"]);
  expect(readFileSync(`${path}.old`, "utf8")).toBe("three\n");
  expect(readFileSync(path, "utf8")).toBe("four\n");
});

test("a file that can't be written any more stops nothing", () => {
  const path = join(folder, "logs", "fstream.log");
  const file = new LogFile(path);
  rmSync(join(folder, "logs"), { recursive: true });
  write(file, "one\n");
  expect(readdirSync(folder)).toEqual([]);
});
