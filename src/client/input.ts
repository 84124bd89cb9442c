// The bytes to broadcast, read ahead of the connection: a pump keeps a little of stdin at hand, so that reading
// and sending overlap, and takes no more while it is not fetched (the pipe's writer then waits, as in any
// pipeline).

import { FstreamError } from "../errors.ts";

/** Read ahead at most this much, bytes. */
const aheadBytes = 1024 * 1024;

interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
}

export class Input {
  readonly #reader: Reader;
  #chunks: Uint8Array[] = [];
  #ahead = 0;
  #total = 0;
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
        const { done, value } = await this.#reader.read();
        if (done || this.#over) this.#over = true;
        else if (value !== undefined && value.length > 0) {
          this.#chunks.push(value);
          this.#ahead += value.length;
          this.#total += value.length;
        }
        this.#change();
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#over = true;
      this.#failure = new FstreamError("failed", `can't read stdin: ${why}`, { cause });
      this.#change();
    }
    this.#pumping = false;
  }
}

/** The process's stdin. */
export function stdinInput(): Input {
  return new Input(Bun.stdin.stream().getReader());
}
