import { expect, test } from "bun:test";
import { Interrupt } from "../../src/client/interrupt.ts";

/** An Interrupt, and the time that it sees. */
function interrupted() {
  const clock = { nowMs: 0 };
  return { interrupt: new Interrupt(() => clock.nowMs), clock };
}

test("the first signal asks, the second forces, and the status is the first one's", async () => {
  const { interrupt, clock } = interrupted();
  expect(interrupt.status).toBeUndefined();
  interrupt.signal("SIGINT");
  expect(await interrupt.first).toBe(130);
  expect(interrupt.status).toBe(130);
  clock.nowMs = 400;
  interrupt.signal("SIGTERM");
  expect(await interrupt.second).toBe(130);
});

test("a signal within a third of a second of the first is the same one", async () => {
  const { interrupt, clock } = interrupted();
  interrupt.signal("SIGTERM");
  let forced = false;
  void interrupt.second.then(() => {
    forced = true;
  });
  clock.nowMs = 300;
  interrupt.signal("SIGTERM");
  interrupt.signal("SIGINT");
  await Bun.sleep(0);
  expect(forced).toBeFalse();
  clock.nowMs = 350;
  interrupt.signal("SIGINT");
  expect(await interrupt.second).toBe(143);
});

test("SIGTERM ends with 143", async () => {
  const { interrupt } = interrupted();
  interrupt.signal("SIGTERM");
  expect(await interrupt.first).toBe(143);
});
