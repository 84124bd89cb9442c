import { expect, test } from "bun:test";
import { Input } from "../../src/client/input.ts";

function source() {
  const waiting: PromiseWithResolvers<{ done: boolean; value?: Uint8Array }>[] = [];
  const reader = {
    reads: 0,
    read() {
      reader.reads++;
      const next = Promise.withResolvers<{ done: boolean; value?: Uint8Array }>();
      waiting.push(next);
      return next.promise;
    },
    give: async (value: Uint8Array | undefined) => {
      waiting.shift()?.resolve(value === undefined ? { done: true } : { done: false, value });
      await Bun.sleep(0);
    },
    fail: async (error: Error) => {
      waiting.shift()?.reject(error);
      await Bun.sleep(0);
    },
  };
  return reader;
}

test("bytes come in order, and the end after the last of them", async () => {
  const reader = source();
  const input = new Input(reader);
  let changes = 0;
  input.start(() => changes++);
  await reader.give(Buffer.from("a"));
  await reader.give(Buffer.from("b"));
  await reader.give(undefined);
  expect(changes).toBe(3);
  expect(input.ended).toBe(false);
  expect(input.take()).toEqual(Buffer.from("a"));
  expect(input.take()).toEqual(Buffer.from("b"));
  expect(input.ended).toBe(true);
  expect(input.take()).toBeUndefined();
  expect(input.total).toBe(2);
});

test("no more than 1 MiB is read ahead, and taking it reads on", async () => {
  const reader = source();
  const input = new Input(reader);
  input.start(() => undefined);
  const half = new Uint8Array(512 * 1024);
  await reader.give(half);
  await reader.give(half);
  expect(reader.reads).toBe(2);
  input.take();
  await Bun.sleep(0);
  expect(reader.reads).toBe(3);
});

test("after finish, what was read is still there, and what comes later is not", async () => {
  const reader = source();
  const input = new Input(reader);
  input.start(() => undefined);
  await reader.give(Buffer.from("before"));
  input.finish();
  await reader.give(Buffer.from("after"));
  expect(input.take()).toEqual(Buffer.from("before"));
  expect(input.take()).toBeUndefined();
  expect(input.ended).toBe(true);
});

test("a source that always has more leaves the event loop its turns", async () => {
  const piece = new Uint8Array(64 * 1024);
  let reads = 0;
  let turns = 0;
  const reader = { read: () => Promise.resolve({ done: ++reads > 10_000, value: piece }) };
  const input = new Input(reader);
  setImmediate(function turn() {
    turns++;
    if (!input.ended) setImmediate(turn);
  });
  const ended = Promise.withResolvers<void>();
  input.start(() => {
    while (input.take() !== undefined);
    if (input.ended) ended.resolve();
  });
  await ended.promise;
  expect(turns).toBeGreaterThan(100);
});

test("a failed read is an end with a reason", async () => {
  const reader = source();
  const input = new Input(reader);
  input.start(() => undefined);
  await reader.fail(new Error("EIO"));
  expect(input.ended).toBe(true);
  expect(input.failure).toMatchObject({ code: "failed", message: "can't read standard input: EIO" });
});
