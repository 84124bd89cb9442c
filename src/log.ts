// Words for people, on stderr: one line each, `fstream: [scope: ]message`. Under systemd (its journal
// sets JOURNAL_STREAM) each line carries the syslog priority that sd-daemon(3) defines, so that
// `journalctl -p warning` works. A message that repeats is counted and summed up, never a flood.
// Control characters in what peers send us are escaped: a name can't forge a line.

export type Level = "debug" | "info" | "warn" | "error";

const order: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };
const priority: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };
const label: Record<Level, string> = { debug: "debug: ", info: "", warn: "warning: ", error: "error: " };

/** How long repeats of one message are gathered before they are summed up in a line, milliseconds. */
const repeatWindowMs = 10_000;
/** Distinct messages remembered for that at a time; beyond it the oldest are summed up early. */
const maxRemembered = 256;

/** Lines are dropped while so much waits for a reader of stderr that does not read. Bytes. */
const maxUnreadBytes = 1024 * 1024;

export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** The same log, with `name: ` before each message. */
  scope(name: string): Log;
  /**
   * Warns once for `key`, then counts for 10 s; the count is told with the next line after that. For what a
   * peer can cause at will.
   */
  repeated(key: string, message: string): void;
}

export interface LogOptions {
  level: Level;
  /** Whether lines carry `<N>` priorities for the journal. */
  journal: boolean;
  write(line: string): void;
  nowMs(): number;
}

/** A message that was told once, and how often it has come since. */
interface Repeats {
  readonly scope: string;
  readonly sinceMs: number;
  count: number;
  last: string;
}

/** The process's log: stderr, journal priorities where the journal listens. */
export function stderrLog(level: Level): Log {
  // Whoever read our words may go: that is no reason to stop working, and there is nobody to tell.
  process.stderr.on("error", () => {});
  return createLog({
    level,
    journal: process.env.JOURNAL_STREAM !== undefined,
    write: (line) => {
      // A reader that has stopped reading must not make us keep everything for it.
      if (process.stderr.writableLength < maxUnreadBytes) process.stderr.write(line);
    },
    nowMs: () => Date.now(),
  });
}

/** A log that writes whole lines through `options.write`. */
export function createLog(options: LogOptions): Log {
  /** In the order of their times. */
  const remembered = new Map<string, Repeats>();

  const emit = (level: Level, scope: string, message: string) => {
    if (order[level] < order[options.level]) return;
    sumUpElapsed();
    const prefix = options.journal ? `<${priority[level]}>` : "";
    options.write(`${prefix}fstream: ${label[level]}${scope}${printable(message)}\n`);
  };

  const sumUp = (key: string, entry: Repeats) => {
    remembered.delete(key);
    if (entry.count > 0) emit("warn", entry.scope, `${entry.count} more like: ${entry.last}`);
  };

  const sumUpElapsed = () => {
    const nowMs = options.nowMs();
    for (const [key, entry] of remembered) {
      if (nowMs - entry.sinceMs < repeatWindowMs && remembered.size <= maxRemembered) break;
      sumUp(key, entry);
    }
  };

  const at = (scope: string): Log => ({
    debug: (message) => emit("debug", scope, message),
    info: (message) => emit("info", scope, message),
    warn: (message) => emit("warn", scope, message),
    error: (message) => emit("error", scope, message),
    scope: (name) => at(`${scope}${name}: `),
    repeated: (key, message) => {
      const entry = remembered.get(key);
      if (entry !== undefined && options.nowMs() - entry.sinceMs < repeatWindowMs) {
        entry.count++;
        entry.last = message;
        return;
      }
      emit("warn", scope, message);
      remembered.set(key, { scope, sinceMs: options.nowMs(), count: 0, last: message });
    },
  });
  return at("");
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

/** `value` as indented JSON, safe for a terminal: the same characters as escapes of JSON's, so that it means the same. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(unprintable, (character) =>
    character === "\n" ? character : character.split("").map(escapedUnit).join(""),
  );
}

function escapedUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
