import { describe, expect, test } from "bun:test";
import { calmMs, leastUnsentBytes, mostUnsentBytes, SendBuffer } from "../../src/server/sendbuffer.ts";

function bounded(): { buffer: SendBuffer; bounds: number[] } {
  const bounds: number[] = [];
  return { buffer: new SendBuffer({ boundUnsent: (bytes) => bounds.push(bytes) }), bounds };
}

describe("a send buffer", () => {
  test("is small at first, and stays so for a peer that empties it slowly", () => {
    const { buffer, bounds } = bounded();
    buffer.full(1000);
    expect(buffer.drained(1100)).toBe(false);
    expect(bounds).toEqual([leastUnsentBytes]);
  });

  test("grows step by step, up to a bound, for a peer that empties it quickly", () => {
    const { buffer, bounds } = bounded();
    for (let nowMs = 1000; nowMs < 1100; nowMs += 10) {
      buffer.full(nowMs);
      buffer.drained(nowMs + 5);
    }
    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
    expect(bounds.length).toBeGreaterThan(1);
    expect(bounds.at(-1)).toBe(mostUnsentBytes);
  });

  test("is made small again once it was not full for a while", () => {
    const { buffer, bounds } = bounded();
    buffer.full(1000);
    expect(buffer.drained(1001)).toBe(true);
    expect(buffer.calm(1000 + calmMs - 1)).toBe(false);
    expect(bounds.at(-1)).toBeGreaterThan(leastUnsentBytes);
    expect(buffer.calm(1000 + calmMs)).toBe(true);
    expect(bounds.at(-1)).toBe(leastUnsentBytes);
  });
});
