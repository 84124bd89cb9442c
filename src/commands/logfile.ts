// Where the messages of a service of Windows go, which has no stderr: a file. It is written at once, since its disk is this machine's and there are
// only so many lines a second (log.ts). One that has grown large is put aside, in place of the one before it: there are two at most.

import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** A file larger than this is put aside, bytes. */
const maxFileBytes = 8 * 1024 * 1024;

export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #bytes: number;

  /** Makes the folder if it is not there; throws the system's error if that can't be. */
  constructor(path: string, maxBytes = maxFileBytes) {
    mkdirSync(dirname(path), { recursive: true });
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** A disk that is full, or a file that another program holds, is no reason to stop. */
  write(bytes: Uint8Array, done: () => void): void {
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) {
        renameSync(this.#path, `${this.#path}.old`);
        this.#bytes = 0;
      }
      appendFileSync(this.#path, bytes);
      this.#bytes += bytes.length;
    } catch {
      // What was said is lost.
    }
    done();
  }
}
