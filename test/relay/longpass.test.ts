// A pass over very many watchers, and what others get meanwhile.

import { expect, test } from "bun:test";
import type { FakeOutlet } from "./outlet.ts";
import { Rig } from "./rig.ts";
import { opaque } from "./streams.ts";

const size = 1024;

/** A channel with 600 watchers (every other one `isBatched`), to whom a pass takes 12 ms, beside one with two; both broadcasters are polled. */
function crowd(isBatched = false) {
  const rig = new Rig();
  const many = rig.broadcast();
  const few = rig.broadcast({ channel: "few" });
  /** What the next polls bring. */
  const coming: (() => void)[] = [];
  const watchers: FakeOutlet[] = Array.from({ length: 600 }, (_, i) =>
    rig.watch({
      onWrite: () => rig.clock.spend(isBatched ? 0.04 : 0.02),
      isBatched: isBatched && i % 2 === 1,
    }),
  );
  const beside = [rig.watch({ channel: "few" }), rig.watch({ channel: "few" })];
  let isPolled = false;
  rig.relay.sources = {
    size: 2,
    start: () => void (isPolled = true),
    stop() {},
    poll(brought) {
      const bring = coming.shift();
      bring?.();
      brought();
      return bring === undefined ? 0 : size;
    },
    startWaiting: () => false,
    stopWaiting() {},
    wait: () => "nothing",
  };
  let sentBytes = 0;
  const send = () => {
    many.send(opaque(size, sentBytes));
    sentBytes += size;
  };
  for (let i = 0; i < 4; i++) {
    send();
    rig.clock.advance(40);
  }
  const got = () => watchers.filter(({ receivedBytes }) => receivedBytes === sentBytes).length;
  expect([isPolled, got()]).toEqual([true, 600]);
  coming.length = 0;
  return { rig, many, few, watchers, beside, coming, send, got, all: () => opaque(sentBytes) };
}

test("the few have their bytes before the last of many have theirs", () => {
  const { rig, few, beside, coming, send, got } = crowd();
  const order: number[] = [];
  for (const each of beside) each.onWrite = () => order.push(got());
  coming.push(send, () => few.send(opaque(size)));
  rig.clock.advance(100);
  expect(order).toEqual([256, 256]);
  for (const { received } of beside) expect(received).toEqual(opaque(size));
  rig.clock.advance(100);
  expect(got()).toBe(600);
});

test("more that comes for the many meanwhile goes out to all of them", () => {
  const { rig, watchers, coming, send, all } = crowd();
  coming.push(send, send, send);
  rig.clock.advance(200);
  for (const { received } of watchers) expect(received).toEqual(all());
  expect(rig.failures).toEqual([]);
});

test("more that comes for the many meanwhile is put off as after any pass", () => {
  const { rig, watchers, coming, send } = crowd();
  const times: number[] = [];
  watchers[0].onWrite = () => times.push(rig.clock.nowMs());
  coming.push(send, send);
  rig.clock.advance(200);
  expect(times.length).toBe(2);
  // 12 ms for the pass, and at most 20 beyond it.
  expect(times[1] - times[0]).toBeGreaterThanOrEqual(31);
});

test.each([false, true])(
  "some of the many can go meanwhile, and the others get everything (batched: %p)",
  (isBatched) => {
    const { rig, watchers, coming, send, all } = crowd(isBatched);
    const gone = [watchers[10], watchers[401], watchers[599]];
    const lengths = () => gone.map(({ receivedBytes }) => receivedBytes);
    let before: number[] = [];
    coming.push(send, () => {
      for (const { watcher } of gone) watcher.leave();
      before = lengths();
    });
    rig.clock.advance(200);
    expect(lengths()).toEqual(before);
    for (const each of watchers) if (!gone.includes(each)) expect(each.received).toEqual(all());
    expect(rig.batch.problems).toEqual([]);
  },
);

test("the broadcast can end meanwhile", () => {
  const { rig, many, watchers, coming, send, all } = crowd();
  coming.push(send, () => many.finish());
  rig.clock.advance(200);
  for (const { received, ending } of watchers) {
    expect(ending).toBe("orderly");
    expect(received).toEqual(all());
  }
  expect(rig.failures).toEqual([]);
});

test("another can take over meanwhile", () => {
  const { rig, watchers, coming, send, all } = crowd();
  const more = opaque(size, 50_000);
  coming.push(send, () => rig.broadcast().send(more));
  rig.clock.advance(200);
  for (const { received } of watchers) expect(received).toEqual(new Uint8Array(Buffer.concat([all(), more])));
  expect(rig.failures).toEqual([]);
});
