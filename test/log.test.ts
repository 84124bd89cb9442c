// Lines for people and for the journal: whole, harmless, and never a flood.

import { describe, expect, setSystemTime, spyOn, test } from "bun:test";
import { closeSync, openSync, statSync } from "node:fs";
import { named } from "../src/errors.ts";
import {
  createLog,
  isJournal,
  type Level,
  type Log,
  printable,
  printableJson,
  stderrLog,
  timestamp,
} from "../src/log.ts";

function capture(level: Level = "info", journal = false) {
  const lines: string[] = [];
  const time = { ms: 0 };
  const log = createLog({ level, journal, write: (line) => void lines.push(line), nowMs: () => time.ms });
  return { log, lines, time };
}

function captureJson(journal = false) {
  const lines: string[] = [];
  const time = { ms: 0 };
  const write = (line: string) => void lines.push(line);
  const log = createLog({ level: "info", format: "json", journal, write, nowMs: () => time.ms });
  return { log, lines, time };
}

test("the journal is told by its stream, not by the variable alone", () => {
  const { dev, ino } = statSync(import.meta.path, { bigint: true });
  const descriptor = openSync(import.meta.path, "r");
  expect(isJournal(descriptor, `${dev}:${ino}`)).toBe(true);
  for (const stream of [`${dev}:${ino + 1n}`, `${dev}`, "", undefined])
    expect(isJournal(descriptor, stream)).toBe(false);
  closeSync(descriptor);
  expect(isJournal(-1, `${dev}:${ino}`)).toBe(false);
});

