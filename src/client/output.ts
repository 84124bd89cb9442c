// Where a watched stream goes: stdout. Writing waits for its reader; a reader that has gone away is no
// error but the end of what was asked for (`watch | head -c 1000`).

import { FstreamError, reasonOf } from "../errors.ts";
import { isClosed } from "../stdio.ts";

interface Sink {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
}

export class Output {
  readonly #sink: Sink;
  #gone = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Whether the reader has gone. */
  get gone(): boolean {
    return this.#gone;
  }

  /**
   * Resolves when `bytes` may be followed by more; with `flush`, when they are out. Does nothing once the
   * reader has gone; rejects with FstreamError `failed` if it can't be written (a full disk).
   */
  async write(bytes: Uint8Array, flush: boolean): Promise<void> {
    if (this.#gone) return;
    try {
      await this.#sink.write(bytes);
      if (flush) await this.#sink.flush();
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
      // A pipe's reader, or a socket's.
      if (code === "EPIPE" || code === "ECONNRESET") {
        this.#gone = true;
        return;
      }
      throw new FstreamError("failed", `can't write to standard output: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }
}

/** The process's stdout; throws FstreamError `failed` if it is closed. */
export function stdoutOutput(): Output {
  if (isClosed(1)) throw new FstreamError("failed", "can't write to standard output: it is closed");
  return new Output(Bun.stdout.writer());
}
