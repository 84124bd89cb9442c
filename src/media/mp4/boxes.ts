// ISO base media boxes (ISO/IEC 14496-12, section 4.2): a size, a four-character type and a body, inside each
// other. These functions read what is whole in memory: the movie box, and the fragment boxes.

import { concat, readNumber } from "../bytes.ts";

/** A box in a buffer: `at` is where it begins, `body` to `end` its content. */
export interface Box {
  readonly type: number;
  readonly at: number;
  readonly body: number;
  readonly end: number;
}

/** A type as a number: "moof" is 0x6d6f6f66. */
export function fourCc(type: string): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + type.charCodeAt(i);
  return value;
}

/** A number as a type; what is not printable ASCII becomes "?". */
export function fourCcText(type: number): string {
  const code = (shift: number) => (type >>> shift) & 0xff;
  return [24, 16, 8, 0]
    .map((shift) => (code(shift) > 0x20 && code(shift) < 0x7f ? String.fromCharCode(code(shift)) : "?"))
    .join("");
}

/** The boxes from `at` to `end`, up to the first that is broken. */
export function* boxes(bytes: Uint8Array, at: number, end: number): Generator<Box> {
  while (at + 8 <= end) {
    let size = readNumber(bytes, at, 4);
    let body = at + 8;
    if (size === 0) size = end - at;
    if (size === 1) {
      if (at + 16 > end) return;
      size = readNumber(bytes, at + 8, 4) * 2 ** 32 + readNumber(bytes, at + 12, 4);
      body = at + 16;
    }
    if (at + size > end || at + size < body) return;
    yield { type: readNumber(bytes, at + 4, 4), at, body, end: at + size };
    at += size;
  }
}

/** The first box of a `type` in `parent`; `path` leads on into it, and so on. */
export function findBox(bytes: Uint8Array, parent: Box, ...path: string[]): Box | undefined {
  let found: Box | undefined = parent;
  for (const type of path) {
    const wanted = fourCc(type);
    const within: Box = found;
    found = undefined;
    for (const box of boxes(bytes, within.body, within.end)) {
      if (box.type !== wanted) continue;
      found = box;
      break;
    }
    if (found === undefined) return undefined;
  }
  return found;
}

/** A box of `type` with the content of `parts`. */
export function boxOf(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const box = concat([new Uint8Array(8), ...parts]);
  box.set(headOf(type, box.length));
  return box;
}

/** The head of a box of `type` that has so many bytes in all, itself included. */
export function headOf(type: number, bytes: number): Uint8Array {
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, bytes);
  view.setUint32(4, type);
  return head;
}
