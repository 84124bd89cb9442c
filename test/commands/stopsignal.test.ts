// The signal that stops the server, of a source that emits what the test says.

import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { stopSignal } from "../../src/commands/stopsignal.ts";
import { until } from "../e2e/program.ts";

const signals = ["SIGTERM", "SIGINT"] as const;

test("one that comes twice at once stops the server once, and a later one meets the default action", async () => {
  const source = new EventEmitter();
  const first = stopSignal(source, signals, 1000);
  source.emit("SIGTERM", "SIGTERM");
  expect(await first).toBe("SIGTERM");
  // Someone listens: the default action would end the process.
  expect(source.emit("SIGTERM", "SIGTERM")).toBe(true);
  expect(source.emit("SIGINT", "SIGINT")).toBe(true);
  await until("no one listens any more", () => !source.emit("SIGINT", "SIGINT"));
  expect(source.emit("SIGTERM", "SIGTERM")).toBe(false);
});
