// Makes a test vector (src/protocol/README.md, "Test vectors") from the text of a request or a reply: what it stands for is what
// the code makes of it, which is to be read before it is committed. `scripts/vectors` writes it to its file.

import { HandshakeDecoder } from "../../src/protocol/handshake.ts";
import { requestKeys } from "../../src/protocol/keys.ts";
import { ReplyDecoder } from "../../src/protocol/reply.ts";
import type { Request } from "../../src/protocol/request.ts";
import { parseText } from "../../src/protocol/text.ts";

const limits = { maxPreambleBytes: 8192, maxRequestBytes: 4096 };
/** Where a line's comment begins; so many bytes are in a line. */
const commentColumn = 48;
const lineBytes = 16;
/** More equal bytes than that are written as one, and how often. */
const longRun = 32;

/** The vector `name` of the text; `reply`: of a frame, else of a handshake with the bare preamble. */
export function makeVector(name: string, text: string, reply: boolean): string {
  const content = new TextEncoder().encode(text);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, content.length);
  const preamble = Uint8Array.of(10, 10);
  const bytes = Buffer.concat([reply ? [] : preamble, length, [0], content].map((part) => Buffer.from(part)));
  const quoted = escaped(JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"'), /[\p{C}\p{Zl}\p{Zp}]/gu);
  const title = quoted.length > 100 ? `${quoted.slice(0, 100)}...` : quoted;
  return [
    `name: ${name}`,
    ...(reply ? replyLines(bytes) : requestLines(bytes)),
    "",
    ...(reply ? [] : hexLines(preamble, "preamble")),
    ...hexLines(length, `length: ${content.length}`),
    ...hexLines(Uint8Array.of(0), "null"),
    ...hexLines(content, `text: ${title}`),
    "",
  ].join("\n");
}

function requestLines(bytes: Uint8Array): string[] {
  const decoder = new HandshakeDecoder(limits);
  for (const [at, byte] of bytes.entries()) {
    const result = decoder.feed(Uint8Array.of(byte));
    if (result.type === "request") return ["expect: request", ...requestFields(result.request)];
    if (result.type === "more") continue;
    if (result.type === "http") return ["expect: http"];
    const answered = result.reply ? ["answered: true"] : [];
    return ["expect: refused", `code: ${json(result.error.code)}`, ...answered, `refused_at: ${at + 1}`];
  }
  return ["expect: more"];
}

/** All that is not as if left out. */
function requestFields(request: Request): string[] {
  const values = request as unknown as Readonly<Record<string, unknown>>;
  const lines = [`intent: ${json(request.intent)}`];
  for (const [field, { key, read }] of Object.entries(requestKeys[request.intent])) {
    const value = values[field];
    if (isDefault(value, read)) continue;
    lines.push(`${key}: ${key === "start" ? startOf(value as { type: string; ms?: number }) : json(value)}`);
  }
  if (request.query !== "") lines.push(`query: ${json(request.query)}`);
  return lines;
}

function isDefault(value: unknown, read: (value: undefined) => unknown): boolean {
  try {
    return JSON.stringify(read(undefined)) === JSON.stringify(value);
  } catch {
    // It can't be left out. `reply` of `end` can be only 1.
    return value === true;
  }
}

function startOf({ type, ms }: { readonly type: string; readonly ms?: number }): string {
  return json(ms ?? type);
}

function replyLines(bytes: Uint8Array): string[] {
  const decoder = new ReplyDecoder();
  for (const [at, byte] of bytes.entries()) {
    const result = decoder.feed(Uint8Array.of(byte));
    if (result.type === "stream") return ["expect: stream", `stream_at: ${at + 1}`];
    if (result.type === "more") continue;
    const { word, fields } = parseText(Buffer.from(bytes.subarray(5)).toString());
    const given = Object.fromEntries(fields);
    if (word === "ok") return ["expect: ok", ...(fields.size > 0 ? [`fields: ${spaced(given)}`] : [])];
    const message = fields.get("message");
    const said = message === undefined ? [] : [`message: ${json(message)}`];
    return ["expect: error", `code: ${json(fields.get("code") ?? "")}`, ...said];
  }
  return ["expect: more"];
}

/** JSON in ASCII alone. */
function json(value: unknown): string {
  return escaped(JSON.stringify(value), /[\u007f-\uffff]/g);
}

function escaped(text: string, characters: RegExp): string {
  return text.replaceAll(characters, (one) =>
    Array.from(
      { length: one.length },
      (_, at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

function spaced(fields: Readonly<Record<string, string>>): string {
  const parts = Object.entries(fields).map(([key, value]) => `${json(key)}: ${json(value)}`);
  return `{${parts.join(", ")}}`;
}

function hexLines(bytes: Uint8Array, comment: string): string[] {
  const lines: string[] = [];
  let words: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at];
    let run = 1;
    while (at + run < bytes.length && bytes[at + run] === byte) run++;
    const times = run > longRun ? run : 1;
    words.push(byte.toString(16).padStart(2, "0") + (times > 1 ? `*${times}` : ""));
    at += times;
    if (words.length === lineBytes || at >= bytes.length) {
      lines.push(words.join(" "));
      words = [];
    }
  }
  lines[0] = `${(lines[0] ?? "").padEnd(commentColumn - 1)} # ${comment}`;
  return lines;
}
