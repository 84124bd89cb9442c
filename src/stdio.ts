// The process's own stdin and stdout, for what is short: a secret that comes in, a result that goes out. (Streams go
// through client/input.ts and client/output.ts.) A result that can't be written is an error, lest a script take an empty
// file for it; a pipe whose reader has left is none, as in any pipeline.

import { constants, readFileSync, writeSync } from "node:fs";
import { FstreamError, reasonOf } from "./errors.ts";
import { readSome, readToEnd } from "./file.ts";

/** Linux, <asm-generic/fcntl.h>. */
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_ACCMODE = 3;

/** All of stdin, at most `maxBytes`; rejects with FstreamError `failed`. */
export async function readStdin(maxBytes: number): Promise<Buffer> {
  return await reading(() => readToEnd(0, maxBytes));
}

/**
 * The first line of stdin, at most `maxBytes`, without its line feed: byte by byte, as a shell's `read` does, since what
 * follows is for another program. Rejects with FstreamError `failed`.
 */
export async function readStdinLine(maxBytes: number): Promise<Buffer> {
  return await reading(async () => {
    const line: number[] = [];
    const byte = new Uint8Array(1);
    while ((await readSome(0, byte)) > 0 && byte[0] !== 0x0a) {
      if (line.push(byte[0]) > maxBytes)
        throw new FstreamError("failed", `the first line is longer than ${maxBytes / 1024} KiB`);
    }
    return Buffer.from(line);
  });
}

async function reading(read: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof FstreamError)) throw cause;
    throw new FstreamError("failed", `can't read standard input: ${cause.message}`, { cause });
  }
}

/** Writes all of `text` to stdout, waiting for its reader; false if that has gone. Throws FstreamError `failed` if it can't be written. */
export function writeStdout(text: string): boolean {
  if (isClosed(1)) throw new FstreamError("failed", "can't write to standard output: it is closed");
  let rest: Uint8Array = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN")
        throw new FstreamError("failed", `can't write to standard output: ${reasonOf(cause)}`, {
          cause,
        });
      Bun.sleepSync(1);
    }
  }
  return true;
}

/**
 * Whether a descriptor was closed when the process began (`>&-`). Bun opens /dev/null in its place, and what was opened since
 * can be told from what was inherited: it is closed at exec(2). Known on Linux alone; elsewhere it is /dev/null.
 */
export function isClosed(descriptor: 0 | 1): boolean {
  return (flagsOf(descriptor) & O_CLOEXEC) !== 0;
}

/** Whether a descriptor can be read from, as far as is known (on Linux alone): a read of the writing end of a pipe would never end. */
export function isReadable(descriptor: 0): boolean {
  const flags = flagsOf(descriptor);
  return (flags & O_ACCMODE) !== constants.O_WRONLY && (flags & O_PATH) === 0;
}

/** The flags of a descriptor as the process was given it (proc_pid_fdinfo(5)); 0 where there is no /proc. */
function flagsOf(descriptor: 0 | 1): number {
  if (process.platform !== "linux") return 0;
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"));
    return flags === null ? 0 : Number.parseInt(flags[1], 8);
  } catch {
    return 0; // no /proc here
  }
}
