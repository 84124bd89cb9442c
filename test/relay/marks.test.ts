// Marks alone: what is found, what is forgotten, and that a full list stays even.

import { describe, expect, test } from "bun:test";
import { Marks } from "../../src/relay/marks.ts";
import { random } from "../media/recorder.ts";

/** Marks whose values are their offsets. */
function marksAt(limit: number, offsets: readonly number[]): Marks<number> {
  const marks = new Marks<number>(limit);
  for (const offset of offsets) marks.push(offset, offset);
  return marks;
}

function atOrAfter(marks: Marks<number>, offset: number): number | undefined {
  const index = marks.indexAtOrAfter(offset);
  expect(marks.value(index)).toBe(marks.offset(index));
  return marks.offset(index);
}

function atOrBefore(marks: Marks<number>, offset: number): number | undefined {
  const index = marks.indexAtOrBefore(offset);
  expect(marks.value(index)).toBe(marks.offset(index));
  expect(marks.lastIndexWhere((value) => value <= offset)).toBe(index);
  return marks.offset(index);
}

describe("a list of marks", () => {
  test("that is empty finds nothing", () => {
    const marks = marksAt(4, []);
    expect(marks.newest).toBeUndefined();
    expect(marks.oldest).toBeUndefined();
    expect(atOrAfter(marks, 0)).toBeUndefined();
    expect(atOrBefore(marks, 1e9)).toBeUndefined();
  });

  test("finds the mark at an offset, and those next to it", () => {
    const marks = marksAt(10, [10, 20, 30]);
    expect(atOrAfter(marks, 0)).toBe(10);
    expect(atOrAfter(marks, 10)).toBe(10);
    expect(atOrAfter(marks, 11)).toBe(20);
    expect(atOrAfter(marks, 31)).toBeUndefined();
    expect(atOrBefore(marks, 9)).toBeUndefined();
    expect(atOrBefore(marks, 10)).toBe(10);
    expect(atOrBefore(marks, 29)).toBe(20);
    expect(atOrBefore(marks, 1000)).toBe(30);
    expect([marks.oldestOffset, marks.newestOffset]).toEqual([10, 30]);
  });

  test("ignores what does not lie behind the newest", () => {
    const marks = marksAt(10, [10, 20, 20, 15]);
    expect(marks.newestOffset).toBe(20);
    expect(atOrBefore(marks, 19)).toBe(10);
    marks.push(21, 21);
    expect(atOrAfter(marks, 11)).toBe(20);
    expect(atOrAfter(marks, 21)).toBe(21);
    expect(marks.newestOffset).toBe(21);
  });

  test("forgets those before an offset, and not the one at it", () => {
    const marks = marksAt(10, [10, 20, 30]);
    marks.dropBefore(20);
    expect(marks.oldestOffset).toBe(20);
    expect(atOrBefore(marks, 25)).toBe(20);
    expect(atOrBefore(marks, 19)).toBeUndefined();
    expect(atOrAfter(marks, 0)).toBe(20);
  });

  test("that is full drops every second one, and keeps the newest and the span", () => {
    const limit = 100;
    const marks = new Marks<number>(limit);
    for (let offset = 1; offset <= 10_000; offset++) {
      marks.push(offset, offset);
      expect(marks.newestOffset).toBe(offset);
    }
    expect(marks.oldestOffset).toBeLessThan(500);
    const found = new Set<number>();
    for (let at = 0; at <= 10_000; at++) found.add(atOrAfter(marks, at) as number);
    expect(found.size).toBeLessThanOrEqual(limit);
    expect(found.size).toBeGreaterThan(limit / 4);
  });

  test("answers as a plain list does, whatever is pushed and dropped", () => {
    const next = random(5);
    const marks = new Marks<number>(50);
    let plain: number[] = [];
    let offset = 0;
    for (let turn = 0; turn < 4000; turn++) {
      if (next(3) > 0 && plain.length < 50) {
        offset += 1 + next(20);
        marks.push(offset, offset);
        plain.push(offset);
      } else {
        const before = (plain[0] ?? offset) + next(60);
        marks.dropBefore(before);
        plain = plain.filter((mark) => mark >= before);
      }
      const at = offset - next(400);
      expect(atOrAfter(marks, at)).toBe(plain.find((mark) => mark >= at) as number);
      expect(atOrBefore(marks, at)).toBe(plain.findLast((mark) => mark <= at) as number);
      expect(marks.newestOffset).toBe(plain.at(-1) as number);
      expect(marks.oldestOffset).toBe(plain[0]);
    }
  });

  test("that is full still has one near each place, however many came", () => {
    const limit = 1000;
    const marks = new Marks<number>(limit);
    const step = 188;
    const backlog = 200 * limit * step;
    for (let offset = 0; offset <= 2 * backlog; offset += step) {
      marks.push(offset, offset);
      if (offset % (step * 1000) === 0) marks.dropBefore(offset - backlog);
    }
    for (let at = backlog + step; at < 2 * backlog; at += backlog / 100) {
      expect((atOrAfter(marks, at) as number) - at).toBeLessThan(backlog / 100);
    }
  });
});
