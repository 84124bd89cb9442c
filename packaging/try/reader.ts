// Numbers and texts at places of an executable's bytes, for the readers of formats beside this file. What lies outside of the bytes is an
// error of kind RangeError, as DataView has it: a file that is cut short never reads as another one.

export class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, order: "little" | "big") {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#little = order === "little";
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#little);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  /** Places and sizes within files: those are below 2^53. */
  u64(at: number): number {
    return Number(this.#view.getBigUint64(at, this.#little));
  }

  slice(at: number, size: number): Uint8Array {
    if (at < 0 || size < 0 || at + size > this.bytes.length)
      throw new RangeError(`${size} bytes at ${at} are outside of the file`);
    return this.bytes.subarray(at, at + size);
  }

  /** The text that begins at `at` and ends before a zero byte, or after `most` bytes. */
  text(at: number, most = 4096): string {
    const bytes = this.slice(at, Math.min(most, this.bytes.length - at));
    const end = bytes.indexOf(0);
    return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
  }
}
