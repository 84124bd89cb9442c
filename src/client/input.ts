// The bytes to broadcast, read ahead of the connection: a pump keeps a little of stdin at hand, so that reading
// and sending overlap, and takes no more while it is not fetched (the pipe's writer then waits, as in any
// pipeline). A source that always has more, such as a file, yields to the event loop after as much as is read ahead:
// signals and the connection have to be heard between.

import { fstatSync, type Stats } from "node:fs";
import { isatty } from "node:tty";
import { FstreamError, reasonOf } from "../errors.ts";
import { readSome } from "../file.ts";
import { isClosed, isReadable } from "../stdio.ts";

/** Read ahead at most this much, bytes. */
const aheadBytes = 1024 * 1024;
/** Read from a file at a time, bytes. */
const pieceBytes = 512 * 1024;

interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
}

export class Input {
  readonly #reader: Reader;
  #chunks: Uint8Array[] = [];
  #ahead = 0;
  #total = 0;
  /** Bytes read since it last yielded to the event loop. */
  #sinceYield = 0;
  #pumping = false;
  #over = false;
  #failure: FstreamError | undefined;
  #change: () => void = () => undefined;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Begins to read; `change` is called whenever there is more, or the end. */
  start(change: () => void): void {
    this.#change = change;
    void this.#pump();
  }

  /** Bytes that are there, or undefined: none at the moment, or none any more. */
  take(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#ahead -= chunk.length;
    if (!this.#pumping) void this.#pump();
    return chunk;
  }

  /** Whether all was taken and no more will come. */
  get ended(): boolean {
    return this.#over && this.#chunks.length === 0;
  }

  /** All that was read so far, bytes. */
  get total(): number {
    return this.#total;
  }

  /** Why it ended, if reading failed. */
  get failure(): FstreamError | undefined {
    return this.#failure;
  }

  /** No more is read; what is there can still be taken. */
  finish(): void {
    this.#over = true;
    this.#change();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (!this.#over && this.#ahead < aheadBytes) {
        if (this.#sinceYield >= aheadBytes) {
          await new Promise(setImmediate);
          this.#sinceYield = 0;
        }
        const { done, value } = await this.#reader.read();
        if (done || this.#over) this.#over = true;
        else if (value !== undefined && value.length > 0) {
          this.#chunks.push(value);
          this.#ahead += value.length;
          this.#sinceYield += value.length;
          this.#total += value.length;
        }
        this.#change();
      }
    } catch (cause) {
      const why = reasonOf(cause);
      this.#over = true;
      this.#failure = new FstreamError("failed", `can't read standard input: ${why}`, { cause });
      this.#change();
    }
    this.#pumping = false;
  }
}

/** The process's stdin, from the descriptor's offset on; throws FstreamError `failed` if it is closed. */
export function stdinInput(): Input {
  if (isClosed(0)) throw new FstreamError("failed", "can't read standard input: it is closed");
  if (!isReadable(0))
    throw new FstreamError("failed", "can't read standard input: it is not open for reading");
  return new Input(isStream(0) ? streamReader() : descriptorReader(0));
}

/**
 * Whether it is one that is waited for: a pipe, a socket, a terminal. Files and devices are always ready, and Bun's stream would read
 * files from the beginning. What can't be looked at, as handles on Windows may be, is read as a file, which tells what is wrong with it.
 */
function isStream(fd: number): boolean {
  let stats: Stats;
  try {
    stats = fstatSync(fd);
  } catch {
    return false;
  }
  if (stats.isDirectory()) throw new FstreamError("failed", "can't read standard input: it is a directory");
  return !stats.isFile() && !stats.isBlockDevice() && (!stats.isCharacterDevice() || isatty(fd));
}

/** On Windows there are pipes that Bun can't wait for (other programs' emulations of them): those are read as files are. */
function streamReader(): Reader {
  try {
    return Bun.stdin.stream().getReader();
  } catch {
    return descriptorReader(0);
  }
}

/** Reads on the thread pool from where the descriptor stands. */
function descriptorReader(fd: number): Reader {
  return {
    async read() {
      const piece = Buffer.allocUnsafeSlow(pieceBytes);
      const count = await readSome(fd, piece);
      return count === 0 ? { done: true } : { done: false, value: piece.subarray(0, count) };
    },
  };
}
