import { expect, test } from "bun:test";
import { Output } from "../../src/client/output.ts";

test("a write waits for the reader, and flushes only when asked to", async () => {
  const calls: string[] = [];
  const slow = Promise.withResolvers<number>();
  const output = new Output({
    write: () => {
      calls.push("write");
      return slow.promise;
    },
    flush: () => {
      calls.push("flush");
      return 0;
    },
  });
  let done = false;
  const written = output.write(new Uint8Array(1), true).then(() => {
    done = true;
  });
  await Bun.sleep(0);
  expect([calls, done]).toEqual([["write"], false]);
  slow.resolve(1);
  await written;
  expect(calls).toEqual(["write", "flush"]);
  await output.write(new Uint8Array(1), false);
  expect(calls).toEqual(["write", "flush", "write"]);
});

test("a reader that has gone is no error, and nothing more is written", async () => {
  for (const code of ["EPIPE", "ECONNRESET"]) {
    let writes = 0;
    const output = new Output({
      write: () => {
        writes++;
        throw Object.assign(new Error("it has gone"), { code });
      },
      flush: () => 0,
    });
    await output.write(new Uint8Array(1), true);
    expect(output.gone).toBe(true);
    await output.write(new Uint8Array(1), true);
    expect(writes).toBe(1);
  }
});

test("a full disk is a failure that says so", async () => {
  const output = new Output({
    write: () => Promise.reject(Object.assign(new Error("no space left on device"), { code: "ENOSPC" })),
    flush: () => 0,
  });
  const error = await output.write(new Uint8Array(1), true).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "failed",
    message: "can't write to standard output: no space left on the device",
  });
  expect(output.gone).toBe(false);
});
