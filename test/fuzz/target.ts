// Something that reads bytes of others, which the fuzzer gives it.

import type { Roll } from "./damage.ts";

export interface Target {
  readonly name: string;
  /** The ending of an input that is kept. */
  readonly ending: string;
  /** An input, the same for the same dice. */
  draw(roll: Roll): Uint8Array;
  /** What is wrong with how `bytes` are read, in a line; undefined if nothing is. `roll` decides how they are cut. */
  fault(bytes: Uint8Array, roll: Roll): string | undefined | Promise<string | undefined>;
}

/** An error in a line. */
export function inLine(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? error.message).replaceAll(/\s*\n\s*/g, " | ")
    : String(error);
}
