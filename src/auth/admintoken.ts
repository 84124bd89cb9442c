// The operator's token: what stands in `admin_token_file`. It opens what is not everybody's to see, and ends broadcasts. The file
// is read afresh for each token that is presented, as users are, so that a new one needs no restart.

import { stat } from "node:fs/promises";
import { FstreamError } from "../errors.ts";
import { readRegularFile } from "../file.ts";
import { constantTimeEquals } from "./password.ts";

/** Far more than any token has. Bytes. */
const maxFileBytes = 4 * 1024;
/** Fewer can be guessed. Characters. */
const minLength = 16;

export class AdminToken {
  readonly #file: string;
  readonly #equals = constantTimeEquals();

  constructor(file: string) {
    this.#file = file;
  }

  /** Whether `token` is the operator's. Rejects with FstreamError `failed`, naming the setting, if the file can't be used. */
  async matches(token: string): Promise<boolean> {
    return this.#equals(await this.read(), token);
  }

  /** The token. Rejects as `matches` does. */
  async read(): Promise<string> {
    const token = (await this.#text()).replace(/\r?\n$/, "");
    if (/^[!-~]+$/.test(token) && token.length >= minLength) return token;
    throw new FstreamError(
      "failed",
      `admin_token_file: ${this.#file} must be one line of at least ${minLength} visible ASCII characters`,
      { hint: "`openssl rand -hex 32` generates one" },
    );
  }

  async #text(): Promise<string> {
    try {
      return (await readRegularFile(this.#file, maxFileBytes)).toString("latin1");
    } catch (cause) {
      if (!(cause instanceof FstreamError)) throw cause;
      throw new FstreamError("failed", `admin_token_file: ${this.#file} can't be read: ${cause.message}`, {
        cause,
      });
    }
  }

  /** Whether others than owner and group can read the file; false where there are no modes (Windows). */
  async isExposed(): Promise<boolean> {
    if (process.platform === "win32") return false;
    return await stat(this.#file).then(
      ({ mode }) => (mode & 0o004) !== 0,
      () => false, // `read` tells why
    );
  }
}
