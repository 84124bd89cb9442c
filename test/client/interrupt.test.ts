import { expect, test } from "bun:test";
import { Interrupt } from "../../src/client/interrupt.ts";

test("the first signal asks, the second forces, and the status is the first one's", async () => {
  const interrupt = new Interrupt();
  expect(interrupt.status).toBeUndefined();
  interrupt.signal("SIGINT");
  expect(await interrupt.first).toBe(130);
  expect(interrupt.status).toBe(130);
  interrupt.signal("SIGTERM");
  expect(await interrupt.second).toBe(130);
});

test("SIGTERM ends with 143", async () => {
  const interrupt = new Interrupt();
  interrupt.signal("SIGTERM");
  expect(await interrupt.first).toBe(143);
});
