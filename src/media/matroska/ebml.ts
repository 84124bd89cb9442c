// EBML (RFC 8794): elements of an id, a size and a body, inside each other. These functions read what is
// whole in memory, which is only ever a header; matroska.ts follows a stream of them.

import { zeros } from "../padding.ts";

/** An element that lies in a buffer: `at` is where its id is, `body` to `end` its content. */
export interface Element {
  readonly id: number;
  readonly at: number;
  readonly body: number;
  readonly end: number;
}

/** How many bytes a number has whose first byte is `first`; more than 8 if it is none (4 for an id). */
export function vintLength(first: number): number {
  return Math.clz32(first) - 23;
}

/** The size in `bytes` at `at`, `length` bytes long: Infinity if unknown (section 6.2), NaN if absurd. */
export function readSize(bytes: Uint8Array, at: number, length: number): number {
  const mask = (1 << (8 - length)) - 1;
  let value = bytes[at] & mask;
  let unknown = value === mask;
  for (let i = at + 1; i < at + length; i++) {
    value = value * 256 + bytes[i];
    unknown &&= bytes[i] === 0xff;
  }
  if (unknown) return Number.POSITIVE_INFINITY;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** The element at `at`, whose body may reach beyond `end`; undefined if its id and size do not end before. */
export function readElement(bytes: Uint8Array, at: number, end: number): Element | undefined {
  if (at >= end) return undefined;
  const idLength = vintLength(bytes[at]);
  if (idLength > 4 || at + idLength >= end) return undefined;
  const sizeLength = vintLength(bytes[at + idLength]);
  const body = at + idLength + sizeLength;
  if (sizeLength > 8 || body > end) return undefined;
  const size = readSize(bytes, at + idLength, sizeLength);
  if (Number.isNaN(size)) return undefined;
  return { id: readUint(bytes, at, at + idLength), at, body, end: body + size };
}

/** The elements from `at` to `end`, up to the first that is broken. */
export function* elements(bytes: Uint8Array, at: number, end: number): Generator<Element> {
  for (;;) {
    const element = readElement(bytes, at, end);
    if (element === undefined || element.end > end) return;
    yield element;
    at = element.end;
  }
}

/** The unsigned number from `at` to `end`. Beyond six bytes it is only nearly right, which no use here minds. */
export function readUint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = at; i < end; i++) value = value * 256 + bytes[i];
  return value;
}

/** No text that is read is longer. */
const maxTextBytes = 64;

/** The text from `at` to `end`, up to a zero byte or `maxTextBytes`; other than printable ASCII becomes "?". */
export function readText(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  for (let i = at; i < Math.min(end, at + maxTextBytes) && bytes[i] !== 0; i++) {
    text += bytes[i] > 0x20 && bytes[i] < 0x7f ? String.fromCharCode(bytes[i]) : "?";
  }
  return text;
}

/** The rest of an element of which only the first `length` bytes of its id and size are there: zeros. */
export function restOf(bytes: Uint8Array, length: number): Uint8Array[] {
  if (length === 0) return [];
  const head = new Uint8Array(12);
  head.set(bytes.subarray(0, length));
  const idLength = Math.min(4, vintLength(head[0]));
  // where nothing of the size is there it may as well be 0
  if (length <= idLength) head[idLength] = 0x80;
  const sizeLength = vintLength(head[idLength]);
  const size = readSize(head, idLength, sizeLength);
  return [head.subarray(length, idLength + sizeLength), ...zeros(size)];
}

/** Void elements (RFC 9559, 5.1) from `at` up to each of `ends` that lies ahead: elements inside of each other. */
export function voids(at: number, ends: readonly number[]): Uint8Array[] {
  const elements: Uint8Array[] = [];
  for (const end of ends) {
    if (end <= at || end === Number.POSITIVE_INFINITY) continue;
    elements.push(...voidElement(end - at));
    at = end;
  }
  return elements;
}

/** A Void element of so many bytes in all; one byte alone can only be a zero. */
function voidElement(bytes: number): Uint8Array[] {
  if (bytes < 2) return zeros(bytes);
  const isShort = bytes < 0x7f + 2;
  const head = new Uint8Array(isShort ? 2 : 9);
  head[0] = 0xec;
  if (isShort) head[1] = 0x80 | (bytes - 2);
  else new DataView(head.buffer).setBigUint64(1, BigInt(bytes - 9) | (1n << 56n));
  return [head, ...zeros(bytes - head.length)];
}