describe("a log line", () => {
  test("names the program, the level where it matters, and the scope", () => {
    const { log, lines } = capture();
    log.info("ready");
    log.scope("users").warn("odd file");
    log.scope("http").scope("tls").error("broken");
    expect(lines).toEqual([
      "fstream: ready\n",
      "fstream: warning: users: odd file\n",
      "fstream: error: http: tls: broken\n",
    ]);
  });

  test("carries a priority for the journal", () => {
    const { log, lines } = capture("debug", true);
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(lines.map((line) => line.slice(0, 3))).toEqual(["<7>", "<6>", "<4>", "<3>"]);
  });

  test("below the level is left out", () => {
    const { log, lines } = capture("warn");
    log.debug("a");
    log.info("b");
    log.warn("c");
    expect(lines).toEqual(["fstream: warning: c\n"]);
  });

  test("can't be forged by what a peer sends", () => {
    const { log, lines } = capture();
    log.info("user \nfstream: error: all is lost\u001b[2J\u2028");
    expect(lines).toEqual(["fstream: user \\x0afstream: error: all is lost\\x1b[2J\\u2028\n"]);
    expect(printable("kanał 🎥")).toBe("kanał 🎥");
  });

  test("shows what is not simply seen, and leaves the joiners that scripts need", () => {
    expect(printable("a\u200fb\u2067c\u061cd\u200be\ufefff\u00adg")).toBe(
      "a\\u200fb\\u2067c\\u061cd\\u200be\\ufefff\\xadg",
    );
    expect(printable("\u{e0041}\ud800")).toBe("\\u{e0041}\\ud800");
    expect(printable("می\u200cخواهم 👩\u200d🚀")).toBe("می\u200cخواهم 👩\u200d🚀");
  });

  test("and JSON means the same when it is made safe for a terminal", () => {
    const value = { name: "a\u001b[2J\u009b\u202e\u{e0041}\u007f", list: ["b\nc"] };
    const text = printableJson(value);
    expect(text).toMatch(/^[ -~\n]*$/);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe("the time of a line", () => {
  const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d /;

  test("stands before the program's name, but for the journal, which has its own", () => {
    const lines: string[] = [];
    const write = (line: string) => void lines.push(line);
    const say = (journal: boolean) => {
      createLog({ level: "info", times: true, journal, write, nowMs: () => 0 }).warn("odd");
    };
    const beforeMs = Date.now();
    say(false);
    say(true);
    expect(lines[0]).toMatch(stamp);
    expect(lines[0].replace(stamp, "")).toBe("fstream: warning: odd\n");
    expect(lines[1]).toBe("<4>fstream: warning: odd\n");
    const at = Date.parse(lines[0].split(" ")[0]);
    expect(at).toBeGreaterThanOrEqual(beforeMs);
    expect(at).toBeLessThanOrEqual(Date.now());
  });

  test.each([
    ["Europe/Berlin", "2026-11-27T23:30:00.120+01:00"],
    ["America/St_Johns", "2026-11-27T19:00:00.120-03:30"],
    ["UTC", "2026-11-27T22:30:00.120+00:00"],
  ])("is local, with its offset: %s", (zone, expected) => {
    const before = process.env.TZ;
    try {
      process.env.TZ = zone;
      expect(timestamp(new Date("2026-11-27T22:30:00.120Z"))).toBe(expected);
    } finally {
      process.env.TZ = before ?? "UTC";
    }
  });
});

describe("a line of JSON", () => {
  test("has time, level, scope, message and fields", () => {
    const { log, lines } = captureJson();
    log.scope("http").scope("tls").warn('an "odd" one', { channel: "fier/default", bytes: 7 });
    log.info("ready");
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toEqual({
      time: expect.stringMatching(/T.*[+-]\d\d:\d\d$/),
      level: "warn",
      scope: "http.tls",
      message: 'an "odd" one',
      channel: "fier/default",
      bytes: 7,
    });
    expect(second).toEqual({ time: expect.any(String), level: "info", message: "ready" });
  });

  test("has the journal's priority before it", () => {
    const { log, lines } = captureJson(true);
    log.error("broken");
    expect(lines[0]).toStartWith('<3>{"time":');
  });

  test("is whole, one line, harmless and at most 1 KiB, whatever peers send", () => {
    const { log, lines } = captureJson();
    for (const text of ["x", "\u2028", "\x07", '"', "\\", "é", "🎥", "\n"]) {
      log.warn(text.repeat(50_000), { channel: text.repeat(200), address: "192.0.2.1" });
    }
    for (const line of lines) {
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1024);
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(line).toMatch(/^[^\p{Cc}\p{Zl}]*\n$/u);
      expect((JSON.parse(line) as { address: string }).address).toBe("192.0.2.1");
    }
    expect(lines).toHaveLength(8);
  });

  test("sums up what repeats with the fields of the last", () => {
    const { log, lines, time } = captureJson();
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
      log.repeated("key", "refused", "warn", { address });
    time.ms = 10_000;
    log.info("later");
    expect(JSON.parse(lines[1])).toMatchObject({
      message: "2 similar messages suppressed; the last: refused",
      address: "192.0.2.3",
      suppressed: 2,
    });
  });
});

describe("a message that repeats", () => {
  test("is said once, then counted, and summed up with the next line after 10 s", () => {
    const { log, lines, time } = capture();
    for (let i = 0; i < 5; i++) log.scope("in").repeated("key", `refused ${i}`);
    expect(lines).toEqual(["fstream: warning: in: refused 0\n"]);
    time.ms = 9999;
    log.info("other");
    expect(lines.length).toBe(2);
    time.ms = 10_000;
    log.info("later");
    expect(lines.slice(2)).toEqual([
      "fstream: warning: in: 4 similar messages suppressed; the last: refused 4\n",
      "fstream: later\n",
    ]);
    log.repeated("key", "refused again");
    expect(lines.at(-1)).toBe("fstream: warning: refused again\n");
  });

  test("does not hide another one", () => {
    const { log, lines } = capture();
    log.repeated("a", "first");
    log.repeated("b", "second");
    expect(lines.length).toBe(2);
  });

  test("is said up to sixteen times in 10 s where users do it as a matter of course", () => {
    const { log, lines, time } = capture();
    for (let i = 0; i < 50; i++) log.event("begin fier", `fier/${i} begins`);
    log.event("begin ann", "ann/0 begins");
    expect(lines).toHaveLength(17);
    expect(lines.at(-1)).toBe("fstream: ann/0 begins\n");
    time.ms = 10_000;
    log.event("begin fier", "fier/50 begins");
    expect(lines.slice(17)).toEqual([
      "fstream: 34 similar messages suppressed; the last: fier/49 begins\n",
      "fstream: fier/50 begins\n",
    ]);
  });

  test("has the level it is given, and its sum too", () => {
    const { log, lines, time } = capture();
    log.repeated("internal a", "it failed", "error");
    log.repeated("internal a", "it failed again", "error");
    time.ms = 10_000;
    log.info("later");
    expect(lines.slice(0, 2)).toEqual([
      "fstream: error: it failed\n",
      "fstream: error: 1 similar message suppressed: it failed again\n",
    ]);
  });

  test("is summed up although nothing else is said", () => {
    const timers: (() => void)[] = [];
    const lines: string[] = [];
    const time = { ms: 0 };
    const log = createLog({
      level: "info",
      journal: false,
      write: (line) => void lines.push(line),
      nowMs: () => time.ms,
      after: (_ms, call) => void timers.push(call),
    });
    log.repeated("a", "first");
    log.repeated("a", "second");
    time.ms = 10_000;
    for (const call of timers.splice(0)) call();
    expect(lines).toEqual([
      "fstream: warning: first\n",
      "fstream: warning: 1 similar message suppressed: second\n",
    ]);
    expect(timers).toEqual([]);
  });

  test("is summed up in time when the wall clock has been set back", () => {
    const lines: string[] = [];
    const clock = spyOn(performance, "now");
    try {
      const log = stderrLog({ logLevel: "info" }, (line) => lines.push(line));
      clock.mockReturnValue(1000);
      log.repeated("a", "first");
      log.repeated("a", "second");
      setSystemTime(new Date(Date.now() - 3_600_000));
      clock.mockReturnValue(11_000);
      log.repeated("a", "third");
      expect(lines.map((line) => line.replace(/^<\d>/, ""))).toEqual([
        "fstream: warning: first\n",
        "fstream: warning: 1 similar message suppressed: second\n",
        "fstream: warning: third\n",
      ]);
    } finally {
      setSystemTime();
      clock.mockRestore();
    }
  });
});

describe("what peers can have written", () => {
  test("is a rate for each kind of message, however many the peers, and says how many were left out", () => {
    const { log, lines, time } = capture();
    flood(log, time, 100, (i) => log.repeated(`unauthorized 198.51.${i}`, `login of ${i} refused`));
    log.repeated("unauthorized 203.0.113.1", "login of fier refused");
    const bytes = lines.reduce((sum, line) => sum + line.length, 0);
    expect(lines.length).toBeLessThan(500);
    expect(bytes).toBeLessThan(30_000);
    const summed = lines.map((line) => Number(/: (\d+) similar messages? suppressed/.exec(line)?.[1] ?? 1));
    expect(summed.reduce((sum, count) => sum + count, 0)).toBe(100_001);
  });

  test("hides neither the first message of another kind nor the server's own", () => {
    const { log, lines, time } = capture();
    flood(log, time, 10, (i) => log.repeated(`unauthorized 198.51.${i}`, `login of ${i} refused`));
    log.repeated("slow fier", "fier/default: a watcher is slow");
    log.event("begin fier", "fier/default begins");
    log.info("SIGTERM: stopping");
    expect(lines.slice(-3)).toEqual([
      "fstream: warning: fier/default: a watcher is slow\n",
      "fstream: fier/default begins\n",
      "fstream: SIGTERM: stopping\n",
    ]);
  });

  test("has a rate without a key too", () => {
    const { log, lines, time } = capture();
    flood(log, time, 100, (i) => log.info(`line ${i}`));
    expect(lines.length).toBeLessThan(2100);
    expect(lines.join("")).toContain("suppressed; the last: line ");
  });

  test("is a line of at most 1 KiB, whatever it escapes to", () => {
    const { log, lines } = capture("info", true);
    for (const text of ["x", "\u2028", "\x07", "é", "🎥"]) log.warn(text.repeat(50_000));
    for (const line of lines) {
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1024);
      expect(Buffer.byteLength(line)).toBeGreaterThan(1000);
      expect(line).toEndWith("…\n");
      expect(line.isWellFormed()).toBe(true);
    }
    log.warn("x".repeat(1000));
    expect(lines.at(-1)).toBe(`<4>fstream: warning: ${"x".repeat(1000)}\n`);
  });

  test("is names of at most 64 characters", () => {
    expect(named("x".repeat(64))).toBe("x".repeat(64));
    expect(named("x".repeat(65))).toBe(`${"x".repeat(63)}…`);
    expect(named("🎥".repeat(40)).length).toBeLessThanOrEqual(64);
    expect(named("🎥".repeat(40)).isWellFormed()).toBe(true);
  });

  test("is remembered in bounded memory, at a level that says nothing of it as well", () => {
    for (const level of ["info", "error"] as const) {
      const { log, time } = capture(level);
      const before = memory();
      for (let i = 0; i < 200_000; i++) {
        time.ms += 0.01;
        log.repeated(`kind ${i} ${"x".repeat(100)}`, `message ${i} ${"y".repeat(100)}`);
      }
      expect(memory() - before).toBeLessThan(20 * 2 ** 20);
    }
  });
});

function memory(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** So many messages at a time, for so many seconds. */
function flood(log: Log, time: { ms: number }, seconds: number, say: (i: number) => void) {
  for (let i = 0; i < seconds * 1000; i++) {
    time.ms += 1;
    say(i);
  }
  time.ms += 10_000;
  log.debug("below the level");
}
