// Reading small files: what is no regular file, has no end or nothing to read is refused with the reason, and holds nothing up.

import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMissing, readNamedFile, readRegularFile } from "../src/file.ts";

const folder = mkdtempSync(join(tmpdir(), "fstream-file-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const posix = test.skipIf(process.platform === "win32");
const linux = test.skipIf(process.platform !== "linux");

function fifo(name: string): string {
  expect(Bun.spawnSync(["mkfifo", at(name)]).exitCode).toBe(0);
  return at(name);
}

async function refusal(reading: Promise<Buffer>): Promise<string> {
  return await reading.then(
    (bytes) => `it gave ${bytes.length} bytes`,
    (error: unknown) => (error as Error).message,
  );
}

describe.each([
  ["found", readRegularFile],
  ["named", readNamedFile],
] as const)("a file that was %s", (_, read) => {
  test("is read whole, up to its bound", async () => {
    writeFileSync(at("full"), "x".repeat(40_000));
    expect((await read(at("full"), 40_000)).toString()).toBe("x".repeat(40_000));
    expect(await refusal(read(at("full"), 32 * 1024))).toBe("it is larger than 32 KiB");
  });

  test("may be a link to one, but no folder", async () => {
    writeFileSync(at("target"), "text");
    rmSync(at("link"), { force: true });
    symlinkSync(at("target"), at("link"));
    expect((await read(at("link"), 1024)).toString()).toBe("text");
    expect(await refusal(read(folder, 1024))).toStartWith("it is a directory");
  });

  test("is distinguished as missing from being unreadable", async () => {
    const missing = await read(at("none"), 1024).catch((error: unknown) => error);
    expect([isMissing(missing), (missing as Error).message]).toEqual([true, "no such file or directory"]);
    expect(isMissing(await read(folder, 1024).catch((error: unknown) => error))).toBe(false);
  });

  linux("is not read past its bound where its size is a lie", async () => {
    expect(await refusal(read("/proc/self/pagemap", 64 * 1024))).toBe("it is larger than 64 KiB");
    expect((await read("/proc/self/status", 64 * 1024)).toString()).toContain("Pid:");
  });
});

posix("what is found has to be a regular file, and is not waited for", async () => {
  expect(await refusal(readRegularFile(fifo("found"), 1024))).toBe("it is a FIFO, not a regular file");
  expect(await refusal(readRegularFile("/dev/zero", 1024))).toBe("it is a device, not a regular file");
});

posix("what is named may be a pipe whose writer comes late, and writes late", async () => {
  const path = fifo("late");
  const reading = readNamedFile(path, 1024);
  const writer = await open(path, "w");
  await writer.write("pass");
  await Bun.sleep(50); // so that a read may find nothing, which is right either way
  await writer.write("word\n");
  await writer.close();
  expect((await reading).toString()).toBe("password\n");
});

posix("what is named may be an empty pipe", async () => {
  const path = fifo("empty");
  const reading = readNamedFile(path, 1024);
  await (await open(path, "w")).close();
  expect((await reading).length).toBe(0);
});

posix("a pipe that has no writer, or one that never writes, is given up", async () => {
  const path = fifo("never");
  expect(await refusal(readNamedFile(path, 1024, 20))).toBe("timed out waiting for data");
  const writer = openSync(path, "r+"); // the open that waited goes on, and now waits for bytes
  expect(await refusal(readNamedFile(path, 1024, 20))).toBe("timed out waiting for data");
  closeSync(writer); // not on the thread pool, whose threads may all be waiting
});

posix("what is named and has no end is refused at its bound", async () => {
  expect(await refusal(readNamedFile("/dev/zero", 64 * 1024))).toBe("it is larger than 64 KiB");
});
