// Messages, the log's too, go to stderr, read or unread: a write that waits for its reader would hold up the stream,
// the timers and the signals as well. A pipe's is the runtime's to write to, as its reader takes it. To a terminal the runtime
// would wait (one that is stopped, by Ctrl-S or by a connection that hangs, takes nothing), so that is written to here.
// More than `maxUnreadBytes` are not kept for a reader that has stopped: what is said then is lost.

import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { wipe } from "../client/meter.ts";

/** Bytes that may wait for a reader. */
const maxUnreadBytes = 1024 * 1024;
/** How long a terminal that takes nothing is left alone, milliseconds. */
const terminalPauseMs = 20;

export interface Writer {
  /** Calls `done` when `bytes` are written, or never will be. */
  write(bytes: Uint8Array, done: () => void): void;
}

let unreadBytes = 0;
let whenRead: (() => void) | undefined;
let writer: Writer | undefined;

/** Says `text` on stderr, as it is; nothing if more than `most` bytes would then wait for its reader. */
export function say(text: string, most = maxUnreadBytes): void {
  const bytes = new TextEncoder().encode(text);
  if (unreadBytes > 0 && unreadBytes + bytes.length > most) return;
  unreadBytes += bytes.length;
  writer ??= terminalWriter() ?? runtimeWriter();
  writer.write(bytes, () => {
    unreadBytes -= bytes.length;
    if (unreadBytes === 0) whenRead?.();
  });
}

/** Has `other` written to from now on, in place of stderr: a service of Windows has none. */
export function sayTo(other: Writer): void {
  writer = other;
}

/** Says a line for people. On a terminal it takes the place of what others have left in the line: ffmpeg's status, or half a word. */
export function sayLine(line: string): void {
  say(`${process.stderr.isTTY ? wipe : ""}${line}\n`);
}

/** Resolves when all that was said is out, or after `limitMs`: to be awaited before the process ends. */
export async function flushed(limitMs: number): Promise<void> {
  if (unreadBytes === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  whenRead = resolve;
  await Promise.race([promise, Bun.sleep(limitMs)]);
}

function runtimeWriter(): Writer {
  // A reader that has gone is no reason to stop.
  process.stderr.on("error", () => {});
  return { write: (bytes, done) => void process.stderr.write(bytes, () => done()) };
}

/** Undefined where stderr is no terminal, or one that can't be opened anew (another user's). */
function terminalWriter(): Writer | undefined {
  if (process.platform !== "linux") return undefined;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // Other devices may be written to in the same way. (`node:tty` would take 10 ms of each start.)
    if (!fstatSync(2).isCharacterDevice()) return undefined;
    // Not to wait is a flag of the open file, which is the shell's as well: this one is our own.
    return new TerminalWriter(openSync("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY));
  } catch {
    return undefined;
  }
}

class TerminalWriter implements Writer {
  readonly #descriptor: number;
  readonly #queue: { bytes: Uint8Array; readonly done: () => void }[] = [];
  #pausing = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#queue.push({ bytes, done });
    if (!this.#pausing) this.#flush();
  }

  #flush(): void {
    for (let first = this.#queue.at(0); first !== undefined; first = this.#queue.at(0)) {
      const taken = this.#take(first.bytes);
      if (taken === 0) {
        this.#pausing = true;
        setTimeout(() => {
          this.#pausing = false;
          this.#flush();
        }, terminalPauseMs).unref();
        return;
      }
      first.bytes = first.bytes.subarray(taken);
      if (first.bytes.length > 0) continue;
      this.#queue.shift();
      first.done();
    }
  }

  /** How many of `bytes` are dealt with: those that the terminal took, or all if it has gone. */
  #take(bytes: Uint8Array): number {
    try {
      return writeSync(this.#descriptor, bytes);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      return code === "EAGAIN" ? 0 : bytes.length;
    }
  }
}
