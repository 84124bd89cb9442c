import { expect, test } from "bun:test";
import { formatBytes, formatClock } from "../../src/client/amount.ts";
import { Meter } from "../../src/client/meter.ts";

test("amounts keep about three digits and never show a thousand of a unit", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [999.6, "1.00 kB"],
    [1000, "1.00 kB"],
    [9996, "10.0 kB"],
    [41_300_000, "41.3 MB"],
    [999_600_000, "1.00 GB"],
    [2 ** 53, "9.01 PB"],
  ];
  for (const [bytes, text] of cases) expect(formatBytes(bytes)).toBe(text);
});

test("a clock shows hours, minutes and seconds", () => {
  expect([0, 59_999, 61_000, 36_000_000].map(formatClock)).toEqual([
    "0:00:00",
    "0:00:59",
    "0:01:01",
    "10:00:00",
  ]);
});

function meter(columns = 80) {
  const screen = { text: "", now: 0, write: (text: string) => void (screen.text += text) };
  return {
    screen,
    meter: new Meter({ write: screen.write, columns: () => columns, nowMs: () => screen.now }),
  };
}

test("the line tells time, rate, total and what lies unread, each time over the last", () => {
  const { screen, meter: line } = meter();
  line.state("");
  line.behind(() => 3_000_000);
  line.show();
  line.add(5_000_000);
  screen.now = 1000;
  screen.text = "";
  line.show();
  expect(screen.text).toBe("\r\u001b[Kfstream: 0:00:01  5.00 MB/s  5.00 MB  3.00 MB behind");
});

test("of what came to nothing no total stays on the screen", () => {
  const { screen, meter: line } = meter();
  line.start();
  line.add(5_000_000);
  line.discard(5_000_000);
  screen.text = "";
  line.stop();
  expect(screen.text).not.toContain("B");
});

test("at the end how long, how fast and how much stays on the screen, once", () => {
  const { screen, meter: line } = meter();
  line.start();
  line.state("");
  line.add(5_000_000);
  screen.now = 2000;
  screen.text = "";
  line.stop();
  line.stop();
  expect(screen.text).toBe("\r\u001b[Kfstream: 0:00:02  2.50 MB/s  5.00 MB\n");
});

test("where it is not live only the end of it is shown", () => {
  const { screen } = meter();
  const line = new Meter({ write: screen.write, columns: () => 80, nowMs: () => screen.now }, false);
  line.start();
  line.add(5_000_000);
  line.clear();
  expect(screen.text).toBe("");
  screen.now = 2000;
  line.stop();
  line.stop();
  expect(screen.text).toBe("\r\u001b[Kfstream: 0:00:02  2.50 MB/s  5.00 MB\n");
});

test("where nothing came no line stays", () => {
  const { screen, meter: line } = meter();
  line.start();
  screen.text = "";
  line.stop();
  expect(screen.text).toBe("\r\u001b[K");
});

test("the line is never wider than the terminal", () => {
  const { screen, meter: line } = meter(20);
  line.show();
  expect(screen.text.replace("\r\u001b[K", "").length).toBe(19);
});

test("clearing wipes the line once, and a line that is not there is not wiped", () => {
  const { screen, meter: line } = meter();
  line.clear();
  expect(screen.text).toBe("");
  line.show();
  screen.text = "";
  line.clear();
  line.clear();
  expect(screen.text).toBe("\r\u001b[K");
});

test("a state that came from an argument can't draw on the terminal", () => {
  const { screen, meter: line } = meter(200);
  line.state("waiting for fier/\u001b]0;title\u0007\u202e to begin");
  line.show();
  expect(screen.text.replace("\r\u001b[K", "")).toContain(
    "waiting for fier/\\x1b]0;title\\x07\\u202e to begin",
  );
});
