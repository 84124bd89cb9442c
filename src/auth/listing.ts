// The names in the users folder, read again only when the folder has changed, so that a login does not cost time in proportion
// to all users there are. Whether it has changed its times tell (mtime, and ctime since mtime can be set), but only once they are
// older than the coarsest clock that a file system keeps: until then each login reads it afresh, so that a user just added can
// log in at once.

import { stat } from "node:fs/promises";
import { listFiles } from "./userstore.ts";

/** FAT has times of two seconds, and others' clocks may be a little off. Milliseconds. */
const settledMs = 5000;

/** Names of users' files. */
export interface Files {
  /** Which folder it was, whatever its path: an unmounted disk leaves another one. */
  readonly folder: string;
  readonly set: ReadonlySet<string>;
  /** The same, for when one is to be picked by its number. */
  readonly list: readonly string[];
}

export class Listing {
  readonly #folder: string;
  readonly #read: (folder: string) => Promise<ReadonlySet<string>>;
  readonly #nowMs: () => number;
  #kept: { readonly version: string; readonly files: Files } | undefined;

  /** `nowMs` is the time of day, as the file system has it. */
  constructor(folder: string, read = listFiles, nowMs = Date.now) {
    this.#folder = folder;
    this.#read = read;
    this.#nowMs = nowMs;
  }

  /** The files there are; rejects as the system does. */
  async files(): Promise<Files> {
    // Before they are read: what changes meanwhile makes another version.
    const { dev, ino, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = await stat(this.#folder, { bigint: true });
    const folder = `${dev} ${ino}`;
    const version = [folder, mtimeNs, ctimeNs].join(" ");
    if (this.#kept?.version === version) return this.#kept.files;
    const settled = this.#nowMs() - Number(mtimeMs > ctimeMs ? mtimeMs : ctimeMs) > settledMs;
    const set = await this.#read(this.#folder);
    const files = { folder, set, list: [...set] };
    this.#kept = settled ? { version, files } : undefined;
    return files;
  }
}
