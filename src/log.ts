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

export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** The same log, with `name: ` before each message. */
  scope(name: string): Log;
  /**
   * Warns once for `key`, then counts: the count is told when the window of 10 s is over. For what a
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

/** The process's log: stderr, journal priorities where the journal listens. */
export function stderrLog(level: Level): Log {
  return createLog({
    level,
    journal: process.env.JOURNAL_STREAM !== undefined,
    write: (line) => void process.stderr.write(line),
    nowMs: () => Date.now(),
  });
}

/** A log that writes whole lines through `options.write`. */
export function createLog(options: LogOptions): Log {
  const remembered = new Map<string, { sinceMs: number; count: number; last: string }>();

  const emit = (level: Level, scope: string, message: string) => {
    if (order[level] < order[options.level]) return;
    const prefix = options.journal ? `<${priority[level]}>` : "";
    options.write(`${prefix}fstream: ${label[level]}${scope}${printable(message)}\n`);
  };

  const sumUp = (scope: string, key: string) => {
    const entry = remembered.get(key);
    remembered.delete(key);
    if (entry !== undefined && entry.count > 0)
      emit("warn", scope, `${entry.count} more like: ${entry.last}`);
  };

  const at = (scope: string): Log => ({
    debug: (message) => emit("debug", scope, message),
    info: (message) => emit("info", scope, message),
    warn: (message) => emit("warn", scope, message),
    error: (message) => emit("error", scope, message),
    scope: (name) => at(`${scope}${name}: `),
    repeated: (key, message) => {
      const now = options.nowMs();
      for (const [old, entry] of remembered) {
        if (now - entry.sinceMs < repeatWindowMs && remembered.size < maxRemembered) break;
        sumUp(scope, old);
      }
      const entry = remembered.get(key);
      if (entry === undefined) {
        remembered.set(key, { sinceMs: now, count: 0, last: message });
        emit("warn", scope, message);
      } else {
        entry.count++;
        entry.last = message;
      }
    },
  });
  return at("");
}

/** `text` with control characters and line separators as visible escapes: safe for a terminal or a log. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}
