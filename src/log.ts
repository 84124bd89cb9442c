// The server's log, on stderr: one line for each message, `[time ]fstream: [level: ][scope: ]message`, or a JSON object (RFC 8259).
// Under systemd (its journal sets JOURNAL_STREAM) a line has no time, as the journal keeps that, and begins with the
// syslog priority of sd-daemon(3), so that `journalctl -p warning` works. Times are local, with their offset from UTC
// (RFC 3339). Control characters in what peers send are escaped: a name can't forge a line.
//
// Peers can't decide how much is written: a line has a longest, a message that repeats is counted and
// summed up, and each kind of message has a rate of its own. There are only so many kinds, so that all of them
// together have a rate too; and the first message of a kind is never left out because others flood.

import { fstatSync } from "node:fs";

export type Level = "debug" | "info" | "warn" | "error";

const order: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };
const priority: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };
const label: Record<Level, string> = { debug: "debug: ", info: "", warn: "warning: ", error: "error: " };

/** Lines for people, or JSON objects for programs. */
export type LogFormat = "text" | "json";

/** What a message is about, for programs: members of a JSON line besides time, level, scope and message. */
export type Fields = Readonly<Record<string, string | number>>;

/** How long repeats of one message are gathered before they are summed up in a line, milliseconds. */
const repeatWindowMs = 10_000;
/** Lines of one kind that may come at once, and how many more a second, besides those that sum up. */
const linesOfKind: Rate = { burst: 100, aSecond: 2 };
/** The same for lines without a key, for each level. Debugging may be verbose. */
const linesOfLevel: Record<Level, Rate> = {
  debug: { burst: 10_000, aSecond: 1000 },
  info: { burst: 1000, aSecond: 10 },
  warn: { burst: 1000, aSecond: 10 },
  error: { burst: 1000, aSecond: 10 },
};
/** Kinds are words of the code; if there are more all the same, those beyond share a rate. */
const maxKinds = 64;
/** A line's longest, with its end, bytes. */
const maxLineBytes = 1024;
/** A field's longest, before it is quoted, bytes. Few enough that all of a message's fit into a line. */
const maxFieldBytes = 160;
/** A key's longest, characters. */
const maxKeyLength = 128;
/** A user may have so many lines of one kind in a window: fewer than the kind has, so that others have theirs too. */
const eventsInWindow = 16;

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same log, with `name: ` before each message. */
  scope(name: string): Log;
  /**
   * For what a peer can cause at will: says it once for `key`, at `level` ("warn" if left out), then counts for 10 s and
   * sums up. The key's first word is the kind of the message, a word of the caller's; the rest says which peer, channel or
   * user it is about.
   */
  repeated(key: string, message: string, level?: Level, fields?: Fields): void;
  /** The same at "info" for what users do as a matter of course: only the seventeenth in 10 s is counted. */
  event(key: string, message: string, fields?: Fields): void;
}

export interface LogOptions {
  /** Looked at for each message. */
  readonly level: Level;
  /** "text" if left out. Looked at for each message. */
  readonly format?: LogFormat;
  /** Whether lines of text have a time; left out: they do not. Looked at for each message. */
  readonly times?: boolean;
  /** Whether lines carry `<N>` priorities for the journal. They then have no time, but for JSON. */
  journal: boolean;
  write(line: string): void;
  /** Milliseconds that only grow: a wall clock may be set back. */
  nowMs(): number;
  /** Calls `call` after so many milliseconds. Left out: what was counted is summed up only when something else is said. */
  after?(ms: number, call: () => void): void;
}

interface Rate {
  readonly burst: number;
  readonly aSecond: number;
}

interface Said {
  readonly level: Level;
  /** Each with ": " behind it. */
  readonly scope: string;
  readonly message: string;
  readonly fields?: Fields | undefined;
}

/** What one key has said in its window. */
interface Repeats {
  readonly sinceMs: number;
  said: number;
  /** Not said, but counted; the last of them. */
  count: number;
  last: Said | undefined;
}

