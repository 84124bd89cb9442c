// Reads the test vectors (src/protocol/README.md, "Test vectors"): lines `key: value`, an empty line, and bytes
// in hex, where `XX*N` is the byte N times, and # begins a comment.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Vector {
  /** The file's name, without its ending. */
  readonly file: string;
  readonly name: string;
  readonly expect: string;
  /** What is expected in particular; a field that is not there has its default. */
  readonly fields: ReadonlyMap<string, unknown>;
  /** So many of the bytes are behind what was decoded. */
  readonly rest: number;
  readonly bytes: Uint8Array;
}

const folder = join(import.meta.dir, "../fixtures/protocol");

/** Every vector whose file begins with one of `prefixes`, in the order of the files. */
export function vectors(...prefixes: readonly string[]): Vector[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".vector") && prefixes.some((prefix) => name.startsWith(prefix)))
    .sort()
    .map((name) => vector(name.replace(".vector", "")));
}

/** The vector in this file. */
export function vector(file: string): Vector {
  return parseVector(file, readFileSync(join(folder, `${file}.vector`), "utf8"));
}

function parseVector(file: string, text: string): Vector {
  const end = text.indexOf("\n\n");
  const plain = new Map<string, string>();
  const fields = new Map<string, unknown>();
  for (const line of text.slice(0, end).split("\n")) {
    const colon = line.indexOf(": ");
    const [key, value] = [line.slice(0, colon), line.slice(colon + 2)];
    if (key === "name" || key === "note" || key === "expect") plain.set(key, value);
    else fields.set(key, JSON.parse(value));
  }
  const bytes: number[] = [];
  for (const line of text.slice(end + 2).split("\n")) {
    for (const word of line.replace(/#.*/, "").split(" ").filter(Boolean)) {
      const match = /^([\da-f]{2})(?:\*(\d+))?$/.exec(word);
      if (match === null) throw new Error(`${file}: ${word} is no byte`);
      for (let times = Number(match[2] ?? 1); times > 0; times--) bytes.push(Number.parseInt(match[1], 16));
    }
  }
  const [name, expect] = [plain.get("name"), plain.get("expect")];
  if (name === undefined || expect === undefined) throw new Error(`${file}: name or expect is missing`);
  const rest = Number(fields.get("rest") ?? 0);
  return { file, name, expect, fields, rest, bytes: Uint8Array.from(bytes) };
}
