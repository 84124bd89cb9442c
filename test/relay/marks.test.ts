// Marks alone: what is found, what is forgotten, and that a full list stays even.

import { describe, expect, test } from "bun:test";
import { type Mark, Marks } from "../../src/relay/marks.ts";
import { random } from "../media/recorder.ts";

function marksAt(limit: number, offsets: readonly number[]): Marks<Mark> {
  const marks = new Marks<Mark>(limit);
  for (const offset of offsets) marks.push({ offset });
  return marks;
}

describe("a list of marks", () => {
  test("that is empty finds nothing", () => {
    const marks = marksAt(4, []);
    expect(marks.newest).toBeUndefined();
    expect(marks.oldest).toBeUndefined();
    expect(marks.atOrAfter(0)).toBeUndefined();
    expect(marks.atOrBefore(1e9)).toBeUndefined();
  });

  test("finds the mark at an offset, and those next to it", () => {
    const marks = marksAt(10, [10, 20, 30]);
    expect(marks.atOrAfter(0)?.offset).toBe(10);
    expect(marks.atOrAfter(10)?.offset).toBe(10);
    expect(marks.atOrAfter(11)?.offset).toBe(20);
    expect(marks.atOrAfter(31)).toBeUndefined();
    expect(marks.atOrBefore(9)).toBeUndefined();
    expect(marks.atOrBefore(10)?.offset).toBe(10);
    expect(marks.atOrBefore(29)?.offset).toBe(20);
    expect(marks.atOrBefore(1000)?.offset).toBe(30);
    expect([marks.oldest?.offset, marks.newest?.offset]).toEqual([10, 30]);
  });

  test("ignores what does not lie behind the newest", () => {
    const marks = marksAt(10, [10, 20, 20, 15]);
    expect(marks.newest?.offset).toBe(20);
    expect(marks.atOrBefore(19)?.offset).toBe(10);
    marks.push({ offset: 21 });
    expect(marks.atOrAfter(11)?.offset).toBe(20);
    expect(marks.atOrAfter(21)?.offset).toBe(21);
    expect(marks.newest?.offset).toBe(21);
  });

  test("forgets those before an offset, and not the one at it", () => {
    const marks = marksAt(10, [10, 20, 30]);
    marks.dropBefore(20);
    expect(marks.oldest?.offset).toBe(20);
    expect(marks.atOrBefore(25)?.offset).toBe(20);
    expect(marks.atOrBefore(19)).toBeUndefined();
    expect(marks.atOrAfter(0)?.offset).toBe(20);
  });

  test("that is full drops every second one, and keeps the newest and the span", () => {
    const limit = 100;
    const marks = new Marks<Mark>(limit);
    for (let offset = 1; offset <= 10_000; offset++) {
      marks.push({ offset });
      expect(marks.newest?.offset).toBe(offset);
    }
    expect(marks.oldest?.offset).toBeLessThan(500);
    const found = new Set<number>();
    for (let at = 0; at <= 10_000; at++) found.add(marks.atOrAfter(at)?.offset as number);
    expect(found.size).toBeLessThanOrEqual(limit);
    expect(found.size).toBeGreaterThan(limit / 4);
  });

  test("answers as a plain list does, whatever is pushed and dropped", () => {
    const next = random(5);
    const marks = new Marks<Mark>(50);
    let plain: number[] = [];
    let offset = 0;
    for (let turn = 0; turn < 4000; turn++) {
      if (next(3) > 0 && plain.length < 50) {
        offset += 1 + next(20);
        marks.push({ offset });
        plain.push(offset);
      } else {
        const before = (plain[0] ?? offset) + next(60);
        marks.dropBefore(before);
        plain = plain.filter((mark) => mark >= before);
      }
      const at = offset - next(400);
      expect(marks.atOrAfter(at)?.offset).toBe(plain.find((mark) => mark >= at) as number);
      expect(marks.atOrBefore(at)?.offset).toBe(plain.findLast((mark) => mark <= at) as number);
      expect(marks.newest?.offset).toBe(plain.at(-1) as number);
      expect(marks.oldest?.offset).toBe(plain[0]);
    }
  });

  test("that is full still has one near each place, however many came", () => {
    const limit = 1000;
    const marks = new Marks<Mark>(limit);
    const step = 188;
    const backlog = 200 * limit * step;
    for (let offset = 0; offset <= 2 * backlog; offset += step) {
      marks.push({ offset });
      if (offset % (step * 1000) === 0) marks.dropBefore(offset - backlog);
    }
    for (let at = backlog + step; at < 2 * backlog; at += backlog / 100) {
      expect((marks.atOrAfter(at)?.offset as number) - at).toBeLessThan(backlog / 100);
    }
  });
});
