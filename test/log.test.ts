// Lines for people and for the journal: whole, harmless, and never a flood.

import { describe, expect, test } from "bun:test";
import { createLog, type Level, printable, printableJson } from "../src/log.ts";

function capture(level: Level = "info", journal = false) {
  const lines: string[] = [];
  const time = { ms: 0 };
  const log = createLog({ level, journal, write: (line) => void lines.push(line), nowMs: () => time.ms });
  return { log, lines, time };
}

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

describe("a message that repeats", () => {
  test("is told once, then counted, and summed up with the next line after 10 s", () => {
    const { log, lines, time } = capture();
    for (let i = 0; i < 5; i++) log.scope("in").repeated("key", `refused ${i}`);
    expect(lines).toEqual(["fstream: warning: in: refused 0\n"]);
    time.ms = 9999;
    log.info("other");
    expect(lines.length).toBe(2);
    time.ms = 10_000;
    log.info("later");
    expect(lines.slice(2)).toEqual(["fstream: warning: in: 4 more like: refused 4\n", "fstream: later\n"]);
    log.repeated("key", "refused again");
    expect(lines.at(-1)).toBe("fstream: warning: refused again\n");
  });

  test("does not hide another one", () => {
    const { log, lines } = capture();
    log.repeated("a", "first");
    log.repeated("b", "second");
    expect(lines.length).toBe(2);
  });

  test("is remembered in bounded memory however many kinds there are", () => {
    const { log, lines } = capture();
    for (let i = 0; i < 1000; i++) for (let j = 0; j < 2; j++) log.repeated(`key ${i}`, `message ${i}`);
    const summed = lines.filter((line) => line.includes("1 more like"));
    expect(summed.length).toBeGreaterThan(700);
  });
});
