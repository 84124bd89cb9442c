// Streams described by their structure: a tree of parts, each of which a family (flv.ts, mp4.ts, ...) turns into bytes.
// A description is plain data: it is kept as a fixture in place of the bytes, and made smaller part by part where it
// has found something. What is common to all families is here: repetition, pieces of real fixtures, and damage.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { concat } from "../../src/media/bytes.ts";

/** A part of a stream; its numbers and texts are its kind's own. */
export interface Part {
  readonly is: string;
  /** How often it comes; once if left out. */
  readonly times?: number;
  /** What is inside it. */
  readonly of?: readonly Part[];
  readonly [field: string]: number | string | readonly Part[] | undefined;
}

/** Makes the bytes of one part, given those of what is inside it; undefined for a kind that is not its own. */
export type Writer = (part: Part, inside: Uint8Array) => Uint8Array | undefined;

/** Whole numbers from 0 up to `below`. */
export type Roll = (below: number) => number;

/** One kind of stream. */
export interface Family {
  /** As the container's name. */
  readonly name: string;
  /** A writer for one stream: it counts frames, packets and the like. */
  writer(): Writer;
  /** Hostile streams, by what is hostile about them. */
  readonly patterns: Readonly<Record<string, (roll: Roll) => Part[]>>;
  /** Where the elements of a real stream begin; left out where the detector's marks tell. */
  elements?(bytes: Uint8Array): number[];
}

/** A number of a part. */
export function number(part: Part, field: string, otherwise = 0): number {
  const value = part[field];
  return typeof value === "number" ? value : otherwise;
}

/** A text of a part. */
export function text(part: Part, field: string, otherwise = ""): string {
  const value = part[field];
  return typeof value === "string" ? value : otherwise;
}

/** Letters as bytes. */
export function ascii(value: string): Uint8Array {
  return Uint8Array.from(value, (letter) => letter.charCodeAt(0));
}

/** `value` in `size` bytes, big endian. */
export function big(value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = size - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** `value` in `size` bytes, little endian. */
export function small(value: number, size: number): Uint8Array {
  return big(value, size).toReversed();
}

/** All of `parts` in a row. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return concat(parts);
}

/** Bytes of noise without zeros or ones, so that no start code is among them. */
export function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = (seed | 0) ^ 0x5bd1_e995;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 0x915f_77f5) + 0x3c6e_f35f) | 0;
    bytes[i] = 2 + ((state >>> 16) % 254);
  }
  return bytes;
}

const folder = join(import.meta.dir, "../fixtures");
const files = new Map<string, Uint8Array>();

/** A file of test/fixtures, read once. */
export function fixture(name: string): Uint8Array {
  const known = files.get(name);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(readFileSync(join(folder, name)));
  files.set(name, bytes);
  return bytes;
}

/** What is the same in all families. */
function common(part: Part, inside: Uint8Array): Uint8Array | undefined {
  switch (part.is) {
    case "group":
      return inside;
    case "file":
      return fixture(text(part, "name")).subarray(
        number(part, "from"),
        number(part, "from") + number(part, "size"),
      );
    case "noise":
      return noise(number(part, "size"), number(part, "seed"));
    case "fill":
      return new Uint8Array(number(part, "size")).fill(number(part, "byte"));
    case "hex":
      return Uint8Array.fromHex(text(part, "hex"));
    case "cut":
      // A view would keep all of its buffer.
      return inside.slice(0, number(part, "size"));
    case "flip": {
      const copy = inside.slice();
      if (copy.length > 0) copy[number(part, "at") % copy.length] ^= 1 << (number(part, "bit") & 7);
      return copy;
    }
    case "set": {
      const copy = inside.slice();
      const bytes = big(number(part, "value"), number(part, "size", 4));
      const at = number(part, "at");
      if (at + bytes.length <= copy.length) copy.set(bytes, at);
      return copy;
    }
    default:
      return undefined;
  }
}

class Full extends Error {}

/** Puts a stream together, up to `limit` bytes. */
class Press {
  readonly #writer: Writer;
  readonly #limit: number;
  readonly chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(writer: Writer, limit: number) {
    this.#writer = writer;
    this.#limit = limit;
  }

  /** Writes `parts` to the stream. */
  all(parts: readonly Part[]): void {
    for (const part of parts) {
      for (let time = number(part, "times", 1); time > 0; time--) {
        if (part.is === "group") this.all(part.of ?? []);
        else this.#put(this.#make(part));
      }
    }
  }

  #put(bytes: Uint8Array): void {
    const room = this.#limit - this.#bytes;
    this.chunks.push(bytes.length > room ? bytes.subarray(0, room) : bytes);
    this.#bytes += bytes.length;
    if (bytes.length >= room) throw new Full();
  }

  #make(part: Part): Uint8Array {
    const inside: Uint8Array[] = [];
    let bytes = 0;
    for (const child of part.of ?? []) {
      for (let time = number(child, "times", 1); time > 0 && bytes < this.#limit; time--) {
        const made = this.#make(child);
        inside.push(made);
        bytes += made.length;
      }
    }
    const whole = concat(inside);
    const made = common(part, whole) ?? this.#writer(part, whole);
    if (made === undefined) throw new Error(`no writer for a part ${part.is}`);
    return made;
  }
}

/** The bytes of a stream of `family`, cut off at `limit`. */
export function render(family: Family, parts: readonly Part[], limit: number): Uint8Array {
  const press = new Press(family.writer(), limit);
  try {
    press.all(parts);
  } catch (error) {
    if (!(error instanceof Full)) throw error;
  }
  return concat(press.chunks);
}

/** A size up to `most`: half of them anything, half of them small as likely as large. */
export function size(roll: Roll, most: number): number {
  if (roll(2) === 0) return 1 + roll(most);
  return Math.max(1, Math.floor(most ** (roll(10_001) / 10_000)));
}

/** One of `values`. */
export function pick<T>(roll: Roll, values: readonly T[]): T {
  return values[roll(values.length)];
}