/** The lines that may come now, of those of a rate. */
class Allowance {
  readonly #rate: Rate;
  #left: number;
  #asOfMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#asOfMs = nowMs;
  }

  /** Whether a line may come. */
  take(nowMs: number): boolean {
    const earned = (Math.max(0, nowMs - this.#asOfMs) / 1000) * this.#rate.aSecond;
    this.#left = Math.min(this.#rate.burst, this.#left + earned);
    this.#asOfMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

/**
 * The process's log: lines that `write` brings to stderr, with priorities where the journal listens. What is logged is what
 * `options` say at the time.
 */
export function stderrLog(
  options: { readonly logLevel: Level; readonly logFormat?: LogFormat; readonly logTime?: boolean },
  write: (line: string) => void,
): Log {
  return createLog({
    get level() {
      return options.logLevel;
    },
    get format() {
      return options.logFormat ?? "text";
    },
    get times() {
      return options.logTime ?? false;
    },
    journal: isJournal(2, process.env.JOURNAL_STREAM),
    write,
    nowMs: () => performance.now(),
    after: (ms, call) => void setTimeout(call, ms).unref(),
  });
}

/**
 * Whether the descriptor leads to the journal, whose stream $JOURNAL_STREAM names by device and inode (systemd.exec(5)). Programs
 * that were started by a service have the variable too, with their output somewhere else.
 */
export function isJournal(descriptor: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // it is closed
  }
}

/** A log that writes whole lines through `options.write`. */
export function createLog(options: LogOptions): Log {
  /** In the order of their times. As many at the most as the kinds may have lines in a window. */
  const remembered = new Map<string, Repeats>();
  const allowances = new Map<string, Allowance>();
  let summingUp = false;

  const write = (said: Said) => {
    const isJson = options.format === "json";
    const priorities = options.journal ? `<${priority[said.level]}>` : "";
    const time = !isJson && options.times && !options.journal ? `${timestamp(new Date())} ` : "";
    const room = maxLineBytes - 1 - priorities.length - time.length;
    options.write(`${priorities}${time}${isJson ? jsonLine(said, room) : textLine(said, room)}\n`);
  };

  const sumUpElapsed = (nowMs: number) => {
    for (const [key, { sinceMs, count, last }] of remembered) {
      if (nowMs - sinceMs < repeatWindowMs) break;
      remembered.delete(key);
      if (last === undefined) continue;
      const which =
        count === 1 ? "1 similar message suppressed" : `${count} similar messages suppressed; the last`;
      write({
        ...last,
        message: `${which}: ${last.message}`,
        fields: { ...last.fields, suppressed: count },
      });
    }
  };

  /** Nothing else may be said for long. */
  const sumUpLater = () => {
    if (summingUp || options.after === undefined) return;
    summingUp = true;
    options.after(repeatWindowMs, () => {
      summingUp = false;
      sumUpElapsed(options.nowMs());
      if (remembered.size > 0) sumUpLater();
    });
  };

  const allowanceOf = (kind: string, rate: Rate, nowMs: number): Allowance => {
    const name = allowances.has(kind) || allowances.size < maxKinds ? kind : "";
    const allowance = allowances.get(name) ?? new Allowance(rate, nowMs);
    allowances.set(name, allowance);
    return allowance;
  };

  const count = (key: string, said: Said, nowMs: number) => {
    const entry = remembered.get(key) ?? { sinceMs: nowMs, said: 0, count: 0, last: undefined };
    entry.count++;
    entry.last = { ...said, message: said.message.slice(0, maxLineBytes) };
    remembered.set(key, entry);
    sumUpLater();
  };

  /** Says it, or counts it: for its `key` once that has been said `most` times, else for its `kind`. */
  const say = (
    kind: string,
    rate: Rate,
    keyed: { readonly key: string; readonly most: number } | undefined,
    said: Said,
  ) => {
    if (order[said.level] < order[options.level]) return;
    const nowMs = options.nowMs();
    sumUpElapsed(nowMs);
    const entry = keyed === undefined ? undefined : remembered.get(keyed.key);
    if (keyed !== undefined && entry !== undefined && entry.said >= keyed.most) {
      count(keyed.key, said, nowMs);
      return;
    }
    if (!allowanceOf(kind, rate, nowMs).take(nowMs)) {
      count(kind, said, nowMs);
      return;
    }
    write(said);
    if (entry !== undefined) entry.said++;
    else if (keyed !== undefined)
      remembered.set(keyed.key, { sinceMs: nowMs, said: 1, count: 0, last: undefined });
  };

  const at = (scope: string): Log => {
    const plain = (level: Level) => (message: string, fields?: Fields) =>
      say(`<${level}>`, linesOfLevel[level], undefined, { level, scope, message, fields });
    const keyed = (key: string, most: number, said: Said) => {
      const kind = `${scope}${key.split(" ", 1)[0].slice(0, maxKeyLength)}`;
      // A key is never a kind's own, which has no space at its end.
      const of = { key: `${scope}${key.slice(0, maxKeyLength)} `, most };
      say(kind, linesOfKind, of, said);
    };
    return {
      debug: plain("debug"),
      info: plain("info"),
      warn: plain("warn"),
      error: plain("error"),
      scope: (name) => at(`${scope}${name}: `),
      repeated: (key, message, level = "warn", fields?) => keyed(key, 1, { level, scope, message, fields }),
      event: (key, message, fields) => keyed(key, eventsInWindow, { level: "info", scope, message, fields }),
    };
  };
  return at("");
}

/** Of at most so many bytes. */
function textLine({ level, scope, message }: Said, bytes: number): string {
  return cut(`fstream: ${label[level]}${scope}${printable(message.slice(0, maxLineBytes))}`, bytes);
}

/** Of at most so many bytes: of a longer message the beginning. */
function jsonLine({ level, scope, message, fields = {} }: Said, bytes: number): string {
  const time = timestamp(new Date());
  const short = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === "string" ? cut(printable(value), maxFieldBytes) : value,
  ]);
  const inScope = scope === "" ? {} : { scope: scope.slice(0, -2).replaceAll(": ", ".") };
  let text = printable(message.slice(0, maxLineBytes));
  for (;;) {
    const line = JSON.stringify({ time, level, ...inScope, message: text, ...Object.fromEntries(short) });
    const over = Buffer.byteLength(line) - bytes;
    if (over <= 0) return line;
    // A byte of the text is one at the least of the line.
    text = cut(text, Buffer.byteLength(text) - over);
  }
}

/** RFC 3339 in local time: "2026-11-27T22:30:00.123+01:00". */
export function timestamp(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? "-" : "+"}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`;
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** The beginning of `text` that takes at most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const end = "…";
  const kept = new Uint8Array(Math.max(0, bytes - Buffer.byteLength(end)));
  const { read } = new TextEncoder().encodeInto(text, kept);
  return text.slice(0, read) + end;
}

/** Controls, format characters (bidirectional ones too), line separators, halves of a pair; not the joiners that scripts need. */
const unprintable = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` with everything that is not simply seen as a visible escape: safe for a terminal or a log, on one line. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/**
 * `value` as JSON, safe for a terminal: the same characters as escapes of JSON's, so that it means the same. Lines are indented by so
 * many spaces; 0: it is one line.
 */
export function printableJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(unprintable, (character) =>
    character === "\n" ? character : character.split("").map(escapedUnit).join(""),
  );
}

function escapedUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
