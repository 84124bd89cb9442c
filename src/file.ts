// Reading small files that others may have written: settings, users, certificates, secrets. A file is opened
// without waiting for it (O_NONBLOCK), looked at once it is open (fstat, so that nothing can be swapped in between), and
// read up to a bound, on the thread pool: a FIFO, /dev/zero or /proc/kmsg neither holds the event loop nor fills memory.
//
// What is found in a folder, or named in the settings, has to be a regular file. What the command line names may also
// be a pipe or a device that ends within a time: `--user-password-file <(pass show relay)`, `--config /dev/stdin`.

import { read as readCallback, type Stats } from "node:fs";
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { FstreamError, reasonOf } from "./errors.ts";

/** Not all systems have the last two. */
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
/** How long a pipe that the command line names may take: a password store may have to be unlocked. Milliseconds. */
const pipeTimeoutMs = 120_000;
/** How often something that has nothing to read yet is asked again, milliseconds. */
const askAgainMs = 10;
const chunkBytes = 16 * 1024;

/**
 * The bytes of a regular file of at most `maxBytes`. Rejects with FstreamError `failed` whose message is the reason
 * alone, to stand after the file's name; `isMissing` tells that there is none.
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer> {
  return await reading(path, openFlags, async (file, stats) => {
    if (!stats.isFile()) throw failed(`it is ${kindOf(stats)}, not a regular file`);
    return await readToEnd(file.fd, maxBytes, 0);
  });
}

/**
 * As readRegularFile; the file may be anything else that ends within `waitMs`, too. A FIFO is opened as its writer expects,
 * waiting for it: where none comes that keeps a thread of the pool, which ends with the process.
 */
export async function readNamedFile(path: string, maxBytes: number, waitMs = pipeTimeoutMs): Promise<Buffer> {
  const untilMs = performance.now() + waitMs;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(nothingCame()), waitMs);
  const bytes = flagsFor(path).then((flags) =>
    reading(path, flags, async (file, stats) => {
      if (stats.isDirectory()) throw failed("it is a directory");
      return await readToEnd(file.fd, maxBytes, stats.isFile() ? 0 : untilMs);
    }),
  );
  try {
    return await Promise.race([bytes, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function flagsFor(path: string): Promise<number> {
  const isFifo = await stat(path).then(
    (stats) => stats.isFIFO(),
    () => false, // opening it will tell why
  );
  return isFifo ? constants.O_RDONLY : openFlags;
}

/** Whether an error of readRegularFile or readNamedFile means that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof FstreamError && isSystemError(error.cause, "ENOENT");
}

/**
 * All that comes from a descriptor's offset on, at most `maxBytes`. It is asked again until `untilMs` (of
 * performance.now) while there is nothing to read yet. Rejects as readRegularFile does.
 */
export async function readToEnd(
  fd: number,
  maxBytes: number,
  untilMs = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  const pieces: Buffer[] = [];
  let size = 0;
  for (;;) {
    const count = await readSome(fd, chunk, untilMs);
    if (count === 0) return Buffer.concat(pieces, size);
    size += count;
    if (size > maxBytes) throw failed(`it is larger than ${maxBytes / 1024} KiB`);
    pieces.push(Buffer.from(chunk.subarray(0, count)));
  }
}

/** Reads into `into` from a descriptor's offset on; resolves with how many bytes there were, 0 at the end. As readToEnd. */
export async function readSome(
  fd: number,
  into: Uint8Array,
  untilMs = Number.POSITIVE_INFINITY,
): Promise<number> {
  for (;;) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    readCallback(fd, into, 0, into.length, null, (error, count) => (error ? reject(error) : resolve(count)));
    try {
      return await promise;
    } catch (cause) {
      if (!isSystemError(cause, "EAGAIN")) throw failed(reasonOf(cause), cause);
      if (performance.now() >= untilMs) throw nothingCame(cause);
    }
    await Bun.sleep(askAgainMs);
  }
}

async function reading(
  path: string,
  flags: number,
  use: (file: FileHandle, stats: Stats) => Promise<Buffer>,
): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, flags);
    return await use(file, await file.stat());
  } catch (cause) {
    if (cause instanceof FstreamError) throw cause;
    throw failed(reasonOf(cause), cause);
  } finally {
    await file?.close();
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function nothingCame(cause?: unknown): FstreamError {
  return failed("timed out waiting for data", cause);
}

function failed(reason: string, cause?: unknown): FstreamError {
  return new FstreamError("failed", reason, { cause });
}
